import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { hasErrno, KilnError, type Place } from '../platform/errors.ts';
import { exists, listIfAny } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import type { RecipeLock } from '../recipe/lock.ts';
import type { RecipeSource } from '../recipe/schema.ts';
import type { FragmentReference, Variant } from '../recipe/variants.ts';
import { type FetchedSource, fetchSource, type SourceEvent, type SourceSpec } from '../sources/index.ts';
import type { SourceInput, TextInput } from './plan.ts';
import { CHECKOUT, type LoadedRecipe, readLock } from './recipes.ts';

/** What the command line says of sources. */
export interface SourceChoices {
  readonly mirrors: readonly string[];
  /** `--source NAME=PATH`, by name. */
  readonly substitutes: ReadonlyMap<string, string>;
}

/** The sources of a recipe by name: `kernel`, then the patches in order. */
export function sourceNames(recipe: LoadedRecipe): string[] {
  return ['kernel', ...recipe.recipe.patches.map((patch) => patch.name)];
}

/** Everything that is known of a recipe's source before it is fetched. */
export function sourceSpec(recipe: LoadedRecipe, lock: RecipeLock, name: string): SourceSpec {
  const source: RecipeSource | undefined =
    name === 'kernel' ? recipe.recipe.kernel.source : recipe.recipe.patches.find((one) => one.name === name);
  if (source === undefined) throw new Error(`${recipe.recipe.name} has no source ${name}`);
  const { urls, size, sha256, sha1, md5 } = source;
  const known = lock[name];
  // A lock of another file says nothing about this one.
  const locked =
    known !== undefined && urls.some((url) => fileNameOf(url) === known.file) ? known : undefined;
  return {
    name,
    urls,
    baseDirectory: recipe.directory,
    place: name === 'kernel' ? recipe.placeOf(['kernel', 'source', 'urls']) : recipe.placeOfPatch(name),
    ...(size === undefined ? {} : { size }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(sha1 === undefined ? {} : { sha1 }),
    ...(md5 === undefined ? {} : { md5 }),
    ...(locked === undefined ? {} : { locked: { size: locked.size, sha256: locked.sha256 } }),
  };
}

/** The file's name at a URL or path. */
export function fileNameOf(url: string): string {
  return basename(/^[a-z]+:/i.test(url) ? decodeURIComponent(new URL(url).pathname) : url);
}

/** Fetches one source of a recipe. */
export async function fetchNamed(
  home: Home,
  recipe: LoadedRecipe,
  lock: RecipeLock,
  name: string,
  choices: SourceChoices,
  onEvent: (event: SourceEvent) => void,
  signal: AbortSignal,
): Promise<FetchedSource> {
  const substitute = choices.substitutes.get(name);
  return fetchSource(sourceSpec(recipe, lock, name), {
    cacheDirectory: home.cache,
    mirrors: choices.mirrors,
    signal,
    onEvent,
    ...(substitute === undefined ? {} : { substitute }),
  });
}

/**
 * What the plan knows of the sources without fetching: their digests where the recipe or its lock pins
 * them. A substitute is read here: its digest is what counts.
 */
export async function knownSources(
  home: Home,
  recipe: LoadedRecipe,
  choices: SourceChoices,
  signal: AbortSignal,
): Promise<SourceInput[]> {
  const lock = await readLock(recipe);
  return Promise.all(
    sourceNames(recipe).map(async (name): Promise<SourceInput> => {
      if (choices.substitutes.has(name)) {
        return asInput(await fetchNamed(home, recipe, lock, name, choices, () => undefined, signal));
      }
      const spec = sourceSpec(recipe, lock, name);
      return {
        name,
        file: fileNameOf(spec.urls[0] ?? name),
        sha256: spec.sha256 ?? spec.locked?.sha256,
        substituted: false,
      };
    }),
  );
}

/** A fetched source as the plan sees it. */
export function asInput(source: FetchedSource): SourceInput {
  const { name, fileName, sha256, substituted } = source;
  return { name, file: fileName, sha256, substituted };
}

/** Where the store keeps the file of a digest. */
export async function isStored(home: Home, sha256: string | undefined): Promise<boolean> {
  if (sha256 === undefined) return false;
  return exists(join(home.cache, 'sources', 'sha256', sha256.slice(0, 2), sha256));
}

/** Reads the base configuration, unless it is the architecture's own. */
export async function readBase(recipe: LoadedRecipe): Promise<TextInput | undefined> {
  const { base } = recipe.recipe.config;
  if (base === 'arch') return undefined;
  if (base === 'none') return { name: 'none', file: 'none', text: '' };
  return readText(base, resolve(recipe.directory, base), recipe.placeOf(['config', 'base']));
}

/** Reads a variant's fragments, in order of precedence. */
export async function readFragments(recipe: LoadedRecipe, variant: Variant): Promise<TextInput[]> {
  return Promise.all(variant.fragments.map((reference) => readFragment(recipe, reference)));
}

/**
 * A name alone is a file below kconfig/ (`nic/8139too` is kconfig/nic/8139too.config); one that ends in
 * `.config` is a path from the recipe.
 */
async function readFragment(recipe: LoadedRecipe, reference: FragmentReference): Promise<TextInput> {
  const place = recipe.placeOf(reference.path);
  if (reference.name.endsWith('.config')) {
    return readText(reference.name, resolve(recipe.directory, reference.name), place);
  }
  const file = `kconfig/${reference.name}.config`;
  const text = await readText(reference.name, join(CHECKOUT, file), place);
  return { ...text, file };
}

async function readText(name: string, path: string, place: Place): Promise<TextInput> {
  try {
    return { name, file: name, text: await readFile(path, 'latin1') };
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'EISDIR', 'ENOTDIR')) throw error;
    throw new KilnError('invalid', `there is no file ${path}`, {
      place,
      hint: `fragments below kconfig/ are ${(await fragmentNames()).join(', ')}; a path from the recipe ends in .config`,
    });
  }
}

/** Names of the fragments below kconfig/, network cards and processors as one word each. */
async function fragmentNames(): Promise<string[]> {
  const names = await listIfAny(join(CHECKOUT, 'kconfig'));
  const own = names
    .filter((name) => name.endsWith('.config'))
    .map((name) => name.slice(0, -'.config'.length));
  const folders = names.filter((name) => !name.includes('.')).map((name) => `${name}/...`);
  return [...own, ...folders];
}

/** @throws KilnError `usage` for a `--source` that no chosen recipe has */
export function checkSubstitutes(recipes: readonly LoadedRecipe[], choices: SourceChoices): void {
  const names = new Set(recipes.flatMap(sourceNames));
  for (const name of choices.substitutes.keys()) {
    if (names.has(name)) continue;
    throw new KilnError('usage', `--source ${name}=...: there is no source ${name}`, {
      hint: `sources are ${[...names].join(', ')}`,
    });
  }
}
