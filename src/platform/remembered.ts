import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasErrno } from './errors.ts';
import { stampOf, temporaryBeside } from './files.ts';

/** What was found out, and the files it was found out of. */
export interface Finding<T> {
  readonly value: T;
  /** Absolute paths; of a directory its list of names counts, not what is in the files. */
  readonly files: readonly string[];
}

interface Note<T> {
  readonly value: T;
  /** By path: what `stampOf` says. */
  readonly stamps: Readonly<Record<string, string>>;
}

/** A file that was changed so shortly before it was looked at may change once more within one tick of its clock. */
const RACY_MS = 2_000;

/**
 * What `find` finds out of files, from a note of an earlier call as long as every one of them is the one it was then:
 * the same inode, size and times, of which no program sets the last (st_ctime). That is what git's index goes by, the
 * files that were changed just before included, of which no note is taken (git's Documentation/technical/racy-git.txt).
 * @param note where the note is; a JSON value goes into it. Removing it costs time alone
 * @param now milliseconds since 1970, by the clock that the files' times are of
 */
export async function remembered<T>(
  note: string,
  find: () => Promise<Finding<T>>,
  now: () => number = Date.now,
): Promise<T> {
  const known = await readNote<T>(note);
  if (known !== undefined && (await isCurrent(known))) return known.value;
  const before = now();
  const { value, files } = await find();
  const stats = await Promise.all(files.map((path) => stat(path, { bigint: true })));
  if (stats.every(({ ctimeMs }) => Number(ctimeMs) < before - RACY_MS)) {
    const stamps = stats.map((one, index) => [files[index] ?? '', stampOf(one)]);
    await writeNote(note, { value, stamps: Object.fromEntries(stamps) as Record<string, string> });
  }
  return value;
}

async function readNote<T>(path: string): Promise<Note<T> | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Note<T>;
  } catch (error) {
    // It is written without a flush: after a power cut it may be there in part.
    if (error instanceof SyntaxError || hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}

async function isCurrent({ stamps }: Note<unknown>): Promise<boolean> {
  const entries = Object.entries(stamps);
  const same = await Promise.all(
    entries.map(async ([path, stamp]) => {
      try {
        return stampOf(await stat(path, { bigint: true })) === stamp;
      } catch (error) {
        if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false;
        throw error;
      }
    }),
  );
  return same.every((one) => one);
}

/** Whoever can't take a note (a full disk, another's home) finds it out again the next time. */
async function writeNote(path: string, note: Note<unknown>): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, JSON.stringify(note), { flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    if (!hasErrno(error, 'ENOSPC', 'EDQUOT', 'EACCES', 'EROFS')) throw error;
  }
}
