import { lstatSync, mkdirSync, readFileSync, renameSync, rmdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { lstat, mkdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { removeTree, syncDirectory, writeFileAtomic } from '../platform/files.ts';
import { type Lock, lock } from '../platform/lock.ts';
import { hazardOf, SIDE_DIRECTORY, tidyPath } from './names.ts';
import { writeNew } from './new-file.ts';
import type { Change, ContentStore } from './overlay.ts';
import { DiskTree, leavesTree } from './tree.ts';

/*
 * All or nothing. While a series is worked out, new contents are written to `.kiln-patch/stage/` at the top
 * of the tree (the same file system, so that they move by rename) and the tree itself is not touched. Then
 * `.kiln-patch/journal` is written, which says what goes where: from that moment on the series counts as
 * applied. Then files are moved to their places, and the side directory is removed. Whoever works on the
 * tree next finishes what a journal says, or clears away a stage that has no journal.
 */

/** One step of a journal. */
type Move =
  | { readonly path: string; readonly remove: true }
  | { readonly path: string; readonly stage: number };

interface Journal {
  readonly version: 1;
  readonly moves: readonly Move[];
}

const sideOf = (tree: string) => join(tree, SIDE_DIRECTORY);
const stageOf = (tree: string) => join(sideOf(tree), 'stage');
const journalOf = (tree: string) => join(sideOf(tree), 'journal');

/** A tree that is being worked on: locked, with a stage for new contents. */
export interface Stage extends ContentStore {
  /** Moves the staged contents to their places. After the journal is written this is not undone but finished. */
  commit(changes: ReadonlyMap<string, Change>): Promise<void>;
  /** Removes the side directory and gives the lock back. */
  close(): Promise<void>;
}

/**
 * Locks a tree, finishes or clears away what an interrupted series left, and opens a stage.
 * @param durable flush everything to the disk, so that a power cut is survived as well as a kill
 * @throws KilnError `locked` when another process is at work there
 */
export async function openStage(
  tree: string,
  durable: boolean,
  onRecovered: (how: 'finished' | 'undone') => void,
): Promise<Stage> {
  await refuseStrangeSide(tree);
  const held = lock(join(sideOf(tree), 'lock'), `kiln: patching ${tree}`);
  try {
    const how = await recover(tree);
    if (how !== undefined) onRecovered(how);
    await mkdir(stageOf(tree), { recursive: true });
  } catch (error) {
    held.release();
    throw error;
  }
  return new SideStage(tree, durable, held);
}

/** @throws KilnError `failed` when an interrupted series waits to be finished; for those who must not write. */
export async function refusePending(tree: string): Promise<void> {
  await refuseStrangeSide(tree);
  if (!(await isThere(journalOf(tree)))) return;
  throw new KilnError('failed', `${tree} holds a series whose application was interrupted`, {
    hint: 'kiln patch apply finishes it first',
  });
}

async function refuseStrangeSide(tree: string): Promise<void> {
  for (const path of [sideOf(tree), stageOf(tree), journalOf(tree)]) {
    const status = await lstat(path).catch((error: unknown) => {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    });
    if (status?.isSymbolicLink() === true) throw leavesTree(path, 'is a symlink');
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** Finishes an interrupted series that has its journal, else clears its stage away. */
async function recover(tree: string): Promise<'finished' | 'undone' | undefined> {
  if (await isThere(journalOf(tree))) {
    carryOut(tree, readJournal(await readFile(journalOf(tree), 'utf8'), journalOf(tree)));
    await unlink(journalOf(tree));
    await removeTree(stageOf(tree));
    return 'finished';
  }
  if (!(await isThere(stageOf(tree)))) return undefined;
  await removeTree(stageOf(tree));
  return 'undone';
}

/** A tree may come from anywhere, and so may a journal in it: its paths are judged as a patch's are. */
function readJournal(text: string, path: string): Journal {
  const journal = JSON.parse(text) as Partial<Journal>;
  const moves = journal.version === 1 && Array.isArray(journal.moves) ? journal.moves : undefined;
  if (moves === undefined) {
    throw new KilnError('integrity', `${path} is no journal of this version of Kiln`, {
      hint: 'unpack the tree anew',
    });
  }
  for (const move of moves) {
    const hazard = typeof move.path === 'string' ? hazardOf(move.path) : 'is no name';
    if (hazard !== undefined || tidyPath(move.path) !== move.path) {
      throw leavesTree(String(move.path), hazard ?? 'is not a plain path');
    }
    if (!('remove' in move) && !Number.isSafeInteger(move.stage)) throw leavesTree(move.path, 'has no stage');
  }
  return { version: 1, moves };
}

/**
 * Does what a journal says; what is done already is passed over. Synchronous: it is short, and the less comes
 * between the moves, the shorter a reader of the tree sees some files new and others old.
 */
function carryOut(tree: string, journal: Journal): ReadonlySet<string> {
  const disk = new DiskTree(tree);
  const directories = new Set<string>();
  for (const move of journal.moves) {
    directories.add(dirname(move.path));
    if ('remove' in move && disk.hasParent(move.path)) unlinkIfAny(join(tree, move.path));
  }
  disk.forget();
  for (const move of journal.moves) {
    if ('remove' in move) continue;
    if (!disk.hasParent(move.path)) {
      mkdirSync(dirname(join(tree, move.path)), { recursive: true });
      disk.forget();
    }
    renameIfAny(`${stageOf(tree)}/${move.stage}`, `${tree}/${move.path}`);
  }
  for (const directory of directories) removeEmpty(tree, directory);
  return directories;
}

async function syncDirectories(tree: string, directories: ReadonlySet<string>): Promise<void> {
  for (const directory of directories) {
    if (await isThere(join(tree, directory))) await syncDirectory(join(tree, directory));
  }
}

function unlinkIfAny(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // A directory stands there when an interrupted run has got further already.
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) throw error;
  }
}

function renameIfAny(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    const staged = lstatSync(from, { throwIfNoEntry: false });
    if (!hasErrno(error, 'ENOENT') || staged !== undefined) throw error;
  }
}

/** Removes directories that a patch has emptied, as GNU patch and git do. */
function removeEmpty(tree: string, directory: string): void {
  for (let at = directory; at !== '.' && at !== ''; at = dirname(at)) {
    try {
      rmdirSync(join(tree, at));
    } catch (error) {
      if (hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'EBUSY')) return;
      if (!hasErrno(error, 'ENOENT')) throw error;
    }
  }
}

