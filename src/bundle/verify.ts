import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile, sha256 } from '../platform/digest.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { listIfAny } from '../platform/files.ts';
import { formatSums, type Manifest, UNLISTED } from './manifest.ts';

/** One thing that is wrong with a bundle. */
export interface BundleFault {
  readonly file: string;
  readonly problem: 'missing' | 'damaged' | 'unexpected' | 'unsigned' | 'other-release';
  readonly sentence: string;
}

/**
 * Holds every file of a bundle against its manifest, and SHA256SUMS against both. Reads all bytes.
 * @param names the files to check; all by default
 * @param options `records: false` looks at the files alone (a copy that has no manifest beside it)
 */
export async function checkBundle(
  directory: string,
  manifest: Manifest,
  names: readonly string[] = Object.keys(manifest.files),
  options: { readonly records: boolean } = { records: true },
): Promise<BundleFault[]> {
  const faults: BundleFault[] = [];
  for (const name of names) {
    const wanted = manifest.files[name];
    if (wanted === undefined) continue;
    const fault = await kindFault(directory, name);
    if (fault !== undefined) {
      faults.push(fault);
      continue;
    }
    const found = await digestFile(join(directory, name));
    if (found.size !== wanted.size || found.sha256 !== wanted.sha256) {
      faults.push({
        file: name,
        problem: 'damaged',
        sentence: `${name}: expected ${wanted.size} bytes, sha256 ${wanted.sha256}; found ${found.size} bytes, sha256 ${found.sha256}`,
      });
    }
  }
  return options.records ? [...faults, ...(await checkRecords(directory, manifest))] : faults;
}

/** SHA256SUMS covers the manifest as well: a manifest that was edited shows there. */
async function checkRecords(directory: string, manifest: Manifest): Promise<BundleFault[]> {
  const faults: BundleFault[] = [];
  for (const name of await listIfAny(directory)) {
    if (manifest.files[name] === undefined && !UNLISTED.has(name)) {
      faults.push({ file: name, problem: 'unexpected', sentence: `${name} is not in the manifest` });
    }
  }
  for (const name of UNLISTED) {
    const fault = await kindFault(directory, name);
    // Whether a signature or a log is wanted is for others to say.
    if (fault?.problem === 'damaged' || (fault !== undefined && SUMMED.includes(name))) faults.push(fault);
  }
  if (faults.some(({ file }) => SUMMED.includes(file))) return faults;
  const bytes = await readFile(join(directory, 'manifest.json'));
  const expected = formatSums({
    ...manifest.files,
    'manifest.json': { size: bytes.length, sha256: sha256(bytes) },
  });
  if ((await readFile(join(directory, 'SHA256SUMS'), 'utf8')) !== expected) {
    faults.push({
      file: 'SHA256SUMS',
      problem: 'damaged',
      sentence: 'SHA256SUMS and manifest.json do not agree: one of them was changed',
    });
  }
  return faults;
}

/** What no bundle is without. */
const SUMMED: readonly string[] = ['manifest.json', 'SHA256SUMS'];

/**
 * Why what has a file's name is no file; undefined for a file. A symlink is none, whatever it leads to: it would be
 * served, a server that chroots can't follow it, and what it leads to may change.
 */
async function kindFault(directory: string, name: string): Promise<BundleFault | undefined> {
  const found = await lstat(join(directory, name)).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  });
  if (found === undefined) return { file: name, problem: 'missing', sentence: `${name} is missing` };
  if (found.isFile()) return undefined;
  const is = found.isSymbolicLink() ? 'a symlink' : found.isDirectory() ? 'a directory' : 'something else';
  return { file: name, problem: 'damaged', sentence: `${name} is ${is}, not a file` };
}

/** @throws KilnError `integrity` that lists what is wrong, when anything is. */
export async function assertBundle(
  directory: string,
  manifest: Manifest,
  names?: readonly string[],
): Promise<void> {
  refuseFaults(directory, manifest, await checkBundle(directory, manifest, names));
}

/**
 * The same for files alone, of a bundle that may not be in the store: one that its gates have rejected, say.
 * @throws KilnError `integrity` that lists what is wrong, when anything is
 */
export async function assertFiles(
  directory: string,
  manifest: Manifest,
  names: readonly string[] = Object.keys(manifest.files),
): Promise<void> {
  refuseFaults(directory, manifest, await checkBundle(directory, manifest, names, { records: false }));
}

function refuseFaults(directory: string, manifest: Manifest, faults: readonly BundleFault[]): void {
  if (faults.length === 0) return;
  throw new KilnError('integrity', `bundle ${manifest.id} is damaged: ${faults[0]?.sentence}`, {
    place: { file: directory },
    lines: faults.slice(1).map((fault) => fault.sentence),
    hint: `kiln build ${manifest.recipe}:${manifest.variant} --rebuild makes it again`,
  });
}
