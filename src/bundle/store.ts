import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestFile } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import { exists, listIfAny, removeTree, syncDirectory, syncFile } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import {
  type FileRecord,
  formatManifest,
  formatSums,
  type Manifest,
  parseManifest,
  UNLISTED,
} from './manifest.ts';
import { type FileChecksums, formatProvenance, formatSbom, PROVENANCE, SBOM } from './provenance.ts';
import { SIGNATURE, signatureOf, signingKey } from './signature.ts';
import { checkBundle } from './verify.ts';

/** A bundle in the store. */
export interface StoredBundle {
  readonly directory: string;
  readonly manifest: Manifest;
}

/** Where a bundle is, or will be. */
export function bundleDirectory(home: Home, recipe: string, variant: string, id: string): string {
  return join(home.bundles, recipe, variant, id);
}

/** Size and digest of every file of a directory that a manifest lists. */
export async function recordFiles(directory: string): Promise<Record<string, FileRecord>> {
  const names = (await listIfAny(directory)).filter((name) => !UNLISTED.has(name));
  const records = await Promise.all(
    names.map(async (name) => {
      const { size, sha256 } = await digestFile(join(directory, name));
      return [name, { size, sha256 }] as const;
    }),
  );
  return Object.fromEntries(records);
}

/**
 * Turns a directory of finished files into a stored bundle: writes manifest and sums, makes everything
 * read-only and durable, and moves it to its place by one rename. A whole bundle that is there already
 * stays: the same id is the same content.
 * @param staged directory on the home's file system; gone when this returns
 */
export async function commitBundle(home: Home, staged: string, manifest: Manifest): Promise<StoredBundle> {
  const { recipe, variant, id } = manifest;
  const directory = bundleDirectory(home, recipe, variant, id);
  await writeRecords(staged, manifest);
  const signature = await signatureOf(staged, `kiln ${recipe}:${variant} ${id}`, await signingKey(home));
  await writeFile(join(staged, SIGNATURE), signature);
  for (const name of await listIfAny(staged)) {
    await chmod(join(staged, name), 0o444);
    await syncFile(join(staged, name));
  }
  await syncDirectory(staged);
  const parent = dirname(directory);
  await mkdir(parent, { recursive: true });
  if (await exists(directory)) {
    if (await isWhole(directory)) {
      await removeTree(staged);
      return readBundle(directory);
    }
    // A damaged bundle makes way; a crash before the next rename leaves none, which the next build mends.
    await removeTree(directory);
  }
  await rename(staged, directory);
  await syncDirectory(parent);
  return { directory, manifest };
}

async function isWhole(directory: string): Promise<boolean> {
  if (!(await exists(join(directory, 'manifest.json')))) return false;
  const { manifest } = await readBundle(directory);
  return (await checkBundle(directory, manifest)).length === 0;
}

/** Writes provenance and SBOM into a directory of bundle files. @returns the manifest with both in it */
export async function writeProvenance(directory: string, manifest: Manifest): Promise<Manifest> {
  const checksums: Record<string, FileChecksums> = {};
  for (const name of Object.keys(manifest.files)) {
    const { sha1 = '', sha256 } = await digestFile(join(directory, name), ['sha1']);
    checksums[name] = { sha1, sha256 };
  }
  await writeFile(join(directory, PROVENANCE), formatProvenance(manifest));
  await writeFile(join(directory, SBOM), formatSbom(manifest, checksums));
  return { ...manifest, files: await recordFiles(directory) };
}

/** Writes `manifest.json` and `SHA256SUMS` into a directory of bundle files. */
export async function writeRecords(directory: string, manifest: Manifest): Promise<void> {
  const text = formatManifest(manifest);
  await writeFile(join(directory, 'manifest.json'), text);
  const { size, sha256 } = await digestFile(join(directory, 'manifest.json'));
  const sums = formatSums({ ...manifest.files, 'manifest.json': { size, sha256 } });
  await writeFile(join(directory, 'SHA256SUMS'), sums);
}

/** Reads the bundle at a directory. @throws KilnError `integrity` when its manifest is missing or damaged. */
export async function readBundle(directory: string): Promise<StoredBundle> {
  const file = join(directory, 'manifest.json');
  return { directory, manifest: parseManifest(await readFile(file, 'utf8'), file) };
}

/** Every stored bundle, of one recipe or of all, sorted by recipe, variant and id. */
export async function listBundles(home: Home, recipe?: string): Promise<StoredBundle[]> {
  const bundles: StoredBundle[] = [];
  for (const recipeName of recipe === undefined ? await listIfAny(home.bundles) : [recipe]) {
    for (const variant of await listIfAny(join(home.bundles, recipeName))) {
      for (const id of await listIfAny(join(home.bundles, recipeName, variant))) {
        // What is being removed has left its name by then.
        if (id.startsWith('.')) continue;
        const directory = bundleDirectory(home, recipeName, variant, id);
        if (await exists(join(directory, 'manifest.json'))) bundles.push(await readBundle(directory));
      }
    }
  }
  return bundles;
}

/**
 * Finds a bundle by its id, by `recipe/variant/id`, or by the path of its directory.
 * @throws KilnError `usage` when there is none, or more than one, of that id.
 */
export async function findBundle(home: Home, reference: string): Promise<StoredBundle> {
  if (reference.includes('/') && (await exists(join(reference, 'manifest.json'))))
    return readBundle(reference);
  const inStore = join(home.bundles, reference);
  if (reference.split('/').length === 3 && (await exists(join(inStore, 'manifest.json')))) {
    return readBundle(inStore);
  }
  const found: string[] = [];
  for (const recipe of await listIfAny(home.bundles)) {
    for (const variant of await listIfAny(join(home.bundles, recipe))) {
      const directory = bundleDirectory(home, recipe, variant, reference);
      if (!reference.includes('/') && (await exists(join(directory, 'manifest.json')))) found.push(directory);
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
      lines: found,
      hint: 'name it as recipe/variant/id',
    });
  }
  return readBundle(only);
}
