import { copyFile, link, lstat, mkdir, readFile, rename, rm, rmdir, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256 } from '../platform/digest.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { exists, removeTree, syncDirectory, temporaryBeside, writeFileAtomic } from '../platform/files.ts';
import { lockSoon } from '../platform/lock.ts';
import { replaceWhole, type ServerRoot } from './root.ts';

/** What was at a path before Kiln wrote there. */
export type Before =
  | { readonly kind: 'nothing' }
  /** The file itself is kept, below the journal's directory. */
  | { readonly kind: 'file'; readonly kept: string; readonly sha256: string }
  | { readonly kind: 'link'; readonly target: string };

/** What Kiln wrote at a path. */
export type Entry = { readonly path: string } & (
  | {
      readonly kind: 'file';
      readonly before: Before;
      /** Digests of what it has been since, the latest last. */
      readonly wrote: readonly string[];
      /** The blocks in it, where the rest of it is somebody else's. */
      readonly blocks?: readonly WrittenBlock[];
    }
  | { readonly kind: 'link'; readonly before: Before; readonly wrote: readonly string[] }
  /** A directory that was not there. */
  | { readonly kind: 'directory' }
  /** A tree of modules that was not there. */
  | { readonly kind: 'modules'; readonly sha256: string }
);

export interface WrittenBlock {
  readonly name: string;
  /** As written, now and before: markers and all. */
  readonly texts: readonly string[];
}

/** What was there before, by path, in the order in which it was written over. */
export interface Journal {
  readonly format: 'kiln-ltsp-install/1';
  readonly entries: readonly Entry[];
  /** Directories above the journal's own that were not there, outermost first. */
  readonly above?: readonly string[];
}

export const JOURNAL = 'var/lib/kiln/ltsp';
const FILE = `${JOURNAL}/journal.json`;

/** The journal of a root; an empty one where nothing was installed. @throws KilnError `integrity` for a damaged one */
export async function readJournal(root: ServerRoot): Promise<Journal> {
  const text = await root.text(FILE);
  if (text === undefined) return { format: 'kiln-ltsp-install/1', entries: [] };
  const parsed = parseJson(text);
  if ((parsed as { format?: unknown } | null)?.format === 'kiln-ltsp-install/1') return parsed as Journal;
  throw new KilnError('integrity', `${join(root.directory, FILE)} is no journal of kiln ltsp install`, {
    hint: 'it was written by another version of Kiln, or is damaged',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export async function writeJournal(root: ServerRoot, journal: Journal): Promise<void> {
  await writeFileAtomic(await root.at(FILE), `${JSON.stringify(journal, null, 1)}\n`, 0o600);
}

/**
 * Runs an action while no other process works on the root. The journal's directory is there while it runs, and after it
 * if the action has left a journal.
 * @param action gets the directories that had to be made for the journal
 */
export async function alone<T>(
  root: ServerRoot,
  what: string,
  action: (above: readonly string[]) => Promise<T>,
): Promise<T> {
  const above = (await readJournal(root)).above ?? (await root.missingAbove(JOURNAL));
  await mkdir(await root.at(`${JOURNAL}/before`), { recursive: true, mode: 0o755 });
  const held = await lockSoon(await root.at(`${JOURNAL}/lock`), what);
  try {
    return await action(above);
  } finally {
    const left = (await root.look(FILE)).kind === 'file';
    if (!left) await removeTree(await root.at(JOURNAL));
    held.release();
    if (!left) await removeEmpty(root, above);
  }
}

/** Forgets all that was written, once it is undone. */
export async function dropJournal(root: ServerRoot): Promise<void> {
  await rm(await root.at(FILE), { force: true });
}

/** Removes directories that are empty, the innermost first. @returns those that are not */
export async function removeEmpty(root: ServerRoot, paths: readonly string[]): Promise<string[]> {
  const left: string[] = [];
  for (const path of [...paths].reverse()) {
    try {
      await rmdir(await root.at(path));
    } catch (error) {
      if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) left.push(path);
      else if (!hasErrno(error, 'ENOENT')) throw error;
    }
  }
  return left;
}

/**
 * Keeps the file at a path as it is: by a second name for it, so that owner, times and all else come back with it, or
 * a copy where the journal is on another file system.
 */
export async function keep(root: ServerRoot, path: string): Promise<Before> {
  const found = await root.look(path);
  if (found.kind === 'nothing') return { kind: 'nothing' };
  if (found.kind === 'link') return { kind: 'link', target: found.target };
  if (found.kind !== 'file') throw new Error(`${path} is a ${found.kind}`);
  const kept = `${JOURNAL}/before/${sha256(path).slice(0, 16)}`;
  const [from, to] = [await root.at(path), await root.at(kept)];
  await rm(to, { force: true });
  try {
    await link(from, to);
  } catch (error) {
    if (!hasErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
    await copyWhole(from, to);
  }
  await syncDirectory(dirname(to));
  return { kind: 'file', kept, sha256: found.sha256 };
}

/** Puts a kept file back, by one rename. @throws KilnError `integrity` when it is not what was kept */
export async function putBack(
  root: ServerRoot,
  path: string,
  before: Before & { kind: 'file' },
): Promise<void> {
  const [from, to] = [await root.at(before.kept), await root.at(path)];
  if (!(await exists(from)) || sha256(await readFile(from)) !== before.sha256) {
    throw new KilnError('integrity', `what ${path} was before is not in ${from} any more`, {
      hint: 'put it back from a backup, and run it again',
    });
  }
  try {
    await rename(from, to);
  } catch (error) {
    if (!hasErrno(error, 'EXDEV')) throw error;
    const temporary = temporaryBeside(to);
    await copyWhole(from, temporary);
    await rename(temporary, to);
  }
  await syncDirectory(dirname(to));
}

async function copyWhole(from: string, to: string): Promise<void> {
  const stats = await lstat(from);
  await copyFile(from, to);
  await replaceWhole(to, await readFile(from), stats.mode & 0o7777, stats);
  await utimes(to, stats.atime, stats.mtime);
}
