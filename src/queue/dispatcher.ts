import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Payload, Returned } from './carried.ts';
import { Claim } from './claim.ts';
import { Hearing } from './hearing.ts';
import type { Job, Outcome } from './job.ts';
import type { Ledger } from './ledger.ts';
import { presentWorkers } from './presence.ts';
import { explainRedis, queueName, type RedisNames, redisNames, tellToStop, within } from './redis.ts';
import { forgetCompleted, type Heard, Routes } from './routes.ts';
import { Sending } from './sending.ts';
import { noteWorkers } from './workers.ts';

export interface DispatcherOptions {
  readonly ledger: Ledger;
  readonly redis: Redis;
  readonly names?: RedisNames;
  /** How often it is looked whose lease has run out. */
  readonly stalledCheckMs?: number | undefined;
  /**
   * Makes ready what a worker needs besides the job itself. What it throws as KilnError is the end of an attempt.
   */
  readonly prepare?: (job: Job) => Promise<Payload>;
  /** Takes in what a worker has built, before the record says that it is done; gives the outcome as it then is. */
  readonly commit?: (job: Job, returned: Returned) => Promise<Outcome>;
  /** Told of what goes wrong between here and Redis, or here and the disk. */
  readonly onTrouble?: (sentence: string) => void;
}

const LONGEST_NAP_MS = 1000;
/** Between what went wrong and the next try; twice as long each time that it goes wrong again. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;
/** Everything is held against Redis so often: an event that was missed keeps no job. */
const LOOK_AGAIN_MS = 30_000;
/** How often it is looked whether Redis was emptied. */
const CHECK_OWNER_MS = 100;
/** How often it is looked who is connected. */
const COUNT_WORKERS_MS = 1000;
/** Who hears so much at once waits so long for more: what comes meanwhile goes to the disk by the same commit. */
const BUSY = 8;
const GATHER_MS = 4;
/** Jobs that are brought to Redis in one go. */
const MOST_AT_ONCE = 256;

/**
 * Carries jobs from the coordinator's record to workers by way of Redis, and what they say back. The record is the
 * truth: what Redis has lost is sent again, and what it has too much is removed. There is one for a record.
 */
export class Dispatcher {
  readonly #onTrouble: (sentence: string) => void;
  readonly #ledger: Ledger;
  readonly #redis: Redis;
  readonly #names: RedisNames;
  readonly #routes: Routes;
  readonly #hearing: Hearing;
  readonly #sending: Sending;
  /** Jobs to look at, by id. */
  readonly #pending = new Set<string>();
  /** What workers have said and nobody has dealt with yet. */
  readonly #heard: Heard[] = [];
  /** Jobs whose end this dispatcher has dealt with, until it reads of it in the record. */
  readonly #done = new Set<string>();
  readonly #owner: string;
  readonly #claim: Claim;
  #cursor = 0;
  #paused: boolean | undefined;
  #mustReconcile = true;
  /** When everything was last held against Redis, in milliseconds of this process's own clock. */
  #reconciled = 0;
  /** When it was last looked whether Redis has this record's jobs. */
  #checked = Number.NEGATIVE_INFINITY;
  /** When it was last looked who is connected. */
  #counted = Number.NEGATIVE_INFINITY;
  /** How much was heard at once. */
  #busy = 0;
  #idle = false;
  /** What went wrong last, and how often in a row. */
  #trouble = '';
  #troubles = 0;

