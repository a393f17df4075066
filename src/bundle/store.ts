import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestFile } from '../platform/digest.ts';
import { explainDisk } from '../platform/diskErrors.ts';
import { KilnError } from '../platform/errors.ts';
import { exists, listIfAny, temporaryBeside } from '../platform/files.ts';
import { discard, disk, type FileSystem, makeDirectories } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { bundleDirectory, readBundle, readBundleIfSound, type StoredBundle } from './find.ts';
import { type FileRecord, formatManifest, formatSums, type Manifest, UNLISTED } from './manifest.ts';
import { type FileChecksums, formatProvenance, formatSbom, PROVENANCE, SBOM } from './provenance.ts';
import { SIGNATURE, signatureOf, signingKey } from './signature.ts';
import { assertBundle, checkBundle } from './verify.ts';

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
 * Turns a directory of finished files into a stored bundle: writes manifest and sums, signs them, makes everything
 * read-only and durable, and moves it to its place by one rename. A whole bundle that is there already
 * stays: the same id is the same content.
 * @param staged directory on the home's file system; gone when this returns
 */
export async function commitBundle(
  home: Home,
  staged: string,
  manifest: Manifest,
  fs: FileSystem = disk,
): Promise<StoredBundle> {
  const { recipe, variant, id } = manifest;
  const directory = bundleDirectory(home, recipe, variant, id);
  try {
    if (await isWhole(directory, id)) {
      await fs.removeTree(staged);
      // Who put it there may have been stopped before this.
      await fs.sync(dirname(directory));
    } else {
      await writeRecords(staged, manifest, fs);
      const comment = `kiln ${recipe}:${variant} ${id}`;
      await putFile(fs, join(staged, SIGNATURE), await signatureOf(staged, comment, await signingKey(home)));
      await moveIn(fs, staged, directory);
    }
  } catch (error) {
    throw explainDisk(`store bundle ${id}`, error, {
      full: `nothing was published; kiln gc --dry-run --home ${home.root} says what can be freed`,
      other: 'nothing was published; the same command goes on from there',
    });
  }
  return readBundle(directory);
}

/**
 * Copies a bundle from outside into a home's store, with the signature that it has. A whole one that is there
 * already stays.
 * @throws KilnError `integrity` for one that is damaged, and where another bundle has its id
 */
export async function adoptBundle(
  home: Home,
  { directory: from, manifest }: StoredBundle,
  fs: FileSystem = disk,
): Promise<StoredBundle> {
  const { recipe, variant, id } = manifest;
  const directory = bundleDirectory(home, recipe, variant, id);
  if (await isWhole(directory, id)) return sameBundle(await readBundle(directory), from, manifest);
  const parent = dirname(directory);
  await makeDirectories(fs, parent);
  const staged = temporaryBeside(directory);
  try {
    await fs.makeDirectory(staged);
    for (const name of await fs.list(from)) {
      if (manifest.files[name] === undefined && !UNLISTED.has(name)) continue;
      // A link may lead anywhere.
      if ((await fs.look(join(from, name)))?.isFile() !== true) continue;
      await fs.copy(join(from, name), join(staged, name));
      await fs.sync(join(staged, name));
    }
    await assertBundle(staged, manifest);
    await moveIn(fs, staged, directory);
  } catch (error) {
    await discard(fs, staged);
    throw error;
  }
  return readBundle(directory);
}

function sameBundle(stored: StoredBundle, from: string, { id, key }: Manifest): StoredBundle {
  if (stored.manifest.key === key) return stored;
  throw new KilnError('integrity', `another bundle has the id ${id} of the one in ${from}`, {
    place: { file: stored.directory },
    hint: 'kiln diff says how they differ',
  });
}

/** Moves a directory of finished files to a bundle's place, read-only and durable. */
async function moveIn(fs: FileSystem, staged: string, directory: string): Promise<void> {
  const parent = dirname(directory);
  await makeDirectories(fs, parent);
  for (const name of await fs.list(staged)) {
    await fs.chmod(join(staged, name), 0o444);
    await fs.sync(join(staged, name));
  }
  await fs.sync(staged);
  const aside = temporaryBeside(directory);
  // A damaged bundle makes way; a crash before the next rename leaves none, which the next build mends.
  if ((await fs.look(directory)) !== undefined) await fs.rename(directory, aside);
  await fs.rename(staged, directory);
  await fs.sync(parent);
  await fs.sync(dirname(staged));
  await fs.removeTree(aside);
}

async function isWhole(directory: string, id: string): Promise<boolean> {
  const bundle = await readBundleIfSound(directory);
  if (bundle?.manifest.id !== id || !(await exists(join(directory, SIGNATURE)))) return false;
  return (await checkBundle(directory, bundle.manifest)).length === 0;
}

/** Writes a file durably, whether or not there is one: what it is in is no bundle yet. */
async function putFile(fs: FileSystem, path: string, text: string): Promise<void> {
  if ((await fs.look(path)) !== undefined) await fs.unlink(path);
  await fs.createFile(path, Buffer.from(text), 0o444);
  await fs.sync(path);
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
export async function writeRecords(
  directory: string,
  manifest: Manifest,
  fs: FileSystem = disk,
): Promise<void> {
  await putFile(fs, join(directory, 'manifest.json'), formatManifest(manifest));
  const { size, sha256 } = await digestFile(join(directory, 'manifest.json'));
  const sums = formatSums({ ...manifest.files, 'manifest.json': { size, sha256 } });
  await putFile(fs, join(directory, 'SHA256SUMS'), sums);
}