/** Bytes that may wait to be written before whoever makes them has to wait in turn. */
const MOST_WAITING = 16 << 20;

class SideStage implements Stage {
  private next = 0;
  private readonly tree: string;
  private readonly prefix: string;
  private readonly durable: boolean;
  private readonly held: Lock;
  /** Contents on their way to the disk; they are read back from here. */
  private readonly waiting = new Map<number, readonly Uint8Array[]>();
  private waitingBytes = 0;
  private writing: Promise<void>[] = [];

  constructor(tree: string, durable: boolean, held: Lock) {
    this.tree = tree;
    this.prefix = `${stageOf(tree)}/`;
    this.durable = durable;
    this.held = held;
  }

  /** Written behind the caller's back: placing the next file's hunks needs the processor and not the disk. */
  put(pieces: readonly Uint8Array[], mode: number): number {
    const id = this.next++;
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.waiting.set(id, pieces);
    this.waitingBytes += bytes;
    const written = writeNew(`${this.prefix}${id}`, pieces, mode, this.durable).then(() => {
      this.waiting.delete(id);
      this.waitingBytes -= bytes;
    });
    // Its failure is `settle`'s to report.
    written.catch(() => undefined);
    this.writing.push(written);
    return id;
  }

  get(id: number): Uint8Array {
    const pieces = this.waiting.get(id);
    return pieces === undefined ? readFileSync(`${this.prefix}${id}`) : Buffer.concat(pieces);
  }

  get crowded(): boolean {
    return this.waitingBytes > MOST_WAITING;
  }

  async settle(): Promise<void> {
    const writing = this.writing;
    this.writing = [];
    const failed = (await Promise.allSettled(writing)).find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  putSymlink(target: string): number {
    const id = this.next++;
    symlinkSync(Buffer.from(target, 'latin1'), `${this.prefix}${id}`);
    return id;
  }

  async commit(changes: ReadonlyMap<string, Change>): Promise<void> {
    await this.settle();
    const moves = [...changes].map(
      ([path, change]): Move =>
        change.kind === 'absent' ? { path, remove: true } : { path, stage: change.id },
    );
    const journal: Journal = { version: 1, moves };
    if (this.durable) await syncDirectory(stageOf(this.tree));
    await this.writeJournal(JSON.stringify(journal));
    const directories = carryOut(this.tree, journal);
    if (this.durable) await syncDirectories(this.tree, directories);
    await unlink(journalOf(this.tree));
  }

  async close(): Promise<void> {
    // Nothing may be written any more where all is about to be removed.
    await this.settle().catch(() => undefined);
    await removeTree(sideOf(this.tree));
    this.held.release();
  }

  private async writeJournal(text: string): Promise<void> {
    if (this.durable) return writeFileAtomic(journalOf(this.tree), text);
    const temporary = `${journalOf(this.tree)}.tmp`;
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, journalOf(this.tree));
  }
}
