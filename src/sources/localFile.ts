import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { digestFile, type FileDigests } from '../platform/digest.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { listIfAny } from '../platform/files.ts';
import { isAlive } from '../platform/process.ts';
import type { Attempt } from './failures.ts';
import { Digester } from './hashing.ts';
import { describeMismatch, findMismatch, olderDigests, type Pins } from './pins.ts';
import { addToStore, findInStore, hasFileOf, partialDirectory } from './store.ts';

/**
 * Copies a local file into the store, digesting it on the way; only the copy that was digested is ever used. What the
 * store has already is not written again: a kernel's tarball is asked for by every process of a build.
 * @returns its path in the store, or why it can't serve
 */
export async function takeLocalFile(
  path: string,
  pins: Pins,
  cacheDirectory: string,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly digests: FileDigests } | Attempt> {
  const unusable = await judgeByStat(path, pins);
  if (unusable !== undefined) return unusable;
  const stored = await storedAlready(path, pins, cacheDirectory);
  if (stored !== undefined) return stored;
  const directory = partialDirectory(cacheDirectory);
  await mkdir(directory, { recursive: true });
  await sweepCopies(directory);
  const copy = join(directory, `${hostname()}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    const digests = await copyDigesting(path, copy, pins, signal);
    const mismatch = findMismatch(pins, digests);
    if (mismatch !== undefined) return { from: path, reason: describeMismatch(mismatch), mismatch };
    return { path: await addToStore(cacheDirectory, copy, digests.sha256), digests };
  } finally {
    await rm(copy, { force: true });
  }
}

/** What the store has of a file, both read through now; undefined for what has to be copied, and for what is not as pinned. */
async function storedAlready(path: string, pins: Pins, cacheDirectory: string) {
  if (!(await hasFileOf(cacheDirectory, (await stat(path)).size))) return undefined;
  const digests = await digestFile(path).catch((error: unknown) => {
    // Copying it fails in the same way, and says so.
    if (hasErrno(error, 'EACCES', 'EIO', 'ENOENT')) return undefined;
    throw error;
  });
  if (digests === undefined) return undefined;
  const entry = await findInStore(cacheDirectory, digests.sha256, pins);
  if (entry.status !== 'found' || findMismatch(pins, entry.digests) !== undefined) return undefined;
  return { path: entry.path, digests: entry.digests };
}

async function judgeByStat(path: string, pins: Pins): Promise<Attempt | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return { from: path, reason: 'is not a file' };
    const mismatch =
      pins.size === undefined ? undefined : findMismatch({ size: pins.size }, { size: found.size });
    return mismatch === undefined ? undefined : { from: path, reason: describeMismatch(mismatch), mismatch };
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return { from: path, reason: 'no such file' };
    if (hasErrno(error, 'EACCES', 'ELOOP', 'ENAMETOOLONG')) {
      return { from: path, reason: `can't be read (${(error as Error).message})` };
    }
    throw error;
  }
}

async function copyDigesting(
  from: string,
  to: string,
  pins: Pins,
  signal: AbortSignal,
): Promise<FileDigests> {
  const digester = new Digester(olderDigests(pins));
  const target = await open(to, 'wx');
  try {
    for await (const chunk of createReadStream(from, { highWaterMark: 1 << 20 })) {
      signal.throwIfAborted();
      digester.update(chunk as Buffer);
      await target.writeFile(chunk as Buffer);
    }
  } catch (error) {
    if (!hasErrno(error, 'ENOSPC', 'EDQUOT', 'EIO', 'EACCES')) throw error;
    throw new KilnError('failed', `${from} can't be copied to ${to}: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await target.close();
  }
  return digester.digests();
}

/** Removes what processes of this machine that are gone (kill -9, a power cut) have left half copied. */
async function sweepCopies(directory: string): Promise<void> {
  for (const name of await listIfAny(directory)) {
    const [, host, pid] = /^(.+)\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name) ?? [];
    if (host === hostname() && !isAlive(Number(pid))) await rm(join(directory, name), { force: true });
  }
}
