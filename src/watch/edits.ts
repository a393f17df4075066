import { type FSWatcher, statfsSync, watch } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasErrno } from '../platform/errors.ts';
import { stampOf } from '../platform/files.ts';

/** What is edited by hand. */
export interface Edited {
  /** Files, and all files of a directory as `DIR/*`. */
  readonly files: ReadonlySet<string>;
  /** Directories of which everything below counts, without what is named `.git`. */
  readonly trees: ReadonlySet<string>;
}

export interface EditsOptions {
  /** Whether the system tells of edits in a directory; by default of those of file systems of this machine. */
  readonly isTold?: (directory: string) => boolean;
}

/** Where nothing is told, files are looked at so often, as long as that takes no more than a twentieth of the time. */
const LOOK_EVERY_MS = 1000;
const LEISURE = 20;

interface Told {
  readonly watcher: FSWatcher;
  readonly inode: bigint;
}

/**
 * Tells of edits. Directories are watched, not files: an editor puts a new file in the old one's place. Where the
 * system tells nothing (a file system of another machine, no more watches, no directory yet) it is looked at them
 * instead.
 */
export class Edits {
  readonly #onEdit: () => void;
  readonly #isTold: (directory: string) => boolean;
  readonly #told = new Map<string, Told>();
  /** How directories looked that have to be looked at. */
  readonly #looked = new Map<string, string>();
  #files: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(onEdit: () => void, options: EditsOptions = {}) {
    this.#onEdit = onEdit;
    this.#isTold = options.isTold ?? isOfThisMachine;
  }

  /** Watches these files and no others. @returns whether there are directories that were not watched before */
  async follow({ files, trees }: Edited): Promise<boolean> {
    const below = await Promise.all([...trees].map(directoriesBelow));
    this.#files = new Set([...files, ...below.flat().map((directory) => join(directory, '*'))]);
    const directories = new Set([...this.#files].map((file) => dirname(file)));
    for (const directory of this.#told.keys()) if (!directories.has(directory)) this.#drop(directory);
    for (const directory of this.#looked.keys()) {
      if (!directories.has(directory)) this.#looked.delete(directory);
    }
    let more = false;
    for (const directory of directories) if (await this.#watch(directory)) more = true;
    if (this.#looked.size > 0) this.#lookSoon(LOOK_EVERY_MS);
    return more;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const directory of this.#told.keys()) this.#drop(directory);
  }

  /** @returns whether it is watched from now on, and was not before */
  async #watch(directory: string): Promise<boolean> {
    const inode = await inodeOf(directory);
    const known = this.#told.get(directory);
    // Another directory may have taken the place of the one that is watched.
    if (known !== undefined && known.inode === inode) return false;
    this.#drop(directory);
    const watcher = inode === undefined || this.#isClosed ? undefined : this.#listen(directory);
    if (watcher !== undefined && inode !== undefined) {
      this.#told.set(directory, { watcher, inode });
      this.#looked.delete(directory);
      return true;
    }
    if (this.#looked.has(directory)) return false;
    this.#looked.set(directory, await this.#stateOf(directory));
    return inode !== undefined;
  }

  #listen(directory: string): FSWatcher | undefined {
    try {
      if (!this.#isTold(directory)) return undefined;
      const watcher = watch(directory, (_event, name) => {
        if (name === null || this.#isOurs(directory, basename(name))) this.#onEdit();
      });
      // A directory that goes away is found gone by the next look.
      watcher.on('error', () => {
        this.#drop(directory);
        this.#onEdit();
      });
      return watcher;
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ENOSPC', 'EMFILE')) return undefined;
      throw error;
    }
  }

  #drop(directory: string): void {
    this.#told.get(directory)?.watcher.close();
    this.#told.delete(directory);
  }

  #isOurs(directory: string, name: string): boolean {
    // What has its own name is said of the directory itself: it was moved or removed.
    return (
      this.#files.has(join(directory, name)) ||
      this.#files.has(join(directory, '*')) ||
      name === basename(directory)
    );
  }

  #lookSoon(afterMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#lookAtAll(), afterMs);
  }

  async #lookAtAll(): Promise<void> {
    const start = performance.now();
    let isEdited = false;
    for (const [directory, before] of this.#looked) {
      const now = await this.#stateOf(directory);
      if (now === before || !this.#looked.has(directory)) continue;
      this.#looked.set(directory, now);
      isEdited = true;
    }
    if (isEdited && !this.#isClosed) this.#onEdit();
    this.#lookSoon(Math.max(LOOK_EVERY_MS, LEISURE * (performance.now() - start)));
  }

  /** What is other when one of our files in a directory is. */
  async #stateOf(directory: string): Promise<string> {
    const names = await readdir(directory).catch(() => []);
    const ours = names.sort().filter((name) => this.#isOurs(directory, name));
    const states = await Promise.all(
      ours.map(async (name) => {
        const found = await stat(join(directory, name), { bigint: true }).catch(() => undefined);
        return found === undefined ? name : `${name} ${stampOf(found)}`;
      }),
    );
    return states.join('\n');
  }
}

async function inodeOf(directory: string): Promise<bigint | undefined> {
  return (await stat(directory, { bigint: true }).catch(() => undefined))?.ino;
}

/** A directory and those below it. */
async function directoriesBelow(top: string): Promise<string[]> {
  const found = await lstat(top).catch(() => undefined);
  if (found === undefined) return [];
  const entries = await readdir(top, { withFileTypes: true }).catch(() => []);
  const directories = entries.filter((entry) => entry.isDirectory() && entry.name !== '.git');
  const below = await Promise.all(directories.map(({ name }) => directoriesBelow(join(top, name))));
  return [top, ...below.flat()];
}

/**
 * File systems whose files others may write unseen, by the numbers of statfs(2): NFS, CIFS, SMB2, FUSE, 9p, Ceph, AFS,
 * VirtualBox's.
 */
const SHARED = new Set([
  0x6969, 0xff534d42, 0xfe534d42, 0x65735546, 0x01021997, 0x00c36400, 0x5346414f, 0x786f4256,
]);

function isOfThisMachine(directory: string): boolean {
  return !SHARED.has(statfsSync(directory).type >>> 0);
}
