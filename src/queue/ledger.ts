import { randomUUID } from 'node:crypto';
import { existsSync, type FSWatcher } from 'node:fs';
import { join as joinPath } from 'node:path';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { isStillAlive, type ProcessIdentity } from '../platform/identity.ts';
import { openDatabase } from './database.ts';
import { GroupCommit } from './groupCommit.ts';
import { isSettled, type Job, type JobRequest, type QueueEvent, type QueueNews } from './job.ts';
import { cancel, join, leave, othersOf, prioritise, type Refusal, retry, type Step } from './machine.ts';
import type { Queue, Submitted } from './queue.ts';
import { explainRecord, inTransaction } from './transaction.ts';
import { Wake, watchDatabase } from './wake.ts';

/** Where a home keeps its record. Deleting it forgets what waits, and no bundle and no channel. */
export function ledgerFile(home: Home): string {
  return joinPath(home.root, 'state.db');
}

/** True where the home has a record; commands that only look make none. */
export function hasLedger(home: Home): boolean {
  return existsSync(ledgerFile(home));
}

const LONGEST_NAP_MS = 1000;
const KEPT_JOBS = 2000;

/**
 * The coordinator's own record of jobs and events, in SQLite. Each command is one transaction around the pure
 * rules of machine.ts, and is on the disk when it returns.
 */
export class Ledger implements Queue {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #watcher: FSWatcher;
  readonly #group: GroupCommit;
  /** Notified of every change, by this process or another. */
  readonly wake = new Wake();
  /** Milliseconds since 1970; tests have a clock of their own. */
  readonly now: () => number;

  constructor(file: string, now: () => number = Date.now) {
    this.now = now;
    this.#database = openDatabase(file);
    this.#group = new GroupCommit(this.#database, () => this.wake.notify());
    this.#watcher = watchDatabase(file, this.wake, () => this.#others());
  }

  /** The record of a home. */
  static of(home: Home): Ledger {
    return new Ledger(ledgerFile(home));
  }

