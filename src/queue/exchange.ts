import { chmod, copyFile, mkdir, open, rename, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestFile } from '../platform/digest.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import {
  listIfAny,
  readTextIfAny,
  syncDirectory,
  syncFile,
  temporaryBeside,
  writeFileAtomic,
} from '../platform/files.ts';

/**
 * What coordinator and workers pass to each other: files by digest, and logs. Every file is held against its digest
 * where it leaves and where it arrives.
 */
export interface Exchange {
  /** The coordinator's version, from `kilnVersion`. */
  version(): Promise<string>;
  /**
   * Brings the file of a digest to a path of this machine, going on where it was cut off.
   * @throws KilnError `integrity` for other bytes, `failed` (transient) when it can't be had now
   */
  fetch(sha256: string, path: string, signal: AbortSignal): Promise<void>;
  /** Gives a file to the coordinator; one that it has already is not sent. */
  send(path: string, sha256: string, size: number, signal: AbortSignal): Promise<void>;
  /** Adds bytes to a log at an offset; those that are there already are left out. */
  appendLog(name: string, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
}

/** `j0123456789-1002/ne2k.log`: delivery and variant; nothing that leaves the directory. */
const LOG_NAME = /^j[0-9a-f]{10}-\d+\/[\w.+-]+\.log$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** The exchange on a directory: the coordinator's own, or one that all machines share. */
export class DirectoryExchange implements Exchange {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  async version(): Promise<string> {
    const text = await readTextIfAny(join(this.root, 'version'));
    if (text !== undefined) return text.trim();
    throw new KilnError('failed', `no coordinator has prepared ${this.root}`, {
      hint: `start it with kiln serve --redis URL --store ${this.root}`,
    });
  }

  /** Says which version the coordinator is of. */
  async prepare(version: string): Promise<void> {
    await writeFileAtomic(join(this.root, 'version'), `${version}\n`);
  }

  /** Where the file of a digest is, whether there is one or not. */
  pathOf(sha256: string): string {
    if (!SHA256.test(sha256)) throw new KilnError('usage', `${sha256} is no SHA-256`);
    return join(this.root, 'files', sha256.slice(0, 2), sha256);
  }

  logPath(name: string): string {
    if (!LOG_NAME.test(name)) throw new KilnError('usage', `${name} is no name of a log`);
    return join(this.root, 'logs', name);
  }

  /** True when the file of a digest is there, which then stays for as long as one that came now. */
  async has(sha256: string): Promise<boolean> {
    const now = new Date();
    try {
      await utimes(this.pathOf(sha256), now, now);
      return true;
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
      throw error;
    }
  }

  async fetch(sha256: string, path: string): Promise<void> {
    if (await this.has(sha256)) {
      const stored = this.pathOf(sha256);
      try {
        return await placeFile(stored, path, sha256);
      } catch (error) {
        // As long as it is there, nobody would send it again.
        if (error instanceof KilnError && error.kind === 'integrity') await rm(stored, { force: true });
        throw error;
      }
    }
    throw new KilnError('failed', `${this.root} has no file sha256:${sha256}`, { transient: true });
  }

  async send(path: string, sha256: string): Promise<void> {
    if (await this.has(sha256)) return;
    await placeFile(path, this.pathOf(sha256), sha256);
  }

  async appendLog(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    const path = this.logPath(name);
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'a+');
    try {
      const { size } = await file.stat();
      if (offset > size) {
        throw new KilnError('failed', `log ${name} has ${size} bytes, not ${offset}`, { transient: true });
      }
      await file.appendFile(bytes.subarray(Math.max(0, size - offset)));
    } finally {
      await file.close();
    }
  }

  /** Drops files and logs that nobody has asked for since then; who still needs one gets it sent again. */
  async trim(unusedForMs: number): Promise<void> {
    const oldest = Date.now() - unusedForMs;
    for (const part of ['files', 'logs']) {
      for (const directory of await listIfAny(join(this.root, part))) {
        for (const name of await listIfAny(join(this.root, part, directory))) {
          const path = join(this.root, part, directory, name);
          if ((await stat(path)).mtimeMs < oldest) await rm(path, { force: true });
        }
        await removeIfEmpty(join(this.root, part, directory), oldest);
      }
    }
  }

  /** How much of a log is there. */
  async logSize(name: string): Promise<number> {
    try {
      return (await stat(this.logPath(name))).size;
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return 0;
      throw error;
    }
  }
}

/** Removes an empty directory that has been left alone since a time: who adds to one makes it anew. */
async function removeIfEmpty(directory: string, since: number): Promise<void> {
  try {
    if ((await stat(directory)).mtimeMs < since) await rmdir(directory);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) throw error;
  }
}

/**
 * Copies a file to a place, whole and read-only, if its bytes are those of the digest.
 * @throws KilnError `integrity`
 */
export async function placeFile(from: string, to: string, sha256: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const temporary = temporaryBeside(to);
  try {
    await copyFile(from, temporary);
    await acceptFile(temporary, to, sha256);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Moves a file that has arrived to its place, if its bytes are those of the digest. @throws KilnError `integrity` */
export async function acceptFile(arrived: string, to: string, sha256: string): Promise<void> {
  const { sha256: found } = await digestFile(arrived);
  if (found !== sha256) {
    throw new KilnError('integrity', `a file that was sent is not what it should be: sha256 ${found}`, {
      lines: [`expected ${sha256}`],
      hint: 'it was not used; it is sent again with the next attempt',
      transient: true,
    });
  }
  await chmod(arrived, 0o444);
  await syncFile(arrived);
  await rename(arrived, to);
  await syncDirectory(dirname(to));
}
