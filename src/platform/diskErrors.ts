import { hasErrno, KilnError } from './errors.ts';

/** True for an error that says that the disk, or the user's share of it, is full. */
export function isFull(error: unknown): boolean {
  return hasErrno(error, 'ENOSPC', 'EDQUOT') || sqliteCode(error) === SQLITE_FULL;
}

/** True for what a disk does to a program that has no bug: full, failing, read-only. */
export function isDiskFailure(error: unknown): boolean {
  return isFull(error) || hasErrno(error, 'EIO', 'EROFS') || sqliteCode(error) === SQLITE_IOERR;
}

/** True for what somebody else's files do to a program that has no bug. */
export function isRefusal(error: unknown): boolean {
  // Where a home can't be made at all: on a read-only disk, behind a symlink to nothing.
  if (hasErrno(error, 'ENOENT') && (error as NodeJS.ErrnoException).syscall === 'mkdir') return true;
  return hasErrno(error, 'EACCES', 'EPERM') || [SQLITE_READONLY, SQLITE_CANTOPEN].includes(sqliteCode(error));
}

// https://sqlite.org/rescode.html
const [SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN] = [8, 10, 13, 14];

/** SQLite's primary result code; -1 for what is none of its errors. */
function sqliteCode(error: unknown): number {
  const { errcode } = error as { readonly errcode?: unknown };
  return hasErrno(error, 'ERR_SQLITE_ERROR') && typeof errcode === 'number' ? errcode & 0xff : -1;
}

/**
 * An error of a system call as a sentence that a user can act on; everything else as it is.
 * @param what what it stopped, e.g. `publish 2.4.22-om2-1f2e3d4c5b to lts/x`
 * @param hints what to do on a full disk, and what else
 */
export function explainDisk(
  what: string,
  error: unknown,
  hints: { readonly full: string; readonly other: string },
): unknown {
  if (error instanceof KilnError || !isErrno(error)) return error;
  return new KilnError('failed', `${what}: ${isFull(error) ? 'the disk is full' : error.message}`, {
    ...(typeof error.path === 'string' ? { place: { file: error.path } } : {}),
    hint: isFull(error) ? hints.full : hints.other,
    cause: error,
  });
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  if (!(error instanceof Error)) return false;
  return typeof (error as NodeJS.ErrnoException).errno === 'number' || sqliteCode(error) >= 0;
}
