import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { KilnError } from '../platform/errors.ts';
import { backupFile, migrate, VERSION, versionOf } from './migrate.ts';
import { inTransaction } from './transaction.ts';

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
 * is believed (synchronous=FULL). One of an older version is brought to this one, and kept beside as it was.
 * @throws KilnError `integrity` for a file that is no record, or one of a newer Kiln; `locked` for an older one that
 *   another process has open
 */
export function openDatabase(file: string): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true });
  try {
    const database = connect(file);
    const version = versionOf(database);
    if (version === VERSION) return database;
    database.close();
    if (version > VERSION) throw newer(file, version);
    migrate(file);
    return connect(file);
  } catch (error) {
    if (error instanceof SyntaxError || /not a database|malformed|already exists/.test(String(error)))
      throw damaged(file, (error as Error).message);
    throw error;
  }
}

function connect(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    // Pages that are written over and over are copied to the database less often: it is what a commit waits for most.
    database.exec(
      'PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000',
    );
    if (versionOf(database) === 0) {
      inTransaction(database, () => {
        if (versionOf(database) === 0) database.exec(SCHEMA);
      });
    }
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function newer(file: string, version: number): KilnError {
  return new KilnError(
    'integrity',
    `the queue's record is of version ${version}, and this Kiln reads those up to ${VERSION}`,
    {
      place: { file },
      hint: `run the newer Kiln that has written it; ${backupFile(file, VERSION)}, where it is, is the record as it was before`,
    },
  );
}

function damaged(file: string, reason: string): KilnError {
  return new KilnError('integrity', `the queue's record can't be read: ${reason}`, {
    place: { file },
    hint: 'delete it, with the files of the same name that end in -wal and -shm: what waits is forgotten, no bundle and no channel is',
  });
}
