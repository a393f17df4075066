import { constants, type Stats } from 'node:fs';
import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  symlink,
  truncate,
  unlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno } from './errors.ts';
import { removeTree, temporaryBeside } from './files.ts';

/**
 * The few calls that publishing is made of, each one system call's worth: what a test has to be able to see,
 * to fail, to stop at and to drop. Nothing is durable before `sync` was called on it: on the file for its
 * bytes, on the directory for the names in it. Errors are Node's own, with their errno.
 */
export interface FileSystem {
  /** Everybody may list it, and go into it. */
  makeDirectory(path: string): Promise<void>;
  /** Makes a file that is not there yet. */
  createFile(path: string, bytes: Uint8Array, mode: number): Promise<void>;
  append(path: string, bytes: Uint8Array): Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  link(from: string, to: string): Promise<void>;
  copy(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Removes a tree; fine when there is none. */
  removeTree(path: string): Promise<void>;
  /** Flushes a file's bytes, or a directory's names. */
  sync(path: string): Promise<void>;
  /** The target of a symlink; undefined where there is none. */
  readlink(path: string): Promise<string | undefined>;
  /** What is there, symlinks not followed; undefined for nothing. */
  look(path: string): Promise<Stats | undefined>;
  /** The names in a directory, sorted; none where there is no directory. */
  list(path: string): Promise<string[]>;
}

const EVERYBODY_MAY_LIST = 0o755;

/** The disk. */
export const disk: FileSystem = {
  async makeDirectory(path) {
    await mkdir(path);
    // The umask has no say in what a TFTP server may read; but a umask that lets a group write is one that somebody has set.
    const { mode } = await lstat(path);
    if ((mode & EVERYBODY_MAY_LIST) !== EVERYBODY_MAY_LIST)
      await chmod(path, (mode & 0o7777) | EVERYBODY_MAY_LIST);
  },
  async createFile(path, bytes, mode) {
    const handle = await open(path, 'wx', mode);
    try {
      await handle.writeFile(bytes);
      // As for directories.
      await handle.chmod(mode);
    } finally {
      await handle.close();
    }
  },
  async append(path, bytes) {
    const handle = await open(path, 'a', 0o644);
    try {
      await handle.writeFile(bytes);
    } finally {
      await handle.close();
    }
  },
  truncate,
  chmod,
  link,
  copy: (from, to) => copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE),
  symlink: (target, path) => symlink(target, path),
  rename,
  unlink,
  removeTree,
  async sync(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  readlink: (path) => orUndefined(readlink(path), 'ENOENT', 'EINVAL', 'ENOTDIR'),
  look: (path) => orUndefined(lstat(path), 'ENOENT', 'ENOTDIR'),
  async list(path) {
    return ((await orUndefined(readdir(path), 'ENOENT', 'ENOTDIR')) ?? []).sort();
  },
};

async function orUndefined<T>(promise: Promise<T>, ...errors: string[]): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (hasErrno(error, ...errors)) return undefined;
    throw error;
  }
}

/**
 * Makes a directory and those above it that are missing, each durable before the next: a name in a directory
 * that a power cut takes away is gone with it.
 */
export async function makeDirectories(fs: FileSystem, path: string): Promise<void> {
  if ((await fs.look(path)) !== undefined) return;
  const parent = dirname(path);
  await makeDirectories(fs, parent);
  try {
    await fs.makeDirectory(path);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  }
  await fs.sync(parent);
}

/**
 * Points `path` at `target` in one step: at every moment a reader finds the old target or the new one.
 * Durable when it returns, and verified by reading it back (on NFS a rename that was retried can fail after
 * it succeeded).
 * @throws when `path` is a real directory (EISDIR).
 */
export async function pointLink(fs: FileSystem, target: string, path: string): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await fs.symlink(target, temporary);
    await fs.rename(temporary, path);
  } catch (error) {
    await discard(fs, temporary);
    if ((await fs.readlink(path)) !== target) throw error;
  }
  await fs.sync(dirname(path));
  const now = await fs.readlink(path);
  if (now !== target)
    throw new Error(`${path} points to ${now ?? 'nothing'} after it was pointed to ${target}`);
}

/** Removes a temporary whose use came to nothing; what can't be removed now is swept by the next publish. */
export async function discard(fs: FileSystem, temporary: string): Promise<void> {
  await fs.removeTree(temporary).catch(() => undefined);
}

/** Removes what a writer that was killed left in a directory. Only the holder of its lock may. */
export async function sweepTemporaries(fs: FileSystem, directory: string): Promise<string[]> {
  const swept: string[] = [];
  for (const name of await fs.list(directory)) {
    if (!isTemporary(name)) continue;
    await fs.removeTree(join(directory, name));
    swept.push(join(directory, name));
  }
  return swept;
}

/** True for the names that `temporaryBeside` gives. */
export function isTemporary(name: string): boolean {
  return /^\..+\.\d+\.[0-9a-f]{8}\.tmp$/.test(name);
}

/** Writes a whole file or nothing, durably: a temporary beside it, flushed, renamed; then its directory. */
export async function replaceFile(fs: FileSystem, path: string, data: string | Uint8Array): Promise<void> {
  await makeDirectories(fs, dirname(path));
  const temporary = temporaryBeside(path);
  try {
    await fs.createFile(temporary, typeof data === 'string' ? Buffer.from(data) : data, 0o644);
    await fs.sync(temporary);
    await fs.rename(temporary, path);
  } catch (error) {
    await discard(fs, temporary);
    throw error;
  }
  await fs.sync(dirname(path));
}
