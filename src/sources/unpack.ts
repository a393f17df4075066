import { appendFile, chmod, mkdir, rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { removeTree, temporaryBeside } from '../platform/files.ts';
import { notInstalled, run } from '../platform/process.ts';
import { type MemberPath, takeMember } from './archiveMember.ts';
import { decompress, isInstalled, packingOf } from './compression.ts';
import { copyTree } from './copyTree.ts';
import { halfOf } from './halves.ts';
import { listMembers } from './listing.ts';
import { judgeMembers, type Verdict } from './members.ts';
import { walkTree } from './treeWalk.ts';
import type { FetchedSource, SourceEvent, SourceNews } from './types.ts';

/** Far above any kernel of these families (2.4.37: 175 MB, 13,377 members), far below what fills a disk. */
const BOUNDS = { bytes: 4 * 2 ** 30, members: 500_000 };

export interface UnpackTreeOptions {
  /** The tar's name inside an RPM or another tar, or names through archives in one another. */
  readonly member?: MemberPath;
  readonly signal?: AbortSignal;
  /** Those that may be busy at the same time; as many as there are by default. */
  readonly processors?: number;
  /** File to which a line about what ran is appended. */
  readonly log?: string;
  readonly onEvent?: (event: SourceEvent) => void;
}

/** How a tree was unpacked, e.g. by `lbzip2 | tar`, and how many members it has. */
export interface Unpacked {
  readonly decoder: string;
  readonly members: number;
}

/**
 * Unpacks a kernel's source so that `destination` is the tree itself: the archive's single top directory, whatever
 * its name, is stripped. Every member is judged before the first byte is written (`judgeMembers`), and
 * `destination` appears whole or not at all. Modes become 0755 for directories and executable files, else 0644.
 * A source that is a directory is copied, without `.git`.
 * @param destination must not exist, or be an empty directory
 * @throws KilnError `integrity` when the archive is damaged or a member is refused; `tool` when a decoder is
 *   missing; the signal's reason when it is aborted.
 */
export async function unpackTree(
  source: FetchedSource,
  destination: string,
  options: UnpackTreeOptions = {},
): Promise<Unpacked> {
  options.signal?.throwIfAborted();
  const tell = (news: SourceNews) => options.onEvent?.({ type: 'source', source: source.name, ...news });
  const work = temporaryBeside(destination);
  await mkdir(dirname(destination), { recursive: true });
  await mkdir(work);
  try {
    const unpacked =
      source.kind === 'directory'
        ? await copyTree(source, work, tell, options.signal)
        : await unpackFile(source, work, tell, options);
    await rename(unpacked.tree, destination);
    const { decoder, members } = unpacked;
    if (options.log !== undefined) {
      await appendFile(options.log, `unpacked ${source.fileName} by ${decoder}: ${members} members\n`);
    }
    tell({ status: 'unpacked', decoder, members });
    return { decoder, members };
  } finally {
    await removeTree(work);
  }
}

async function unpackFile(
  source: FetchedSource,
  work: string,
  tell: (news: SourceNews) => void,
  { member, signal, processors = availableParallelism() }: UnpackTreeOptions,
): Promise<Unpacked & { readonly tree: string }> {
  if (!(await isInstalled('tar'))) throw notInstalled('tar');
  const abort = signal === undefined ? {} : { signal };
  const given =
    member === undefined ? source.path : await takeTar(source, member, join(work, 'outer'), abort);
  const packing = await packingOf(given);
  tell({ status: 'unpacking', decoder: packing === 'bare' ? 'tar' : packing });
  let archive = given;
  let decoder = 'tar';
  if (packing !== 'bare') {
    archive = join(work, 'archive.tar');
    const how = { called: nameOf(source), limit: BOUNDS.bytes, ...abort };
    decoder = `${await decompress(given, archive, packing, how)} | tar`;
  }
  const { verdict, half } = await judge(source, archive, signal);
  const into = join(work, 'tree');
  await mkdir(into);
  await extract(source, archive, into, processors > 1 ? half : undefined, abort);
  if (packing !== 'bare') await rm(archive);
  await compareWithListing(source, into, verdict);
  await normaliseModes(into, verdict);
  return { tree: join(into, verdict.top), decoder, members: verdict.members.size };
}

async function takeTar(
  source: FetchedSource,
  member: MemberPath,
  work: string,
  abort: { signal?: AbortSignal },
): Promise<string> {
  await mkdir(work);
  return takeMember(source.path, member, { called: nameOf(source), limit: BOUNDS.bytes, work, ...abort });
}

async function judge(
  source: FetchedSource,
  archive: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly verdict: Verdict; readonly half: string | undefined }> {
  const members = await listMembers(archive, nameOf(source), signal);
  const verdict = judgeMembers(members, BOUNDS);
  if ('top' in verdict) return { verdict, half: halfOf(members, verdict.top) };
  throw refused(source, `member ${JSON.stringify(verdict.path)} ${verdict.reason}`);
}

function nameOf(source: FetchedSource): string {
  return `${source.fileName} (source ${source.name})`;
}

function refused(source: FetchedSource, reason: string): KilnError {
  return new KilnError('integrity', `${nameOf(source)} is refused: ${reason}`, {
    hint: `nothing of it is used; check where ${source.fileName} comes from`,
  });
}

/** @param half a directory that a process of its own unpacks */
async function extract(
  source: FetchedSource,
  archive: string,
  into: string,
  half: string | undefined,
  abort: { signal?: AbortSignal },
): Promise<void> {
  const flags = ['--no-same-owner', '--no-same-permissions', '--force-local', '--warning=no-unknown-keyword'];
  const script = 'umask 022 && exec tar -x "$@"';
  const common = ['-c', script, 'sh', ...flags, '-f', archive, '-C', into];
  const parts =
    half === undefined
      ? [[]]
      : [
          ['--anchored', '--no-wildcards', `--exclude=${half}`],
          ['--', half],
        ];
  if (half !== undefined) await makeDirectories(into, half);
  // Both have ended, however: nobody writes to what is removed.
  const settled = await Promise.allSettled(parts.map((part) => run('sh', [...common, ...part], abort)));
  const results = settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  abort.signal?.throwIfAborted();
  const failed = results.find(({ exitCode }) => exitCode !== 0);
  if (failed === undefined) return;
  throw new KilnError('failed', `tar could not unpack ${source.fileName} into ${into}`, {
    lines: failed.tail.slice(-20),
    hint: 'see what tar said; often the disk is full',
  });
}

/** Two processes unpack below them, and one may end, and lock a directory as its member says, before the other begins. */
async function makeDirectories(into: string, path: string): Promise<void> {
  const names = path.split('/');
  for (const depth of names.keys()) {
    const directory = join(into, ...names.slice(0, depth + 1));
    await mkdir(directory);
    // As tar makes one that has no member of its own, whatever the umask is here.
    await chmod(directory, 0o755);
  }
}

/**
 * Two programs have read the archive: one to judge it, one to unpack it. Where they disagree about its members,
 * the first was deceived, and nothing is taken.
 */
async function compareWithListing(source: FetchedSource, into: string, verdict: Verdict): Promise<void> {
  const found = new Map<string, string>();
  for (const item of await walkTree(into, () => true)) {
    found.set(Buffer.from(item.path, 'latin1').toString(), item.type);
  }
  for (const [path, member] of verdict.members) {
    const wanted = member.type === 'hardlink' ? 'file' : member.type;
    if (found.get(path) !== wanted) throw refused(source, `tar does not unpack ${path} as it is listed`);
    found.delete(path);
  }
  // Directories need no member of their own.
  for (const [path, type] of found) {
    if (type !== 'directory') throw refused(source, `tar unpacks ${path}, which is not listed`);
  }
}

async function normaliseModes(into: string, verdict: Verdict): Promise<void> {
  for (const [path, member] of verdict.members) {
    if (member.type === 'symlink' || member.type === 'hardlink') continue;
    const wanted = member.type === 'directory' || (member.mode & 0o100) !== 0 ? 0o755 : 0o644;
    if ((member.mode & 0o755) !== wanted) await chmod(join(into, path), wanted);
  }
}
