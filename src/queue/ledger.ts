import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { isStillAlive, type ProcessIdentity } from '../platform/identity.ts';
import type { Job, JobRequest } from './job.ts';
import { cancel, join, leave, othersOf, prioritise, type Refusal, retry, type Step } from './machine.ts';
import type { Queue, Submitted } from './queue.ts';
import { JobRecord } from './record.ts';

/** Where a home keeps its record. Deleting it forgets what waits, and no bundle and no channel. */
export function ledgerFile(home: Home): string {
  return joinPath(home.root, 'state.db');
}

/** True where the home has a record; commands that only look make none. */
export function hasLedger(home: Home): boolean {
  return existsSync(ledgerFile(home));
}

const LONGEST_NAP_MS = 1000;

/**
 * The coordinator's own record of jobs and events, in SQLite. Each command is one transaction around the pure
 * rules of machine.ts, and is on the disk when it returns.
 */
export class Ledger extends JobRecord implements Queue {
  /** The record of a home. */
  static of(home: Home): Ledger {
    return new Ledger(ledgerFile(home));
  }

  submit(requests: readonly JobRequest[], follower?: ProcessIdentity): Submitted[] {
    return this.write(() => requests.map((request) => this.#submitOne(request, follower ?? null)));
  }

  #submitOne(request: JobRequest, follower: ProcessIdentity | null): Submitted {
    const known = this.one("SELECT document FROM jobs WHERE key = ? AND state IN ('waiting', 'running')", [
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
    this.run(
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

  job(id: string): Job {
    const job = this.find(id);
    if (job === undefined) {
      throw new KilnError('usage', `there is no job ${id}`, {
        hint: 'kiln queue list shows those that there are',
      });
    }
    return job;
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
      const other = this.one("SELECT document FROM jobs WHERE key = ? AND state IN ('waiting', 'running')", [
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
}

/** True when a follower is the only one who wants a job. */
export function isWantedBy(job: Job, follower: ProcessIdentity): boolean {
  return !job.unattended && !othersOf(job, follower).some(mayBeAlive);
}

function mayBeAlive(other: ProcessIdentity): boolean {
  return isStillAlive(other) !== false;
}