  submit(requests: readonly JobRequest[], follower?: ProcessIdentity): Submitted[] {
    return this.write(() => requests.map((request) => this.#submitOne(request, follower ?? null)));
  }

  #submitOne(request: JobRequest, follower: ProcessIdentity | null): Submitted {
    const known = this.#one("SELECT document FROM jobs WHERE key = ? AND state IN ('waiting', 'running')", [
      request.key,
    ]);
    if (known !== undefined) return { job: this.save(join(known, follower, request.priority)), joined: true };
    const job: Job = {
      ...request,
      id: `j${randomUUID().replace('-', '').slice(0, 10)}`,
      state: 'waiting',
      token: 0,
      holder: null,
      failures: 0,
      lost: 0,
      notBefore: 0,
      cancelling: null,
      followers: follower === null ? [] : [follower],
      unattended: follower === null,
      submitted: this.now(),
      ended: null,
      why: null,
      results: {},
    };
    this.#run(
      'INSERT INTO jobs (id, key, state, priority, not_before, document) VALUES (?, ?, ?, ?, ?, ?)',
      job.id,
      job.key,
      job.state,
      job.priority,
      job.notBefore,
      JSON.stringify(job),
    );
    this.tell(job.id, { type: 'submitted', priority: job.priority });
    return { job, joined: false };
  }

  jobs(states?: readonly Job['state'][]): Job[] {
    const where = states === undefined ? '' : `WHERE state IN (${states.map(() => '?').join(', ')})`;
    const rows = this.prepare(`SELECT document FROM jobs ${where} ORDER BY seq`).all(...(states ?? []));
    return rows.map(parse);
  }

  job(id: string): Job {
    const job = this.find(id);
    if (job === undefined) {
      throw new KilnError('usage', `there is no job ${id}`, {
        hint: 'kiln queue list shows those that there are',
      });
    }
    return job;
  }

  find(id: string): Job | undefined {
    return this.#one('SELECT document FROM jobs WHERE id = ?', [id]);
  }

  cancel(id: string, why: string): Job {
    return this.#command(id, 'cancelled', (job) => cancel(job, why));
  }

  leave(id: string, follower: ProcessIdentity, why: string): Job {
    return this.#command(id, 'left', (job) => leave(job, follower, mayBeAlive, why));
  }

  keep(id: string): Job {
    return this.#command(id, 'kept', (job) => ({ job: { ...job, unattended: true }, news: [] }));
  }

  retry(id: string): Job {
    return this.#command(id, 'tried again', (job) => {
      const other = this.#one("SELECT document FROM jobs WHERE key = ? AND state IN ('waiting', 'running')", [
        job.key,
      ]);
      return other === undefined || other.id === id
        ? retry(job)
        : { refused: `job ${other.id} does the same` };
    });
  }

  prioritise(id: string, priority: number): Job {
    return this.#command(id, 'given another priority', (job) => prioritise(job, priority));
  }

  #command(id: string, what: string, action: (job: Job) => Step | Refusal): Job {
    return this.write(() => {
      const step = action(this.job(id));
      if ('refused' in step) {
        throw new KilnError('usage', `job ${id} can't be ${what}: ${step.refused}`, {
          hint: `kiln queue show ${id} tells what became of it`,
        });
      }
      return this.save(step);
    });
  }

  pause(): void {
    this.#setPaused(true);
  }

  resume(): void {
    this.#setPaused(false);
  }

  #setPaused(paused: boolean): void {
    this.write(() => {
      if (this.paused === paused) return;
      this.setFact('paused', String(paused));
      this.tell(null, { type: paused ? 'paused' : 'resumed' });
    });
  }

  get paused(): boolean {
    return this.fact('paused') === 'true';
  }

  events(after: number, limit = 1000): QueueEvent[] {
    return this.prepare('SELECT * FROM events WHERE cursor > ? ORDER BY cursor LIMIT ?')
      .all(after, limit)
      .map(parseEvent);
  }

  /** Everything that happened to one job. */
  historyOf(id: string): QueueEvent[] {
    return this.prepare('SELECT * FROM events WHERE job = ? ORDER BY cursor').all(id).map(parseEvent);
  }

  get cursor(): number {
    const row = this.prepare('SELECT max(cursor) AS newest FROM events').get();
    return Number(row?.newest ?? 0);
  }

  async changed(after: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const { count } = this.wake;
      if (this.cursor > after) return;
      await this.wake.wait(count, LONGEST_NAP_MS, signal);
    }
  }

  async drain(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { cursor } = this;
      if (this.jobs(['waiting', 'running']).length === 0) return;
      await this.changed(cursor, signal);
    }
  }

  close(): void {
    this.#group.flush();
    this.#watcher.close();
    this.#database.close();
  }

  /** Drops the oldest settled jobs with their events, so that the record does not grow for ever. */
  trim(kept = KEPT_JOBS): void {
    this.write(() => {
      const old = `SELECT id FROM jobs WHERE state NOT IN ('waiting', 'running') ORDER BY seq DESC LIMIT -1 OFFSET ${kept}`;
      this.#run(`DELETE FROM events WHERE job IN (${old})`);
      this.#run(`DELETE FROM jobs WHERE id IN (${old})`);
    });
  }

  // What the adapters build on.

  /** One transaction; whoever waits for a change is woken after it. */
  write<T>(action: () => T): T {
    if (this.#database.isTransaction) return action();
    const result = inTransaction(this.#database, action);
    this.wake.notify();
    return result;
  }

  /** As `write`, by one commit with what else is asked for in this turn; on the disk when the promise is kept. */
  writeSoon<T>(action: () => T): Promise<T> {
    return this.#group.add(action);
  }

  /** A number that grows with each commit of another process; SQLite, PRAGMA data_version. */
  #others(): number {
    return Number(this.prepare('PRAGMA data_version').get()?.data_version);
  }

  /** Writes down what a command came to. */
  save({ job, news }: Step): Job {
    const ended = isSettled(job) ? (job.ended ?? this.now()) : null;
    const saved: Job = { ...job, ended };
    this.#run(
      'UPDATE jobs SET key = ?, state = ?, priority = ?, not_before = ?, document = ? WHERE id = ?',
      // One that is about to stop is no answer to somebody who wants it built: its key is free.
      saved.cancelling === null ? saved.key : `${saved.key} ${saved.id}`,
      saved.state,
      saved.priority,
      saved.notBefore,
      JSON.stringify(saved),
      saved.id,
    );
    for (const one of news) this.tell(saved.id, one);
    return saved;
  }

  tell(job: string | null, news: QueueNews): void {
    this.#run('INSERT INTO events (at, job, news) VALUES (?, ?, ?)', this.now(), job, JSON.stringify(news));
  }

  /** Waiting jobs that may run now, in the order in which they are to run; read as they are asked for. */
  *due(): Generator<Job> {
    const page = 32;
    for (let offset = 0; ; offset += page) {
      const rows = this.prepare(
        "SELECT document FROM jobs WHERE state = 'waiting' AND not_before <= ? ORDER BY priority DESC, seq LIMIT ? OFFSET ?",
      ).all(this.now(), page, offset);
      for (const row of rows) yield parse(row);
      if (rows.length < page) return;
    }
  }

  /** When the next job that waits for its time may run; undefined when none does. */
  nextDue(): number | undefined {
    const row = this.prepare(
      // By itself SQLite goes through all that wait.
      "SELECT not_before AS next FROM jobs INDEXED BY in_time WHERE not_before > 0 AND not_before > ? AND state = 'waiting' ORDER BY not_before LIMIT 1",
    ).get(this.now());
    return row === undefined ? undefined : Number(row.next);
  }

  fact(name: string): string | undefined {
    const row = this.prepare('SELECT value FROM facts WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row.value);
  }

  setFact(name: string, value: string): void {
    this.#run(
      'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      name,
      value,
    );
  }

  /** A statement, prepared once. */
  private prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #one(sql: string, values: readonly SQLInputValue[]): Job | undefined {
    const row = this.prepare(sql).get(...values);
    return row === undefined ? undefined : parse(row);
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    try {
      this.prepare(sql).run(...values);
    } catch (error) {
      throw explainRecord(error);
    }
  }
}

/** True when a follower is the only one who wants a job. */
export function isWantedBy(job: Job, follower: ProcessIdentity): boolean {
  return !job.unattended && !othersOf(job, follower).some(mayBeAlive);
}

function mayBeAlive(other: ProcessIdentity): boolean {
  return isStillAlive(other) !== false;
}

function parse(row: Record<string, unknown>): Job {
  return JSON.parse(String(row.document)) as Job;
}

function parseEvent(row: Record<string, unknown>): QueueEvent {
  return {
    cursor: Number(row.cursor),
    at: Number(row.at),
    job: row.job === null ? null : String(row.job),
    news: JSON.parse(String(row.news)) as QueueNews,
  };
}
