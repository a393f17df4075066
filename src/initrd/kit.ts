import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Parser, type ReadEntry } from 'tar';
import { KilnError } from '../platform/errors.ts';
import { badName, decompress, packingOf } from '../sources/index.ts';
import { DEVICE_ENTRIES, type ImageEntry } from './content.ts';
import { readKitDirectory } from './kit-directory.ts';
import { layOver } from './overlay.ts';

export interface KitRequest {
  /** A tarball, bare or packed, or a directory. */
  readonly path: string;
  readonly kind: 'file' | 'directory';
  /** How to name it in an error. */
  readonly called: string;
  /** Where the tree of the initrd starts in it; found by its /linuxrc or /init by default. */
  readonly root?: string;
  /** Directory for the kit's files; they must stay until the image is made. */
  readonly workDirectory: string;
  readonly signal?: AbortSignal;
}

/** More than any RAM disk of its time held. */
const MOST_BYTES = 256 << 20;
const MOST_MEMBERS = 20_000;

/** What a kernel starts from an initrd; without one of these it is no kit. */
const STARTS: readonly string[] = ['linuxrc', 'init', 'sbin/init'];

/**
 * The entries of an initrd kit that somebody else made, LTSP's ltsp_initrd_kit say: everything below its root as it
 * is, its own /linuxrc kept, and the device nodes that a node needs where the kit has none of that name (only root
 * can put them into a directory). Nothing of the kit is run; everything belongs to root:root.
 * @throws KilnError `integrity` for members that leave the tree or can't be told apart, `failed` when nothing in it
 * is what a kernel starts
 */
export async function kitEntries(request: KitRequest): Promise<ImageEntry[]> {
  const all =
    request.kind === 'directory' ? await readKitDirectory(request.path) : await readTarball(request);
  const root = request.root === undefined ? findRoot(all) : request.root.replace(/^\/+|\/+$/g, '');
  const entries = root === undefined ? [] : below(all, root);
  if (!STARTS.some((name) => entries.some(({ path }) => path === name))) {
    throw new KilnError(
      'failed',
      `${request.called} has no /linuxrc, /init or /sbin/init${root === undefined || root === '' ? '' : ` below ${root}/`}`,
      {
        hint: "a kernel would have nothing to start; initrd.kit.root names the directory that becomes the initrd's /",
      },
    );
  }
  const names = new Set(entries.map(({ path }) => path));
  const devices = DEVICE_ENTRIES.filter(({ path }) => !names.has(path));
  // A kit whose /dev is no directory has its own ways.
  const dev = entries.find(({ path }) => path === 'dev');
  return layOver(entries, dev === undefined || dev.type === 'directory' ? devices : []);
}

/** The directory nearest to the top that has a /linuxrc, else an /init, else an /sbin/init. */
function findRoot(entries: readonly ImageEntry[]): string | undefined {
  for (const name of STARTS) {
    const roots = entries
      .filter(({ path, type }) => type !== 'directory' && (path === name || path.endsWith(`/${name}`)))
      .map(({ path }) => path.slice(0, -name.length).replace(/\/$/, ''))
      .sort((one, other) => one.length - other.length);
    if (roots[0] !== undefined) return roots[0];
  }
  return undefined;
}

function below(entries: readonly ImageEntry[], root: string): ImageEntry[] {
  if (root === '') return [...entries];
  return entries
    .filter(({ path }) => path.startsWith(`${root}/`))
    .map((entry) => ({ ...entry, path: entry.path.slice(root.length + 1) }));
}

