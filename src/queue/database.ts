import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { KilnError } from '../platform/errors.ts';

/** Grows with every change to the tables; a record of another version is not read. */
const VERSION = 2;

const SCHEMA = `
CREATE TABLE jobs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  key TEXT NOT NULL,
  state TEXT NOT NULL,
  priority INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  document TEXT NOT NULL
) STRICT;
CREATE INDEX in_order ON jobs (state, priority DESC, seq);
CREATE INDEX in_time ON jobs (not_before) WHERE not_before > 0;
CREATE UNIQUE INDEX one_for_a_key ON jobs (key) WHERE state IN ('waiting', 'running');
CREATE TABLE events (
  cursor INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  job TEXT,
  news TEXT NOT NULL
) STRICT;
CREATE INDEX events_of ON events (job);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
PRAGMA user_version = ${VERSION};
`;

/**
 * Opens the record, and makes it where there is none: a write-ahead log, and every commit on the disk before it
 * is believed (synchronous=FULL).
 * @throws KilnError `integrity` for a file that is no record of this version
 */
export function openDatabase(file: string): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true });
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    inTransaction(database, () => {
      const version = versionOf(database);
      if (version === 0) database.exec(SCHEMA);
      else if (version !== VERSION) throw damaged(file, `it is of version ${version}, not ${VERSION}`);
    });
    return database;
  } catch (error) {
    database.close();
    if (/not a database|malformed|already exists/.test(String(error)))
      throw damaged(file, (error as Error).message);
    throw error;
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}

function damaged(file: string, reason: string): KilnError {
  return new KilnError('integrity', `the queue's record can't be read: ${reason}`, {
    place: { file },
    hint: 'delete it, with the files of the same name that end in -wal and -shm: what waits is forgotten, no bundle and no channel is',
  });
}

/** Runs an action as one transaction: all of what it writes, or nothing when it throws. */
export function inTransaction<T>(database: DatabaseSync, action: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = action();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
