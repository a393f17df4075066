import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { ownIdentity } from '../../src/platform/identity.ts';
import { EmbeddedHand } from '../../src/queue/embedded.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { backupFile, VERSION } from '../../src/queue/migrate.ts';
import { freshDirectory } from '../support/kiln.ts';
import { takeOne } from './conformance.ts';
import { outcome, request, result } from './requests.ts';

/** The tables as version 1 had them. */
const TABLES = `
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
CREATE UNIQUE INDEX one_for_a_key ON jobs (key) WHERE state IN ('waiting', 'running');
CREATE TABLE events (
  cursor INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  job TEXT,
  news TEXT NOT NULL
) STRICT;
CREATE INDEX events_of ON events (job);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
`;

/** A job as version 1 wrote it: nobody could leave it, and builds had no workshop. */
function oldJob(recipe: string, state: string, changes: Readonly<Record<string, unknown>> = {}) {
  return {
    key: recipe,
    recipe,
    variants: ['a'],
    spec: {
      references: [`${recipe}:a`],
      mirrors: ['/srv/mirror'],
      substitutes: [],
      publish: true,
      channel: null,
      rebuild: false,
      requireGates: false,
      reason: 'because',
      epoch: 1061769600,
    },
    priority: 3,
    labels: {},
    attempts: 5,
    id: `j${Buffer.from(recipe.padEnd(5, '.')).toString('hex').slice(0, 10)}`,
    state,
    token: 1,
    holder: null,
    failures: 0,
    lost: 0,
    notBefore: 0,
    cancelling: null,
    submitted: 1061769600000,
    ended: null,
    why: null,
    results: {},
    ...changes,
  };
}

type OldJob = ReturnType<typeof oldJob>;

/** A record as a home has it that was left alone since a version. */
function oldRecord(jobs: readonly OldJob[], version = 1): string {
  const file = join(freshDirectory('ledger'), 'state.db');
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA journal_mode = WAL; ${TABLES}; PRAGMA user_version = ${version}`);
  if (version > 1) database.exec('CREATE INDEX in_time ON jobs (not_before) WHERE not_before > 0');
  const insert = database.prepare(
    'INSERT INTO jobs (id, key, state, priority, not_before, document) VALUES (?, ?, ?, ?, 0, ?)',
  );
  const tell = database.prepare('INSERT INTO events (at, job, news) VALUES (?, ?, ?)');
  for (const job of jobs) {
    insert.run(job.id, job.key, job.state, job.priority, JSON.stringify(job));
    tell.run(job.submitted, job.id, JSON.stringify({ type: 'submitted', priority: job.priority }));
  }
  database.exec("INSERT INTO facts VALUES ('paused', 'false')");
  database.close();
  return file;
}

const waiting = oldJob('waits', 'waiting');
const done = oldJob('done', 'done', { results: { a: result('published') }, ended: 1061769700000 });

describe.each([1, 2])('a record of version %i', (version) => {
  it('is brought to this one: what waits is built, what was done is told as it was', async () => {
    const file = oldRecord([waiting, done], version);
    const queue = new Ledger(file);
    expect(queue.jobs()).toMatchObject([waiting, done]);
    expect(queue.historyOf(done.id)).toMatchObject([{ news: { type: 'submitted', priority: 3 } }]);
    const hand = new EmbeddedHand(queue);
    const lease = await takeOne(hand);
    expect(lease?.job).toMatchObject({ id: waiting.id, token: 2, unattended: true, followers: [] });
    expect(lease?.job.spec).toMatchObject({ compare: false, workshop: { sandbox: 'auto' } });
    // Commands that need what version 1 did not have.
    queue.submit([request('waits')], ownIdentity());
    expect(queue.leave(waiting.id, ownIdentity(), 'gone').cancelling).toBeNull();
    if (lease !== undefined) expect(await hand.settle(lease, outcome('done'))).toBe(true);
    expect(queue.job(waiting.id).state).toBe('done');
    queue.close();
  });

  it('is kept beside as it was', () => {
    const file = oldRecord([waiting, done], version);
    new Ledger(file).close();
    const kept = new DatabaseSync(backupFile(file, version), { readOnly: true });
    const documents = kept.prepare('SELECT document FROM jobs ORDER BY seq').all();
    expect(documents.map(({ document }) => JSON.parse(String(document)))).toEqual([waiting, done]);
    expect(kept.prepare('PRAGMA user_version').get()).toEqual({ user_version: version });
    kept.close();
  });
});

describe('a record of an older version', () => {
  it('is as it was when it can not be brought forward', () => {
    const file = oldRecord([waiting, { ...done, key: 'other' }]);
    const database = new DatabaseSync(file);
    database.exec("UPDATE jobs SET document = 'no JSON' WHERE state = 'done'");
    database.close();
    expect(() => new Ledger(file)).toThrow(/record can't be read/);
    const again = new DatabaseSync(file, { readOnly: true });
    expect(again.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 });
    expect(again.prepare("SELECT document FROM jobs WHERE state = 'waiting'").get()).toEqual({
      document: JSON.stringify(waiting),
    });
    again.close();
  });

  it('that another process has open is left to it, with a sentence', async () => {
    const file = oldRecord([waiting]);
    const holder = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '--input-type=module',
        '--eval',
        `import { DatabaseSync } from 'node:sqlite';
         const database = new DatabaseSync(${JSON.stringify(file)});
         database.prepare('SELECT count(*) FROM jobs').get();
         console.log('open');
         setInterval(() => database, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(holder.stdout, 'data');
    expect(() => new Ledger(file)).toThrow(/older Kiln, and another process has it open/);
    expect(existsSync(backupFile(file, 1))).toBe(false);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const queue = new Ledger(file);
    expect(queue.jobs()).toMatchObject([waiting]);
    queue.close();
  });
});

it('a record of a newer version is refused, with a sentence, and left as it is', () => {
  const file = oldRecord([waiting], VERSION + 1);
  expect(() => new Ledger(file)).toThrow(
    `the queue's record is of version ${VERSION + 1}, and this Kiln reads those up to ${VERSION}`,
  );
  const database = new DatabaseSync(file, { readOnly: true });
  expect(database.prepare('PRAGMA user_version').get()).toEqual({ user_version: VERSION + 1 });
  database.close();
});
