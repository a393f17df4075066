import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileDigests } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import { readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import { Digester } from './hashing.ts';

/** What a server said about the file it is sending; tells whether the rest still belongs to the beginning. */
export interface Validators {
  /** A strong ETag (RFC 9110, 8.8.3). */
  readonly etag?: string;
  readonly lastModified?: string;
  /** Bytes of the whole file. */
  readonly total?: number;
}

/**
 * A download's bytes so far: a file, the validators it belongs to (beside it, so that another process can
 * go on), and the digests of what is in it. Only the holder of the URL's lock may open one.
 */
export class PartialFile {
  readonly path: string;
  private readonly url: string;
  private readonly also: readonly ('md5' | 'sha1')[];
  private handle: FileHandle;
  private digester: Digester;
  private known: Validators = {};

  private constructor(path: string, url: string, also: readonly ('md5' | 'sha1')[], handle: FileHandle) {
    this.path = path;
    this.url = url;
    this.also = also;
    this.handle = handle;
    this.digester = new Digester(also);
  }

  /**
   * Opens the partial file of a URL.
   * @param keep goes on with the bytes of an earlier process; right only where a digest will judge the whole
   */
  static async open(
    directory: string,
    key: string,
    url: string,
    also: readonly ('md5' | 'sha1')[],
    keep: boolean,
  ): Promise<PartialFile> {
    const path = join(directory, `${key}.part`);
    await mkdir(directory, { recursive: true });
    const partial = new PartialFile(path, url, also, await open(path, 'a+'));
    const validators = keep ? await readState(path, url) : undefined;
    if (validators === undefined) await partial.restart();
    else await partial.readExisting(validators);
    return partial;
  }

  get length(): number {
    return this.digester.size;
  }

  get validators(): Validators {
    return this.known;
  }

  /** Forgets all bytes. */
  async restart(): Promise<void> {
    await this.handle.truncate(0);
    this.digester = new Digester(this.also);
    this.known = {};
  }

  /** Writes down which file the bytes to come belong to. */
  async expect(validators: Validators): Promise<void> {
    this.known = validators;
    await writeFileAtomic(statePath(this.path), JSON.stringify({ url: this.url, ...validators }));
  }

  /** @throws KilnError `failed` when the disk doesn't take the bytes. */
  async append(chunk: Uint8Array): Promise<void> {
    try {
      await this.handle.appendFile(chunk);
    } catch (error) {
      throw new KilnError('failed', `${this.path} can't be written: ${(error as Error).message}`, {
        hint: `make room on the file system of ${dirname(this.path)}; the download goes on from where it stopped`,
        cause: error,
      });
    }
    this.digester.update(chunk);
  }

  /** Of all bytes; call it once, at the end. */
  digests(): FileDigests {
    return this.digester.digests();
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  /** Removes the bytes (unless they were moved away) and what was known about them. */
  async drop(): Promise<void> {
    await rm(this.path, { force: true });
    await rm(statePath(this.path), { force: true });
  }

  private async readExisting(validators: Validators): Promise<void> {
    this.known = validators;
    const stream = this.handle.createReadStream({ autoClose: false, start: 0, highWaterMark: 1 << 20 });
    for await (const chunk of stream) this.digester.update(chunk as Buffer);
  }
}

function statePath(path: string): string {
  return `${path}.json`;
}

async function readState(path: string, url: string): Promise<Validators | undefined> {
  const text = await readTextIfAny(statePath(path));
  if (text === undefined) return undefined;
  try {
    const state = JSON.parse(text) as Validators & { url?: string };
    return state.url === url ? state : undefined;
  } catch {
    return undefined;
  }
}
