import { copyFile, link, lstat, mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BOOT_FILES, checkBundle, type StoredBundle } from '../bundle/index.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { exists, removeTree, syncDirectory, syncFile, temporaryBeside } from '../platform/files.ts';

/** Where a bundle's boot files are below a TFTP root. */
export function servedDirectory(tftpRoot: string, id: string): string {
  return join(tftpRoot, 'bundles', id);
}

/** The files of a bundle that are served. */
export function servedFiles(bundle: StoredBundle): string[] {
  return BOOT_FILES.filter((name) => bundle.manifest.files[name] !== undefined);
}

/**
 * Puts a bundle's boot files below a TFTP root as `bundles/<id>/`: hard links (copies where the root is on
 * another file system), whole or not at all, durable when it returns. Files that are there already are left
 * as they are when they are right; a damaged one is replaced by rename, never written to, so that a
 * download under way keeps its bytes.
 */
export async function placeBundle(tftpRoot: string, bundle: StoredBundle): Promise<void> {
  const directory = servedDirectory(tftpRoot, bundle.manifest.id);
  const names = servedFiles(bundle);
  if (await exists(directory)) {
    await replaceDamaged(directory, bundle, names);
    return;
  }
  const parent = dirname(directory);
  await mkdir(parent, { recursive: true });
  const temporary = temporaryBeside(directory);
  await mkdir(temporary);
  try {
    for (const name of names) await linkOrCopy(join(bundle.directory, name), join(temporary, name));
    await syncDirectory(temporary);
    await rename(temporary, directory);
  } catch (error) {
    await removeTree(temporary);
    throw error;
  }
  await syncDirectory(parent);
}

async function replaceDamaged(
  directory: string,
  bundle: StoredBundle,
  names: readonly string[],
): Promise<void> {
  const faults = await servedFaults(directory, bundle, names);
  if (faults.length === 0) return;
  for (const name of faults) {
    const temporary = temporaryBeside(join(directory, name));
    await linkOrCopy(join(bundle.directory, name), temporary);
    await rename(temporary, join(directory, name));
  }
  await syncDirectory(directory);
}

/** Names of served files that are missing or not what the manifest says. */
async function servedFaults(
  directory: string,
  bundle: StoredBundle,
  names: readonly string[],
): Promise<string[]> {
  const faults: string[] = [];
  for (const name of names) {
    // The same inode as in the store, which was verified a moment ago, needs no second reading.
    if (await sameFile(join(directory, name), join(bundle.directory, name))) continue;
    const found = await checkFile(directory, bundle, name);
    if (!found) faults.push(name);
  }
  return faults;
}

async function checkFile(directory: string, bundle: StoredBundle, name: string): Promise<boolean> {
  const faults = await checkBundle(directory, bundle.manifest, [name], { records: false });
  return faults.length === 0;
}

async function sameFile(a: string, b: string): Promise<boolean> {
  try {
    const [one, other] = await Promise.all([lstat(a), lstat(b)]);
    return one.ino === other.ino && one.dev === other.dev;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    // EMLINK: too many links; EPERM: a file system without hard links.
    if (!hasErrno(error, 'EXDEV', 'EMLINK', 'EPERM')) throw error;
    await copyFile(from, to);
    await syncFile(to);
  }
}

/** @throws KilnError `failed` when a channel's place is taken by something that Kiln did not put there. */
export async function assertPlaceForLink(link: string): Promise<void> {
  const found = await lstat(link).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (found === undefined || found.isSymbolicLink()) return;
  throw new KilnError('failed', `${link} is a ${found.isDirectory() ? 'directory' : 'file'}, not a symlink`, {
    hint: 'a channel is a symlink that Kiln flips; move what is there out of the way or choose another channel',
  });
}
