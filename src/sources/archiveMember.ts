import { open, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { list } from 'tar';
import { KilnError } from '../platform/errors.ts';
import { removeTree, temporaryDirectory } from '../platform/files.ts';
import { decompress, packingOf } from './compression.ts';
import { copyRpmPayload, isRpm, readCpio } from './rpm.ts';

/** A member's name in an archive, or names from the outermost archive inward. */
export type MemberPath = string | readonly string[];

export interface TakeMemberOptions {
  /** What to call the source in an error. */
  readonly called: string;
  /** Most bytes that anything may unpack to. */
  readonly limit: number;
  /** An empty directory of the caller's, for what is unpacked on the way. */
  readonly work: string;
  readonly signal?: AbortSignal;
}

/**
 * Takes a file out of an archive: a tar, bare or packed, or an RPM; with several names, out of archives in one
 * another. What comes out may be packed itself.
 * @returns a path in `work`
 * @throws KilnError `invalid` for a member that is not there, naming those that are; `integrity` for a damaged
 *   archive, or one that unpacks to more than the limit.
 */
export async function takeMember(
  path: string,
  member: MemberPath,
  options: TakeMemberOptions,
): Promise<string> {
  let at = path;
  const names = typeof member === 'string' ? [member] : member;
  for (const [depth, name] of names.entries()) {
    const called = [options.called, ...names.slice(0, depth)].join(', ');
    const archive = await unpackOnce(at, join(options.work, `archive-${depth}`), { ...options, called });
    const bytes = await readMember(archive, name, { ...options, called, depth });
    at = join(options.work, `member-${depth}`);
    await writeFile(at, bytes);
  }
  return at;
}

/** @returns the path of the unpacked file: the given one where it is not packed */
export async function unpackOnce(
  path: string,
  to: string,
  { called, limit, signal }: Omit<TakeMemberOptions, 'work'>,
): Promise<string> {
  const packing = await packingOf(path);
  if (packing === 'bare') return path;
  await decompress(path, to, packing, { called, limit, ...(signal === undefined ? {} : { signal }) });
  return to;
}

/** Whether a file is something that members are taken out of: a tar, bare or packed, or an RPM. */
export async function isArchive(path: string): Promise<boolean> {
  if ((await packingOf(path)) === 'bare') return (await isRpm(path)) || (await isTar(path));
  const work = await temporaryDirectory('kiln-archive');
  try {
    return await isTar(await unpackOnce(path, join(work, 'unpacked'), { called: path, limit: LOOKED_AT }));
  } finally {
    await removeTree(work);
  }
}

const LOOKED_AT = 4 * 2 ** 30;

/** The names of an archive's files; undefined for a file that is no archive. */
export async function archiveNames(path: string): Promise<string[] | undefined> {
  if (await isRpm(path)) return ['it is an RPM: rpm -qpl lists what is in it'];
  if (!(await isTar(path))) return undefined;
  const names: string[] = [];
  await list({ file: path, onReadEntry: (entry) => names.push(entry.path) });
  return shown(names);
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

interface Search extends TakeMemberOptions {
  readonly depth: number;
}

async function readMember(path: string, member: string, search: Search): Promise<Buffer> {
  if (await isRpm(path)) return readRpmMember(path, member, search);
  if (!(await isTar(path))) throw notThere(search.called, member, ['it is neither a tar nor an RPM']);
  const found: Buffer[][] = [];
  const names: string[] = [];
  let tooLarge = false;
  await list({
    file: path,
    onReadEntry(entry) {
      names.push(entry.path);
      if (plain(entry.path) !== plain(member) || (entry.type !== 'File' && entry.type !== 'OldFile')) return;
      tooLarge ||= entry.size > search.limit;
      const chunks: Buffer[] = [];
      found.push(chunks);
      if (!tooLarge) entry.on('data', (chunk: Buffer) => chunks.push(chunk));
    },
  });
  if (tooLarge) throw large(search.called, member, search.limit);
  // Of a name that is there twice, the later one counts, as for tar(1).
  const chunks = found.at(-1);
  if (chunks !== undefined) return Buffer.concat(chunks);
  throw notThere(search.called, member, shown(names));
}

async function readRpmMember(path: string, member: string, search: Search): Promise<Buffer> {
  const { called, depth, work } = search;
  const payload = join(work, `payload-${depth}`);
  await copyRpmPayload(path, payload, called);
  const archive = await unpackOnce(payload, join(work, `cpio-${depth}`), search);
  if ((await stat(archive)).size > search.limit) throw large(called, member, search.limit);
  const files = await readCpio(archive, called);
  const found = files.findLast(({ name }) => plain(name) === plain(member));
  if (found === undefined) throw notThere(called, member, shown(files.map(({ name }) => name)));
  return found.bytes;
}

function plain(name: string): string {
  return name.replace(/^(\.\/)+/, '');
}

const SHOWN_MEMBERS = 50;

function shown(names: readonly string[]): string[] {
  const more = names.length - SHOWN_MEMBERS;
  return more > 0 ? [...names.slice(0, SHOWN_MEMBERS), `and ${more} more`] : [...names];
}

function notThere(called: string, member: string, lines: readonly string[]): KilnError {
  return new KilnError('invalid', `${called} has no file ${member} in it`, { lines, hint: 'mend member:' });
}

function large(called: string, member: string, limit: number): KilnError {
  return new KilnError('integrity', `${member} of ${called} is larger than ${limit} bytes`, {
    hint: 'check where the file comes from',
  });
}
