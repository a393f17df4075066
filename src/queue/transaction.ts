import type { DatabaseSync } from 'node:sqlite';
import { KilnError } from '../platform/errors.ts';

/**
 * Runs an action as one transaction: all of what it writes, or nothing when it throws.
 * @throws KilnError `failed`, transient, for what a disk does to a program that has no bug; `locked` for a record that
 *   somebody does not stop writing to
 */
export function inTransaction<T>(database: DatabaseSync, action: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = action();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw explainRecord(error);
  }
}

/** What a disk or another process is the reason of, by SQLite's result codes (sqlite.org/rescode.html). */
const REASONS: Readonly<Record<number, string>> = {
  8: 'it may not be written to',
  10: 'the disk fails',
  13: 'the disk is full',
};
const BUSY = 5;

/** An error of the record as a sentence that a user can act on; everything else as it is. */
export function explainRecord(error: unknown): unknown {
  const { errcode } = error as { errcode?: unknown };
  if (!(error instanceof Error) || typeof errcode !== 'number') return error;
  // The low byte is the kind of the error, the rest says more of it.
  const kind = errcode % 256;
  if (kind === BUSY) {
    return new KilnError(
      'locked',
      "the queue's record can't be written: another process does not let go of it",
      {
        hint: 'ask again; if it stays so, see which processes have state.db open',
        cause: error,
      },
    );
  }
  const reason = REASONS[kind];
  if (reason === undefined) return error;
  return new KilnError('failed', `the queue's record can't be written: ${reason}`, {
    hint: 'nothing was changed; kiln gc --dry-run says what can be freed',
    transient: true,
    cause: error,
  });
}
