import { mkdtemp, open, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { list } from 'tar';
import { KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import { decompress, packingOf } from './compression.ts';
import type { FetchedSource } from './types.ts';

/** The largest patch that is read, in bytes, unpacked; several times a whole kernel as one diff. */
export const MAX_PATCH_BYTES = 256 * 2 ** 20;

export interface ReadPatchOptions {
  /** The patch's name inside a tar; it may be packed itself. */
  readonly member?: string;
  readonly signal?: AbortSignal;
}

/**
 * The bytes of a patch, unpacked when its content says gzip, bzip2, xz or zstd, whatever its name is, and
 * taken out of a tar when `member` names it there.
 * @throws KilnError `integrity` when it is damaged or larger than `MAX_PATCH_BYTES`; `invalid` for a directory,
 *   for a tar without `member`, and for a member that is not there, naming those that are.
 */
export async function readPatchBytes(
  source: FetchedSource | string,
  options: ReadPatchOptions = {},
): Promise<Buffer> {
  const path = typeof source === 'string' ? source : source.path;
  const called = typeof source === 'string' ? source : `${source.fileName} (source ${source.name})`;
  if (!(await stat(path)).isFile()) {
    throw new KilnError('invalid', `${called} is not a file, and a patch is one`, {
      hint: 'give the patch itself, bare or packed as gz, bz2, xz or zst',
    });
  }
  const directory = await mkdtemp(join(tmpdir(), 'kiln-patch-'));
  try {
    const unpacked = await unpack(path, join(directory, 'unpacked'), called, options);
    if (options.member === undefined) {
      await refuseTar(unpacked, called);
      return await readBounded(unpacked, called);
    }
    const member = join(directory, 'member');
    await writeFile(member, await readMember(unpacked, options.member, called));
    return await readBounded(await unpack(member, join(directory, 'patch'), called, options), called);
  } finally {
    await removeTree(directory);
  }
}

/** @returns the path of the unpacked file: the given one where it is not packed */
async function unpack(path: string, to: string, called: string, options: ReadPatchOptions): Promise<string> {
  const packing = await packingOf(path);
  if (packing === 'bare') return path;
  const { signal } = options;
  await decompress(path, to, packing, {
    called,
    limit: MAX_PATCH_BYTES,
    ...(signal === undefined ? {} : { signal }),
  });
  return to;
}

async function readBounded(path: string, called: string): Promise<Buffer> {
  if ((await stat(path)).size > MAX_PATCH_BYTES) throw tooLarge(called);
  return readFile(path);
}

/** POSIX 1003.1 ustar: "ustar" at offset 257 of the first header, as every tar since 1988 has it. */
async function isTar(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(262), 0, 262, 0);
    return bytesRead === 262 && buffer.toString('latin1', 257) === 'ustar';
  } finally {
    await file.close();
  }
}

async function refuseTar(path: string, called: string): Promise<void> {
  if (!(await isTar(path))) return;
  throw new KilnError('invalid', `${called} is a tar, and a patch is one file of it`, {
    lines: await memberNames(path),
    hint: 'name the one that is meant with member:',
  });
}

const SHOWN_MEMBERS = 50;

async function memberNames(path: string): Promise<string[]> {
  const names: string[] = [];
  await list({ file: path, onReadEntry: (entry) => names.push(entry.path) });
  const more = names.length - SHOWN_MEMBERS;
  return more > 0 ? [...names.slice(0, SHOWN_MEMBERS), `and ${more} more`] : names;
}

async function readMember(path: string, member: string, called: string): Promise<Buffer> {
  const found: Buffer[][] = [];
  const plain = (name: string) => name.replace(/^(\.\/)+/, '');
  if (await isTar(path)) {
    await list({
      file: path,
      onReadEntry(entry) {
        if (plain(entry.path) !== plain(member) || (entry.type !== 'File' && entry.type !== 'OldFile'))
          return;
        const chunks: Buffer[] = [];
        found.push(chunks);
        entry.on('data', (chunk: Buffer) => chunks.push(chunk));
      },
    });
  }
  // Of a name that is there twice, the later one counts, as for tar(1).
  const chunks = found.at(-1);
  if (chunks !== undefined) return Buffer.concat(chunks);
  throw new KilnError('invalid', `${called} has no file ${member} in it`, {
    lines: (await isTar(path)) ? await memberNames(path) : ['it is no tar'],
    hint: 'mend member:',
  });
}

function tooLarge(called: string): KilnError {
  return new KilnError('integrity', `${called} is larger than ${MAX_PATCH_BYTES} bytes, which no patch is`, {
    hint: 'check where the file comes from',
  });
}
