import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import {
  access,
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { explainDisk } from './diskErrors.ts';
import { hasErrno } from './errors.ts';
import { isAlive } from './process.ts';

/** A name beside `path` for a temporary file: same directory, so that a rename stays on one file system. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
}

/**
 * Makes a directory below $TMPDIR, for its caller to remove; its real path. Those that a process has left there that
 * was killed are removed.
 * @throws KilnError `failed` where none can be made there
 */
export async function temporaryDirectory(name: string): Promise<string> {
  const parent = tmpdir();
  try {
    // Numbers of processes mean something within one namespace (pid_namespaces(7)): /tmp may be a container's too.
    const namespace = /\d+/.exec(await readlink('/proc/self/ns/pid'))?.[0] ?? '';
    await sweepTemporaries(parent, new RegExp(`^${name}-${namespace}-(\\d+)-\\w{6}$`));
    return await realpath(await mkdtemp(join(parent, `${name}-${namespace}-${process.pid}-`)));
  } catch (error) {
    throw explainDisk(`no temporary directory can be made in ${parent}`, error, {
      full: `make room in ${parent}, or set TMPDIR to a directory that has some`,
      other: 'set TMPDIR to a directory that can be written to',
    });
  }
}

async function sweepTemporaries(parent: string, pattern: RegExp): Promise<void> {
  for (const entry of await readdir(parent)) {
    const pid = pattern.exec(entry)?.[1];
    // Those of other users can't be removed, and are theirs to remove.
    if (pid !== undefined && !isAlive(Number(pid)))
      await removeTree(join(parent, entry)).catch(() => undefined);
  }
}

/** Flushes a directory's entries to the disk, so that a rename or a new name in it survives a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  await syncFile(path);
}

/** Flushes a file's bytes to the disk. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a whole file or nothing: a temporary file beside it, fsync, rename, fsync of the directory.
 * Creates the directory where it is missing.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryBeside(path);
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(data);
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** The target of a symlink, or undefined where there is no symlink of that name. */
export async function readlinkIfAny(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EINVAL', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** The text of a file, or undefined where there is none. */
export async function readTextIfAny(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** What system calls say of a path that somebody gave, and that leads to no file that could be read. */
const NO_FILE = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EPERM', 'ENXIO'];

/** The bytes of a file that somebody named, or in words why there are none. */
export async function readGiven(path: string): Promise<Buffer | string> {
  try {
    return await readFile(path);
  } catch (error) {
    if (!hasErrno(error, ...NO_FILE)) throw error;
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return `there is no file ${path}`;
    if (hasErrno(error, 'EISDIR')) return `${path} is a directory`;
    return `${path} can't be read (${(error as Error).message.split(',')[0]})`;
  }
}

/** The names in a directory, sorted; none where there is no such directory. */
export async function listIfAny(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** True when something of that name exists (a dangling symlink does not count). */
export async function exists(path: string): Promise<boolean> {
  try {
    await access(path, constants.F_OK);
    return true;
  } catch {
    return false;
  }
}

/** Removes a tree whatever its modes are; directories without write permission are opened first. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EPERM')) throw error;
    await openDirectories(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function openDirectories(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await openDirectories(join(path, name));
}

/**
 * A text that is another once a file was changed or another has taken its place, as far as its stat(2) tells: the times
 * are in nanoseconds, and no program sets the last.
 */
export function stampOf({
  dev,
  ino,
  size,
  mtimeNs,
  ctimeNs,
}: Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}
