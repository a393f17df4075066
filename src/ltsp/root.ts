import type { Stats } from 'node:fs';
import { chmod, chown, lstat, open, readFile, readlink, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256 } from '../platform/digest.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { syncDirectory, temporaryBeside } from '../platform/files.ts';

/** What is at a path below the root. */
export type Found =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'file'; readonly bytes: Buffer; readonly sha256: string; readonly stats: Stats }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'directory' }
  | { readonly kind: 'other' };

/**
 * A server's root directory. Paths are relative to it; one whose directories lead out of it by a symlink is refused,
 * so that nothing outside is ever read or written.
 */
export class ServerRoot {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** @throws KilnError `usage` where there is no such directory */
  static async open(directory: string): Promise<ServerRoot> {
    try {
      const real = await realpath(directory);
      if ((await lstat(real)).isDirectory()) return new ServerRoot(real);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
    throw new KilnError('usage', `there is no directory ${directory}`, {
      hint: 'the root of the server: / on the server itself, or where its disk is mounted',
    });
  }

  /** The path on this machine. @throws KilnError `integrity` where it leaves the root */
  async at(path: string): Promise<string> {
    const real = await this.#nearest(dirname(path));
    const above = this.directory === '/' ? '/' : `${this.directory}/`;
    if (real === this.directory || real.startsWith(above)) return join(this.directory, path);
    throw new KilnError('integrity', `${path} leads out of ${this.directory} by a symlink, to ${real}`, {
      hint: 'a symlink in a root that is not / has to be relative, or mount the server as it is meant',
    });
  }

  async look(path: string): Promise<Found> {
    const place = await this.at(path);
    const stats = await orUndefined(lstat(place));
    if (stats === undefined) return { kind: 'nothing' };
    if (stats.isSymbolicLink()) return { kind: 'link', target: await readlink(place) };
    if (stats.isDirectory()) return { kind: 'directory' };
    if (!stats.isFile()) return { kind: 'other' };
    const bytes = await readFile(place);
    return { kind: 'file', bytes, sha256: sha256(bytes), stats };
  }

  /** The text of a file; undefined where there is none. */
  async text(path: string): Promise<string | undefined> {
    const found = await this.look(path);
    return found.kind === 'file' ? found.bytes.toString('latin1') : undefined;
  }

  /** The first of some paths that is a file. */
  async firstFile(paths: readonly string[]): Promise<string | undefined> {
    for (const path of paths) if ((await this.look(path)).kind === 'file') return path;
    return undefined;
  }

  /** The directories above a path that are not there, outermost first. */
  async missingAbove(path: string): Promise<string[]> {
    const missing: string[] = [];
    for (let above = dirname(path); above !== '.'; above = dirname(above)) {
      if ((await this.look(above)).kind === 'nothing') missing.unshift(above);
    }
    return missing;
  }

  async #nearest(path: string): Promise<string> {
    try {
      return await realpath(join(this.directory, path));
    } catch (error) {
      if (path === '.' || !hasErrno(error, 'ENOENT')) throw error;
      return this.#nearest(dirname(path));
    }
  }
}

/** Replaces a file by one rename, durably; it keeps the owner and mode of the one that was there. */
export async function replaceWhole(
  path: string,
  bytes: Uint8Array,
  mode: number,
  before: Stats | undefined,
): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (before !== undefined && process.getuid?.() === 0) await chown(temporary, before.uid, before.gid);
    await chmod(temporary, before === undefined ? mode : before.mode & 0o7777);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
