import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { words } from './xdr.ts';

/** `stat` of RFC 1094, 2.3.1. */
export const NFS_OK = 0;
export const NO_ENTRY = 2;
export const INPUT_OUTPUT = 5;
export const NOT_A_DIRECTORY = 20;
export const READ_ONLY = 30;
export const STALE = 70;

/** What went wrong, in NFS's numbers. */
export class NfsError extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`NFS status ${status}`);
    this.status = status;
  }
}

/** `ftype`, and the kind of file in the bits of `mode`, which hold the same again (RFC 1094, 2.3.2 and 2.3.5). */
const KINDS: readonly (readonly [number, number])[] = [
  [constants.S_IFREG, 1],
  [constants.S_IFDIR, 2],
  [constants.S_IFBLK, 3],
  [constants.S_IFCHR, 4],
  [constants.S_IFLNK, 5],
];

const HANDLE_BYTES = 32;
const BLOCK_BYTES = 4096;

/** The files of one directory tree, by handles that nothing outside of it has. Symlinks are the client's to follow. */
export class ServedFiles {
  readonly root: string;
  /** By number, from 1; a path relative to the root. */
  readonly #paths = [''];
  readonly #numbers = new Map([['', 1]]);

  constructor(root: string) {
    this.root = root;
  }

  handleOf(path: string): Buffer {
    return Buffer.concat([words(this.numberOf(path))], HANDLE_BYTES);
  }

  /** A file's number, which NFS takes for its inode's. */
  numberOf(path: string): number {
    const known = this.#numbers.get(path);
    if (known !== undefined) return known;
    this.#paths.push(path);
    this.#numbers.set(path, this.#paths.length);
    return this.#paths.length;
  }

  /** The path of a handle of ours. @throws NfsError STALE */
  pathOf(handle: Buffer): string {
    const path = this.#paths[handle.readUInt32BE() - 1];
    if (path === undefined) throw new NfsError(STALE);
    return path;
  }

  /** A name in a directory. @throws NfsError where there is none, or no directory */
  child(directory: string, name: string): string {
    if (!this.stat(directory).isDirectory()) throw new NfsError(NOT_A_DIRECTORY);
    if (name === '.') return directory;
    if (name === '..') return directory.split('/').slice(0, -1).join('/');
    if (name === '' || name.includes('/') || name.includes('\0')) throw new NfsError(NO_ENTRY);
    const path = directory === '' ? name : `${directory}/${name}`;
    this.stat(path);
    return path;
  }

  names(directory: string): string[] {
    return ['.', '..', ...orStatus(() => readdirSync(join(this.root, directory))).sort()];
  }

  target(path: string): string {
    return orStatus(() => readlinkSync(join(this.root, path)));
  }

  read(path: string, offset: number, count: number): Buffer {
    return orStatus(() => {
      const file = openSync(
        join(this.root, path),
        constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
      try {
        const bytes = Buffer.alloc(count);
        return bytes.subarray(0, readSync(file, bytes, 0, count, offset));
      } finally {
        closeSync(file);
      }
    });
  }

  /** `fattr` (RFC 1094, 2.3.5); everything is root's, whoever made it. */
  attributes(path: string): Buffer {
    const stats = this.stat(path);
    const [, kind = 0] = KINDS.find(([bits]) => (stats.mode & constants.S_IFMT) === bits) ?? [];
    const times = [stats.atimeMs, stats.mtimeMs, stats.ctimeMs].flatMap((time) => [
      Math.floor(time / 1000),
      0,
    ]);
    const blocks = Math.ceil(stats.size / 512);
    return words(
      ...[kind, stats.mode, stats.nlink, 0, 0, stats.size, BLOCK_BYTES, stats.rdev, blocks, 1],
      ...[this.numberOf(path), ...times],
    );
  }

  stat(path: string): Stats {
    return orStatus(() => lstatSync(join(this.root, path)));
  }
}

/** What the file system refuses, in NFS's numbers: those of RFC 1094 are Linux's own. */
function orStatus<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    const numbers: Readonly<Record<string, number>> = {
      ENOENT: NO_ENTRY,
      ENOTDIR: NOT_A_DIRECTORY,
      EACCES: 13,
    };
    throw new NfsError(numbers[String(error.code)] ?? INPUT_OUTPUT);
  }
}
