import { type FSWatcher, statSync } from 'node:fs';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { openDatabase } from './database.ts';
import { GroupCommit } from './groupCommit.ts';
import { isSettled, type Job, type QueueEvent, type QueueNews } from './job.ts';
import type { Step } from './machine.ts';
import { explainRecord, inTransaction } from './transaction.ts';
import { Wake, watchDatabase } from './wake.ts';

const KEPT_JOBS = 2000;

/**
 * Jobs, their events and a few facts, in SQLite: what is read of them, and how they are written. What may become of a
 * job is for machine.ts to say, and what may be asked of the queue for `Ledger`.
 */
export class JobRecord {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #watcher: FSWatcher;
  readonly #group: GroupCommit;
  readonly #file: string;
  readonly #inode: number;
  /** Notified of every change, by this process or another. */
  readonly wake = new Wake();
  /** Milliseconds since 1970; tests have a clock of their own. */
  readonly now: () => number;

  constructor(file: string, now: () => number = Date.now) {
    this.now = now;
    this.#database = openDatabase(file);
    this.#file = file;
    this.#inode = statSync(file).ino;
    this.#group = new GroupCommit(this.#database, () => this.wake.notify());
    this.#watcher = watchDatabase(file, this.wake, () => this.#others());
  }

  /** True when the file was deleted or replaced: others don't see what is written here, nor this what they write. */
  get isReplaced(): boolean {
    return statSync(this.#file, { throwIfNoEntry: false })?.ino !== this.#inode;
  }

  jobs(states?: readonly Job['state'][]): Job[] {
    const where = states === undefined ? '' : `WHERE state IN (${states.map(() => '?').join(', ')})`;
    const rows = this.prepare(`SELECT document FROM jobs ${where} ORDER BY seq`).all(...(states ?? []));
    return rows.map(parse);
  }

  find(id: string): Job | undefined {
    return this.one('SELECT document FROM jobs WHERE id = ?', [id]);
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

  /** Drops the oldest settled jobs with their events, so that the record does not grow for ever. */
  trim(kept = KEPT_JOBS): void {
    this.write(() => {
      const old = `SELECT id FROM jobs WHERE state NOT IN ('waiting', 'running') ORDER BY seq DESC LIMIT -1 OFFSET ${kept}`;
      this.run(`DELETE FROM events WHERE job IN (${old})`);
      this.run(`DELETE FROM jobs WHERE id IN (${old})`);
    });
  }

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
    this.run(
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
    this.run('INSERT INTO events (at, job, news) VALUES (?, ?, ?)', this.now(), job, JSON.stringify(news));
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
    this.run(
      'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
      name,
      value,
    );
  }

  /** A statement, prepared once. */
  protected prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  protected one(sql: string, values: readonly SQLInputValue[]): Job | undefined {
    const row = this.prepare(sql).get(...values);
    return row === undefined ? undefined : parse(row);
  }

  protected run(sql: string, ...values: SQLInputValue[]): void {
    try {
      this.prepare(sql).run(...values);
    } catch (error) {
      throw explainRecord(error);
    }
  }
  close(): void {
    this.#group.flush();
    this.#watcher.close();
    this.#database.close();
  }
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