  constructor(options: DispatcherOptions) {
    this.#onTrouble = options.onTrouble ?? (() => undefined);
    this.#ledger = options.ledger;
    this.#redis = options.redis;
    this.#names = options.names ?? redisNames();
    this.#owner = this.#ledger.fact('fleet') ?? randomUUID();
    this.#ledger.setFact('fleet', this.#owner);
    this.#claim = new Claim(this.#redis, this.#names, this.#owner);
    this.#hearing = new Hearing({
      ledger: this.#ledger,
      commit: options.commit,
      stop: (delivery, token) => tellToStop(this.#redis, this.#names, delivery, token),
      forget: (queue, deliveries) => forgetCompleted(this.#redis, queue, deliveries),
      ended: (ids) => this.#note(ids),
    });
    const hear = (heard: Heard) => {
      this.#heard.push(heard);
      this.#ledger.wake.notify();
    };
    this.#routes = new Routes(this.#redis, this.#names, hear, options.stalledCheckMs);
    this.#sending = new Sending({
      ledger: this.#ledger,
      redis: this.#redis,
      names: this.#names,
      routes: this.#routes,
      hearing: this.#hearing,
      prepare: options.prepare,
      ended: (ids) => this.#note(ids),
      again: (id) => {
        this.#pending.add(id);
        this.#ledger.wake.notify();
      },
    });
    // After it was away nothing that it has is believed before it was looked at.
    this.#redis.on('ready', () => {
      this.#mustReconcile = true;
      this.#ledger.wake.notify();
    });
  }

  /** Claims Redis for this record. @throws KilnError `locked` when another coordinator is at work there */
  claim(): Promise<void> {
    return this.#claim.renew();
  }

  /** Works until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#cursor = this.#ledger.cursor;
    while (!signal.aborted) {
      const { count } = this.#ledger.wake;
      this.#idle = false;
      try {
        await this.#step();
        this.#troubles = 0;
      } catch (error) {
        if (signal.aborted) break;
        await this.#pauseAfter(error, signal);
      }
      this.#idle =
        this.#heard.length === 0 && this.#pending.size === 0 && this.#ledger.cursor === this.#cursor;
      if (this.#busy > BUSY) await pause(GATHER_MS, undefined, { signal }).catch(() => undefined);
      if (this.#heard.length > 0 || this.#pending.size > 0) continue;
      await this.#ledger.wake.wait(count, this.#nap(), signal).catch(() => undefined);
    }
    this.#sending.stop();
    await this.#hearing.stop();
    await this.#routes.close();
    // What can't be said now is seen when it is not heard of.
    await within(1000, this.#claim.leave()).catch(() => undefined);
  }

  /** What is wrong (Redis is away, the disk is full) is said once; everything is looked at anew until it is right. */
  async #pauseAfter(thrown: unknown, signal: AbortSignal): Promise<void> {
    this.#mustReconcile = true;
    const error = explainRedis(thrown);
    const sentence = error instanceof Error ? error.message : String(error);
    if (this.#troubles === 0 || sentence !== this.#trouble) this.#onTrouble(sentence);
    this.#trouble = sentence;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#troubles);
    this.#troubles += 1;
    await pause(pauseMs, undefined, { signal }).catch(() => undefined);
  }

  /** True when all that was asked of the record so far has reached Redis. */
  get isIdle(): boolean {
    return (
      this.#idle &&
      !this.#sending.isBusy &&
      !this.#hearing.isBusy &&
      this.#pending.size === 0 &&
      this.#ledger.cursor === this.#cursor &&
      this.#heard.length === 0
    );
  }

  #nap(): number {
    return Math.min(LONGEST_NAP_MS, Math.max(0, this.#sending.nextDue - this.#ledger.now()));
  }

  async #step(): Promise<void> {
    if (performance.now() > this.#checked + CHECK_OWNER_MS) await this.#checkOwner();
    await this.#countWorkers();
    if (this.#mustReconcile || performance.now() > this.#reconciled + LOOK_AGAIN_MS) await this.#reconcile();
    this.#busy = this.#heard.length;
    this.#note(await this.#hearing.take(this.#heard.splice(0)));
    this.#readRecord();
    for (const id of this.#sending.due()) this.#pending.add(id);
    await this.#setPaused(this.#ledger.paused);
    const pending = [...this.#pending].slice(0, MOST_AT_ONCE);
    for (const id of pending) this.#pending.delete(id);
    await this.#sending.agree(pending);
  }

  /** Jobs whose end is on record: what the record tells of it is no news. */
  #note(ended: readonly string[]): void {
    for (const id of ended) this.#done.add(id);
    this.#sending.leave(ended);
  }

  /** Redis that was emptied, or that another record's jobs are in, is filled anew. */
  async #checkOwner(): Promise<void> {
    await this.#claim.renew();
    const owner = await this.#redis.get(this.#names.owner);
    this.#checked = performance.now();
    if (owner === this.#owner) return;
    for (const name of await this.#redis.smembers(this.#names.queues)) {
      const queue = await this.#routes.get(name);
      await queue.obliterate({ force: true });
    }
    await this.#redis.set(this.#names.owner, this.#owner);
    this.#mustReconcile = true;
  }

  async #countWorkers(): Promise<void> {
    if (performance.now() < this.#counted + COUNT_WORKERS_MS) return;
    noteWorkers(this.#ledger, await presentWorkers(this.#redis, this.#names));
    this.#counted = performance.now();
  }

  async #reconcile(): Promise<void> {
    await this.#redis.sadd(this.#names.queues, queueName({}), ...this.#routes.names);
    this.#paused = undefined;
    // Routes first: what workers say from here on is heard.
    for (const name of await this.#redis.smembers(this.#names.queues)) await this.#routes.get(name);
    const jobs = this.#ledger.jobs(['waiting', 'running']);
    this.#sending.know(jobs);
    for (const { id } of jobs) this.#pending.add(id);
    this.#mustReconcile = false;
    this.#reconciled = performance.now();
  }

  /** What happened in the record since the last look: by whoever, in this process or another. */
  #readRecord(): void {
    for (;;) {
      const events = this.#ledger.events(this.#cursor);
      for (const { cursor, job, news } of events) {
        this.#cursor = cursor;
        if (job === null || news.type === 'build' || news.type === 'taken') continue;
        if (news.type !== 'settled' || !this.#done.delete(job)) this.#pending.add(job);
      }
      if (events.length === 0) return;
    }
  }

  async #setPaused(paused: boolean): Promise<void> {
    if (paused === this.#paused) return;
    await this.#routes.setPaused(paused);
    this.#paused = paused;
    if (!paused) await this.#redis.publish(this.#names.news, 'resumed');
  }
}
