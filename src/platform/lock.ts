import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { nowIso } from './clock.ts';
import { hasErrno, KilnError } from './errors.ts';

/** Who holds a lock, as written beside it. */
export interface LockHolder {
  readonly pid: number;
  readonly what: string;
  readonly since: string;
}

export interface Lock {
  release(): void;
}

/** Keeps what holds a lock from being collected as garbage, and the lock with it, when its taker forgets it. */
const held = new Set<DatabaseSync>();

/**
 * Takes an exclusive lock that the kernel drops when this process ends, however it ends: SQLite's
 * file lock (fcntl) on a small database of its own. Node has no call for it, and a pid file would lie
 * after kill -9.
 * @param path the lock's file, created where it is missing
 * @param what words for the one who is refused, e.g. `kiln build sample`
 * @returns the lock, or the holder's record when another process has it
 */
export function tryLock(path: string, what: string): Lock | { readonly heldBy: LockHolder | undefined } {
  mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path);
  try {
    // Nothing is ever stored, so no journal has to be on the disk: the lock can be had on a full disk as well.
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (/database is locked/.test(String(error))) return { heldBy: readHolder(path) };
    throw error;
  }
  const holder: LockHolder = { pid: process.pid, what, since: nowIso() };
  noteHolder(path, holder);
  held.add(database);
  return {
    release() {
      held.delete(database);
      rmSync(`${path}.holder`, { force: true });
      database.exec('ROLLBACK');
      database.close();
    },
  };
}

/**
 * Whether a process has a lock. Who only looks does not take it: of two that look at the same moment neither sees the
 * other, since what they share is a lock to nobody but one who takes it just then, and who tries again.
 */
export function isLocked(path: string): boolean {
  mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout = 0; SELECT 1 FROM sqlite_schema');
    return false;
  } catch (error) {
    if (/database is locked/.test(String(error))) return true;
    throw error;
  } finally {
    database.close();
  }
}

/** How long to wait for a lock, and for whom. */
export interface Patience {
  /** 10 s by default: who holds a lock is at short work as a rule (a publish takes milliseconds). */
  readonly timeoutMs?: number;
  /** Whom it is worth waiting for; anybody by default. Undefined: somebody who has not said yet who it is. */
  readonly waitFor?: (holder: LockHolder | undefined) => boolean;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
}

/**
 * What a build waits for a lock of short work: minutes of work must not be lost because somebody else is slow, a gc of
 * gigabytes or a publish to an NFS root far away.
 */
export const LONG_PATIENCE_MS = 600_000;

/**
 * Takes the lock, waiting for its holder. The kernel tells nobody when a file lock is dropped, so it is tried anew.
 * @throws KilnError `locked` when the time has passed, or for a holder that is not worth waiting for; the signal's
 * reason when stopped
 */
export async function lockSoon(
  path: string,
  what: string,
  { timeoutMs = 10_000, waitFor = () => true, signal }: Patience = {},
): Promise<Lock> {
  const deadline = Date.now() + timeoutMs;
  for (let pause = 2; Date.now() < deadline; pause = Math.min(2 * pause, 100)) {
    signal?.throwIfAborted();
    const taken = tryLock(path, what);
    if ('release' in taken) return taken;
    if (!waitFor(taken.heldBy)) break;
    await setTimeout(pause);
  }
  return lock(path, what);
}

/** Takes the lock. @throws KilnError `locked` naming who holds it and since when. */
export function lock(path: string, what: string): Lock {
  const taken = tryLock(path, what);
  if ('release' in taken) return taken;
  const holder = taken.heldBy;
  const who =
    holder === undefined
      ? 'another process'
      : `process ${holder.pid} (${holder.what}, since ${holder.since})`;
  throw new KilnError('locked', `${path} is held by ${who}`, {
    hint: 'wait until it has finished, or stop it; the lock goes with its process',
  });
}

/** For those who are refused; a full disk must not refuse the lock itself. */
function noteHolder(path: string, holder: LockHolder): void {
  try {
    writeFileSync(`${path}.holder`, JSON.stringify(holder));
  } catch (error) {
    if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
  }
}

function readHolder(path: string): LockHolder | undefined {
  try {
    return JSON.parse(readFileSync(`${path}.holder`, 'utf8')) as LockHolder;
  } catch {
    return undefined;
  }
}
