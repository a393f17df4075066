import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sourceDateEpoch } from '../platform/clock.ts';
import { KilnError } from '../platform/errors.ts';
import { userName } from '../platform/user.ts';
import { inTransaction } from './transaction.ts';

/** Brings a record from one version to the next. */
type Migration = (database: DatabaseSync) => void;

/** By the version that they start from; each goes one further. */
const MIGRATIONS: readonly Migration[] = [
  // 1: what waits for its time is found by an index.
  (database) => database.exec('CREATE INDEX in_time ON jobs (not_before) WHERE not_before > 0'),
  // 2: jobs say who waits for them, and how and for whom they are built.
  fillIn,
];

/** The version that records are of; grows with every change to the tables and to what the documents hold. */
export const VERSION = MIGRATIONS.length + 1;

/** How long another process may take to close an older record, in milliseconds. */
const PATIENCE_MS = 3000;

/** Where the record of an older version is kept when it is brought forward. */
export function backupFile(file: string, version: number): string {
  return `${file}.v${version}`;
}

export function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}

/**
 * Brings the record in a file to this version: a copy of it as it was stands beside it before anything is changed,
 * and all of it is changed or nothing. Nobody else may have it open, for an older Kiln would go on writing what this one
 * can't read.
 * @throws KilnError `locked` when another process has the record open
 */
export function migrate(file: string): void {
  const database = new DatabaseSync(file);
  try {
    // In this mode the first read takes the whole file, and it is kept until this connection is closed.
    database.exec(`PRAGMA busy_timeout = ${PATIENCE_MS}; PRAGMA locking_mode = EXCLUSIVE`);
    const version = versionOf(database);
    // Another process of this version may have been faster.
    if (version < 1 || version >= VERSION) return;
    backUp(database, backupFile(file, version));
    database.exec('PRAGMA synchronous = FULL');
    inTransaction(database, () => {
      for (const step of MIGRATIONS.slice(version - 1)) step(database);
      database.exec(`PRAGMA user_version = ${VERSION}`);
    });
  } catch (error) {
    if (!/database is locked/.test(String(error))) throw error;
    throw new KilnError('locked', 'the queue is of an older Kiln, and another process has it open', {
      place: { file },
      hint: 'stop what the older Kiln runs (kiln serve, kiln build); the next command brings the queue to this version',
    });
  } finally {
    database.close();
  }
}

/** Writes the record as it is to another file, whole and on the disk. */
function backUp(database: DatabaseSync, path: string): void {
  const partial = `${path}.partial`;
  rmSync(partial, { force: true });
  database.prepare('VACUUM INTO ?').run(partial);
  sync(partial);
  renameSync(partial, path);
  sync(dirname(path));
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** What jobs of version 2 may lack: they were made when nobody could leave one, and builds had no workshop. */
function fillIn(database: DatabaseSync): void {
  const job = { labels: {}, followers: [], unattended: true };
  const spec = {
    compare: false,
    requireGates: false,
    workshop: { sandbox: 'auto', ccache: { use: 'auto', size: '2G', remote: '' }, clean: false },
    by: userName(),
    epoch: sourceDateEpoch(),
  };
  const save = database.prepare('UPDATE jobs SET document = ? WHERE seq = ?');
  for (const row of database.prepare('SELECT seq, document FROM jobs').all()) {
    const known = JSON.parse(String(row.document)) as { readonly spec: object };
    const filled = { ...job, ...known, spec: { ...spec, ...known.spec } };
    save.run(JSON.stringify(filled), Number(row.seq));
  }
}
