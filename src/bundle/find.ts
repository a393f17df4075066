import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { exists, listIfAny } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { type Manifest, parseManifest, REMAKE } from './manifest.ts';

/** A bundle in the store. */
export interface StoredBundle {
  readonly directory: string;
  readonly manifest: Manifest;
}

/** Where a bundle is, or will be. */
export function bundleDirectory(home: Home, recipe: string, variant: string, id: string): string {
  return join(home.bundles, recipe, variant, id);
}

/** Reads the bundle at a directory. @throws KilnError `integrity` when its manifest is missing or damaged. */
export async function readBundle(directory: string): Promise<StoredBundle> {
  const file = join(directory, 'manifest.json');
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP')) throw error;
    const is = hasErrno(error, 'ENOENT', 'ENOTDIR') ? 'is missing' : 'is no file';
    throw new KilnError('integrity', `${file} ${is}`, { hint: REMAKE });
  });
  return { directory, manifest: parseManifest(text, file) };
}

/**
 * Reads the bundle that has its place in the store under this id.
 * @throws KilnError `integrity` when its manifest is missing or damaged, or that of another bundle
 */
export async function readStored(
  home: Home,
  recipe: string,
  variant: string,
  id: string,
): Promise<StoredBundle> {
  const bundle = await readBundle(bundleDirectory(home, recipe, variant, id));
  const { manifest, directory } = bundle;
  if (manifest.recipe === recipe && manifest.variant === variant && manifest.id === id) return bundle;
  const is = `${manifest.recipe}:${manifest.variant} ${manifest.id}`;
  throw new KilnError('integrity', `what is in the place of ${recipe}:${variant} ${id} is bundle ${is}`, {
    place: { file: directory },
    hint: 'move it back to its own place, or out of the store',
  });
}

/** Reads the bundle at a directory; undefined where there is none, or none that can be read. */
export async function readBundleIfSound(directory: string): Promise<StoredBundle | undefined> {
  try {
    return await readBundle(directory);
  } catch (error) {
    if (error instanceof KilnError) return undefined;
    throw error;
  }
}

/** A directory in the store that should be a bundle and can't be read as one, and why. */
export interface UnreadableBundle {
  readonly directory: string;
  readonly sentence: string;
}

/** What there is in a store. */
export interface Store {
  readonly bundles: readonly StoredBundle[];
  readonly unreadable: readonly UnreadableBundle[];
}

/**
 * Every bundle of a store, of one recipe or of all, sorted by recipe, variant and id, and what is no bundle where one
 * should be.
 * @param read what reads a bundle, by default from its manifest: who lists often may remember what it has read
 */
export async function surveyBundles(
  home: Home,
  recipe?: string,
  read: (home: Home, recipe: string, variant: string, id: string) => Promise<StoredBundle> = readStored,
): Promise<Store> {
  const places: [string, string, string][] = [];
  for (const recipeName of recipe === undefined ? await listIfAny(home.bundles) : [recipe]) {
    for (const variant of await listIfAny(join(home.bundles, recipeName))) {
      for (const id of await listIfAny(join(home.bundles, recipeName, variant))) {
        // What is being removed has left its name by then.
        if (!id.startsWith('.')) places.push([recipeName, variant, id]);
      }
    }
  }
  const found: (StoredBundle | UnreadableBundle | undefined)[] = [];
  const one = async (place: [string, string, string]) => {
    try {
      return await read(home, ...place);
    } catch (error) {
      if (!(error instanceof KilnError)) throw error;
      const directory = bundleDirectory(home, ...place);
      // A file beside the bundles, or one that was removed meanwhile.
      return (await isDirectory(directory)) ? { directory, sentence: error.message } : undefined;
    }
  };
  for (let from = 0; from < places.length; from += READS_AT_ONCE) {
    found.push(...(await Promise.all(places.slice(from, from + READS_AT_ONCE).map(one))));
  }
  return {
    bundles: found.filter((bundle) => bundle !== undefined && 'manifest' in bundle),
    unreadable: found.filter((bundle) => bundle !== undefined && 'sentence' in bundle),
  };
}

async function isDirectory(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Files that are open at the same time. */
const READS_AT_ONCE = 64;

/** Every bundle of a store. @throws KilnError `integrity` when one can't be read */
export async function listBundles(home: Home): Promise<readonly StoredBundle[]> {
  const { bundles, unreadable } = await surveyBundles(home);
  const [first] = unreadable;
  if (first === undefined) return bundles;
  throw new KilnError('integrity', first.sentence, { hint: REMAKE });
}

/**
 * Finds a bundle by its id, by `recipe/variant/id`, or by the path of its directory.
 * @throws KilnError `usage` when there is none, or more than one, of that id.
 */
export async function findBundle(home: Home, reference: string): Promise<StoredBundle> {
  if (reference.includes('/') && (await exists(join(reference, 'manifest.json'))))
    return readBundle(reference);
  const [inRecipe = '', inVariant = '', inId] = reference.split('/');
  if (inId !== undefined && (await exists(join(home.bundles, reference, 'manifest.json')))) {
    return readStored(home, inRecipe, inVariant, inId);
  }
  const found: { recipe: string; variant: string; directory: string }[] = [];
  for (const recipe of await listIfAny(home.bundles)) {
    for (const variant of await listIfAny(join(home.bundles, recipe))) {
      const directory = bundleDirectory(home, recipe, variant, reference);
      if (reference.includes('/') || !(await exists(join(directory, 'manifest.json')))) continue;
      found.push({ recipe, variant, directory });
    }
  }
  const [only, ...others] = found;
  if (only === undefined) {
    throw new KilnError('usage', `there is no bundle ${reference} in ${home.bundles}`, {
      hint: 'kiln bundles lists those that there are, kiln recipes the recipes',
    });
  }
  if (others.length > 0) {
    throw new KilnError('usage', `more than one bundle has the id ${reference}`, {
      lines: found.map(({ directory }) => directory),
      hint: 'name it as recipe/variant/id',
    });
  }
  return readStored(home, only.recipe, only.variant, reference);
}
