import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { inTransaction } from '../../src/queue/transaction.ts';
import { freshDirectory } from '../support/kiln.ts';

/** A write that a database has no room for; the bound is SQLite's own, its error the one of a full disk. */
export function overfill(): void {
  const database = new DatabaseSync(join(freshDirectory('full'), 'small.db'));
  database.exec('CREATE TABLE much (text TEXT); PRAGMA max_page_count = 2');
  try {
    inTransaction(database, () => database.exec('INSERT INTO much VALUES (hex(zeroblob(100000)))'));
  } finally {
    database.close();
  }
}
