import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { takeLocalFile } from './localFile.ts';
import { digestTree } from './treeDigest.ts';
import type { FetchedSource, FetchOptions, SourceSpec } from './types.ts';

/**
 * Takes PATH of `--source NAME=PATH` for the source: a file is copied into the store, a directory stays where it
 * is and is digested as `digestTree` says. Pins don't apply.
 * @throws KilnError `usage` when there is nothing at that path.
 */
export async function substituteSource(
  spec: SourceSpec,
  options: FetchOptions,
  given: string,
): Promise<FetchedSource> {
  const path = resolve(given);
  const common = { name: spec.name, from: path, fileName: basename(path), substituted: true };
  if (await isGivenDirectory(path, spec.name)) {
    const { sha256, size } = await digestTree(path, options.signal);
    return { ...common, kind: 'directory', path, size, sha256 };
  }
  const signal = options.signal ?? new AbortController().signal;
  const taken = await takeLocalFile(path, {}, options.cacheDirectory, signal);
  if (!('digests' in taken)) {
    throw new KilnError('usage', `--source ${spec.name}=${given}: ${taken.reason}`, {
      hint: 'PATH is a tarball, a patch or a directory',
    });
  }
  return { ...common, kind: 'file', path: taken.path, ...taken.digests };
}

async function isGivenDirectory(path: string, name: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
    throw new KilnError('usage', `--source ${name}: there is no ${path} that could be read`, {
      hint: 'PATH is a tarball, a patch or a directory',
      cause: error,
    });
  }
}

/** Whether a directory is there; false for what is not there at all. */
export async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG')) throw error;
    return false;
  }
}
