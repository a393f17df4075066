import { chmod, lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestFile, type FileDigests } from '../platform/digest.ts';
import { hasErrno } from '../platform/errors.ts';
import { listIfAny, syncDirectory, syncFile } from '../platform/files.ts';
import { describeMismatch, findMismatch, olderDigests, type Pins } from './pins.ts';

/** Where the store keeps the file of that digest. */
export function storePath(cacheDirectory: string, sha256: string): string {
  return join(cacheDirectory, 'sources', 'sha256', sha256.slice(0, 2), sha256);
}

/** Where unfinished files and the locks of downloads are. */
export function partialDirectory(cacheDirectory: string): string {
  return join(cacheDirectory, 'sources', 'partial');
}

export type StoreEntry =
  | { readonly status: 'found'; readonly path: string; readonly digests: FileDigests }
  | { readonly status: 'absent' }
  | { readonly status: 'damaged'; readonly path: string; readonly reason: string };

/**
 * Looks a file up by its digest. It is read through each time: a full digest costs less than a tenth of a
 * second for a kernel tarball, and no time stamp could vouch for the bytes. An entry that is not what its
 * name says is removed.
 * @param sha256 the file's digest
 * @param pins whatever else it is to be compared with; a mismatch there is no damage and left to the caller
 */
export async function findInStore(cacheDirectory: string, sha256: string, pins: Pins): Promise<StoreEntry> {
  const path = storePath(cacheDirectory, sha256);
  try {
    const stat = await lstat(path);
    if (!stat.isFile()) return await drop(path, 'is not a regular file');
    const digests = await digestFile(path, olderDigests(pins));
    const mismatch = findMismatch({ sha256 }, digests);
    if (mismatch !== undefined) return await drop(path, describeMismatch(mismatch));
    return { status: 'found', path, digests };
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return { status: 'absent' };
    throw error;
  }
}

/** Whether the store has a file of that many bytes; without one there is no need to ask what a file's digest is. */
export async function hasFileOf(cacheDirectory: string, size: number): Promise<boolean> {
  const root = join(cacheDirectory, 'sources', 'sha256');
  for (const prefix of await listIfAny(root)) {
    for (const name of await listIfAny(join(root, prefix))) {
      const found = await stat(join(root, prefix, name)).catch(() => undefined);
      if (found?.size === size) return true;
    }
  }
  return false;
}

async function drop(path: string, reason: string): Promise<StoreEntry> {
  await rm(path, { recursive: true, force: true });
  return { status: 'damaged', path, reason };
}

/**
 * Moves a verified file into the store, read-only and durable, and gives its path there. The file must be on
 * the cache's own file system (that is, under `partialDirectory`).
 */
export async function addToStore(cacheDirectory: string, file: string, sha256: string): Promise<string> {
  const path = storePath(cacheDirectory, sha256);
  await mkdir(dirname(path), { recursive: true });
  await chmod(file, 0o444);
  await syncFile(file);
  await rename(file, path);
  await syncDirectory(dirname(path));
  return path;
}