async function readTarball(request: KitRequest): Promise<ImageEntry[]> {
  const { path, workDirectory, signal } = request;
  const files = join(workDirectory, 'kit');
  await mkdir(files, { recursive: true });
  const packing = await packingOf(path);
  let archive = path;
  if (packing !== 'bare') {
    archive = join(workDirectory, 'kit.tar');
    const abort = signal === undefined ? {} : { signal };
    await decompress(path, archive, packing, { called: request.called, limit: MOST_BYTES, ...abort });
  }
  const reader = new KitReader(request.called, files);
  const ended = Promise.withResolvers<void>();
  const parser = new Parser({ strict: true });
  parser.on('entry', (entry: ReadEntry) => reader.take(entry));
  parser.on('ignoredEntry', (entry: ReadEntry) => reader.take(entry));
  // An error may come while the file is still being read, and nobody waits for the end yet.
  ended.promise.catch(() => undefined);
  parser.on('error', ended.reject);
  parser.on('end', ended.resolve);
  try {
    for await (const chunk of createReadStream(archive, { highWaterMark: 1 << 20 }))
      parser.write(chunk as Buffer);
    parser.end();
    await ended.promise;
  } catch (error) {
    await reader.settled();
    if (error instanceof KilnError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw new KilnError(
      'integrity',
      `${request.called} is not a whole tar archive: ${(error as Error).message}`,
      {
        hint: 'get the kit anew',
        cause: error,
      },
    );
  }
  signal?.throwIfAborted();
  return reader.finish();
}

/** Takes members one by one; their contents go to numbered files, so that no name of theirs touches the disk. */
class KitReader {
  readonly #called: string;
  readonly #files: string;
  readonly #entries = new Map<string, ImageEntry>();
  readonly #writes: Promise<void>[] = [];
  #refusal: KilnError | undefined;
  #members = 0;
  #bytes = 0;

  constructor(called: string, files: string) {
    this.#called = called;
    this.#files = files;
  }

  take(entry: ReadEntry): void {
    this.#members += 1;
    this.#bytes += entry.size;
    const path = posix.normalize(entry.path).replace(/\/+$/, '');
    const reason =
      this.#members > MOST_MEMBERS || this.#bytes > MOST_BYTES
        ? 'is more than any initrd holds'
        : (badName(entry.path) ?? (path === '.' ? undefined : this.#add(entry, path)));
    if (reason !== undefined) {
      this.#refusal ??= new KilnError(
        'integrity',
        `${this.#called} is refused: member ${JSON.stringify(entry.path)} ${reason}`,
        { hint: 'nothing of it is used; check where the kit comes from' },
      );
    }
    // A file's data are taken in #add.
    if (!KitReader.#isFile(entry)) entry.resume();
    else if (reason !== undefined || path === '.') entry.resume();
  }

  /** @throws KilnError for the first member that was refused */
  async finish(): Promise<ImageEntry[]> {
    await Promise.all(this.#writes);
    if (this.#refusal !== undefined) throw this.#refusal;
    return [...this.#entries.values()];
  }

  /** Ends when nothing is being written any more, so that the directory can be removed. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#writes);
  }

  static #isFile(entry: ReadEntry): boolean {
    return entry.type === 'File' || entry.type === 'OldFile' || entry.type === 'ContiguousFile';
  }

  /** A string says why the member can't be. */
  #add(entry: ReadEntry, path: string): string | undefined {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = this.#entries.get(path.slice(0, end));
      if (parent !== undefined && parent.type !== 'directory')
        return `goes through the ${parent.type} ${parent.path}`;
    }
    const before = this.#entries.get(path);
    const made = this.#entryOf(entry, path);
    if (typeof made === 'string') return made;
    if (before !== undefined && before.type !== made.type)
      return `comes twice: as a ${before.type} and as a ${made.type}`;
    this.#entries.set(path, made);
    return undefined;
  }

  #entryOf(entry: ReadEntry, path: string): ImageEntry | string {
    const mode = (entry.mode ?? 0o644) & 0o7777;
    if (KitReader.#isFile(entry)) return { type: 'file', path, mode, source: this.#keep(entry) };
    switch (entry.type) {
      case 'Directory':
        return { type: 'directory', path, mode };
      case 'SymbolicLink': {
        const target = entry.linkpath ?? '';
        // Nothing follows it on this machine: an absolute one leads to the initrd's own root.
        return target === '' || /[\0\n\r\uFFFD]/.test(target)
          ? 'is a symlink to no name'
          : { type: 'symlink', path, target };
      }
      case 'Link': {
        const linked = this.#entries.get(posix.normalize(entry.linkpath ?? ''));
        return linked?.type === 'file' ? { ...linked, path } : 'is a hard link to no file before it';
      }
      case 'CharacterDevice':
      case 'BlockDevice': {
        const kind = entry.type === 'BlockDevice' ? 'b' : 'c';
        const { devmaj = 0, devmin = 0 } = entry.header ?? {};
        return { type: 'device', path, mode, kind, major: devmaj ?? 0, minor: devmin ?? 0 };
      }
      default:
        return `is of type ${entry.type}; an initrd has files, directories, links and devices`;
    }
  }

  #keep(entry: ReadEntry): string {
    const source = join(this.#files, String(this.#members));
    const chunks: Buffer[] = [];
    entry.on('data', (chunk: Buffer) => chunks.push(chunk));
    entry.on('end', () => {
      const written = writeFile(source, Buffer.concat(chunks));
      // Told in finish, which is not reached yet.
      written.catch(() => undefined);
      this.#writes.push(written);
    });
    return source;
  }
}
