import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Job as BullJob } from 'bullmq';
import type { Redis } from 'ioredis';
import { KilnError } from '../platform/errors.ts';
import {
  type Carried,
  deliveryId,
  dispatchOf,
  EVERY_DELIVERY,
  nextDispatch,
  type Payload,
  type Progress,
  type Returned,
} from './carried.ts';
import { Hearing } from './hearing.ts';
import { isSettled, type Job, type Outcome } from './job.ts';
import type { Ledger } from './ledger.ts';
import { finish, recall } from './machine.ts';
import { presentWorkers } from './presence.ts';
import { queueName, type RedisNames, redisNames } from './redis.ts';
import { forgetCompleted, type Heard, Routes } from './routes.ts';
import { together } from './together.ts';
import { noteWorkers } from './workers.ts';

export interface DispatcherOptions {
  readonly ledger: Ledger;
  readonly redis: Redis;
  readonly names?: RedisNames;
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
const STOPPED_FOR_S = 86_400;
/** BullMQ runs low numbers first, and those without one before all others. */
const MIDDLE_PRIORITY = 1_000_000;

/**
 * Carries jobs from the coordinator's record to workers by way of Redis, and what they say back. The record is the
 * truth: what Redis has lost is sent again, and what it has too much is removed. There is one for a record.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #ledger: Ledger;
  readonly #redis: Redis;
  readonly #names: RedisNames;
  readonly #routes: Routes;
  readonly #hearing: Hearing;
  /** Jobs to look at, by id. */
  readonly #pending = new Set<string>();
  /** When jobs that wait for their time are due. */
  readonly #delayed = new Map<string, number>();
  /** What workers have said and nobody has dealt with yet. */
  readonly #heard: Heard[] = [];
  /** Jobs whose end this dispatcher has dealt with, until it reads of it in the record. */
  readonly #done = new Set<string>();
  readonly #owner: string;
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
    this.#options = options;
    this.#ledger = options.ledger;
    this.#redis = options.redis;
    this.#names = options.names ?? redisNames();
    this.#owner = this.#ledger.fact('fleet') ?? randomUUID();
    this.#ledger.setFact('fleet', this.#owner);
    this.#hearing = new Hearing({
      ledger: this.#ledger,
      commit: options.commit,
      stop: (delivery, token) => this.#stop(delivery, token),
      forget: (queue, deliveries) => forgetCompleted(this.#redis, queue, deliveries),
    });
    this.#routes = new Routes(this.#redis, this.#names, (heard) => {
      this.#heard.push(heard);
      this.#ledger.wake.notify();
    });
    // After it was away nothing that it has is believed before it was looked at.
    this.#redis.on('ready', () => {
      this.#mustReconcile = true;
      this.#ledger.wake.notify();
    });
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
    await this.#routes.close();
  }

  /** What is wrong (Redis is away, the disk is full) is said once; everything is looked at anew until it is right. */
  async #pauseAfter(error: unknown, signal: AbortSignal): Promise<void> {
    this.#mustReconcile = true;
    const sentence = error instanceof Error ? error.message : String(error);
    if (this.#troubles === 0 || sentence !== this.#trouble) this.#options.onTrouble?.(sentence);
    this.#trouble = sentence;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#troubles);
    this.#troubles += 1;
    await pause(pauseMs, undefined, { signal }).catch(() => undefined);
  }

  /** True when all that was asked of the record so far has reached Redis. */
  get isIdle(): boolean {
    return this.#idle && this.#ledger.cursor === this.#cursor && this.#heard.length === 0;
  }

  #nap(): number {
    const next = Math.min(...this.#delayed.values());
    return Math.min(LONGEST_NAP_MS, Math.max(0, next - this.#ledger.now()));
  }

  async #step(): Promise<void> {
    if (performance.now() > this.#checked + CHECK_OWNER_MS) await this.#checkOwner();
    await this.#countWorkers();
    if (this.#mustReconcile || performance.now() > this.#reconciled + LOOK_AGAIN_MS) await this.#reconcile();
    this.#busy = this.#heard.length;
    for (const id of await this.#hearing.take(this.#heard.splice(0))) this.#done.add(id);
    this.#readRecord();
    for (const [id, due] of this.#delayed) if (due <= this.#ledger.now()) this.#pending.add(id);
    await this.#setPaused(this.#ledger.paused);
    const pending = [...this.#pending].slice(0, MOST_AT_ONCE);
    for (const id of pending) this.#pending.delete(id);
    const ready: Job[] = [];
    await together(pending, (id) => this.#settleWith(id, (job) => ready.push(job)));
    await this.#send(ready);
  }

  /** Redis that was emptied, or that another record's jobs are in, is filled anew. */
  async #checkOwner(): Promise<void> {
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
    for (const { id } of this.#ledger.jobs(['waiting', 'running'])) this.#pending.add(id);
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

  /** Makes Redis agree with the record about one job; what it does not have and should is to be sent. */
  async #settleWith(id: string, send: (job: Job) => void): Promise<void> {
    this.#delayed.delete(id);
    const job = this.#ledger.find(id);
    if (job === undefined) return;
    const dispatch = dispatchOf(job.token);
    if (dispatch === 0 && !isSettled(job)) return send(job);
    const queue = await this.#routes.get(queueName(job.labels));
    const delivery = await queue.getJob(deliveryId(id, dispatch));
    if (isSettled(job)) return this.#withdraw(delivery);
    const state = delivery === undefined ? 'unknown' : await delivery.getState();
    if (delivery?.id === undefined || state === 'unknown') return this.#lost(job, send);
    if (state === 'completed') {
      await this.#hear({ type: 'completed', delivery: delivery.id, returned: delivery.returnvalue, queue });
      return;
    }
    if (state === 'failed') {
      await delivery.remove();
      return this.#lost(job, send);
    }
    if (job.cancelling !== null) await this.#stop(delivery.id);
    if (state === 'active') {
      // Who has it is news, what it last told is not.
      const last = delivery.progress as unknown as Progress;
      return this.#hear({ type: 'progress', delivery: delivery.id, progress: { ...last, events: [] } });
    }
    if (delivery.priority !== priorityOf(job)) await delivery.changePriority({ priority: priorityOf(job) });
  }

  async #hear(heard: Heard): Promise<void> {
    for (const id of await this.#hearing.take([heard])) this.#done.add(id);
  }

  /** A delivery that Redis does not have: was it running, its worker has to start anew. */
  async #lost(job: Job, send: (job: Job) => void): Promise<void> {
    if (job.state === 'waiting') return send(job);
    const back = await this.#ledger.writeSoon(() => {
      const now = this.#ledger.job(job.id);
      if (now.state !== 'running' || now.token !== job.token) return now;
      return this.#ledger.save(recall(now, 'Redis has lost it: it is sent again'));
    });
    if (back.state === 'waiting') send(back);
  }

  /** Sends jobs that wait, in their order: at once, or when they are due. */
  async #send(jobs: readonly Job[]): Promise<void> {
    const now = this.#ledger.now();
    const due: Job[] = [];
    for (const job of jobs) {
      if (job.notBefore > now) this.#delayed.set(job.id, job.notBefore);
      else due.push(job);
    }
    if (due.length === 0) return;
    const payloads = new Map<string, Payload>();
    await together(due, async (job) => {
      const payload = await this.#prepare(job);
      if (payload !== undefined) payloads.set(job.id, payload);
    });
    const sent = await this.#ledger.writeSoon(() =>
      due.flatMap(({ id }) => {
        const job = this.#ledger.job(id);
        if (job.state !== 'waiting' || !payloads.has(id)) return [];
        return [this.#ledger.save({ job: { ...job, token: nextDispatch(job.token) }, news: [] })];
      }),
    );
    if (sent.length === 0) return;
    for (const [name, some] of Map.groupBy(sent, ({ labels }) => queueName(labels))) {
      const queue = await this.#routes.get(name);
      await queue.addBulk(some.map((job) => bullJob(job, payloads.get(job.id) ?? null)));
    }
    await this.#redis.publish(this.#names.news, 'job');
  }

  /** What a worker needs for a job; undefined when that is not to be had, which is the end of an attempt. */
  async #prepare(job: Job): Promise<Payload | undefined> {
    try {
      return (await this.#options.prepare?.(job)) ?? null;
    } catch (error) {
      if (!(error instanceof KilnError)) throw error;
      const outcome: Outcome = {
        type: error.transient ? 'retryable' : 'permanent',
        why: `${error.message} (${error.transient ? 'may pass: tried again' : 'would fail again: not retried'})`,
        results: [],
      };
      await this.#hearing.apply(job.id, (now) => finish(now, now.token + 1, outcome, this.#ledger.now()));
      return undefined;
    }
  }

  async #withdraw(delivery: BullJob<Carried, Returned> | undefined): Promise<void> {
    if (delivery?.id === undefined) return;
    try {
      await delivery.remove();
    } catch {
      // A worker has it: it is told, and its outcome will not be used.
      await this.#stop(delivery.id);
    }
  }

  /** Tells whoever has a delivery to stop: one whose token was passed by, or everybody when the job is cancelled. */
  async #stop(delivery: string, token: number | string = EVERY_DELIVERY): Promise<void> {
    const key = this.#names.stopped(delivery);
    if (Number((await this.#redis.get(key)) ?? 0) >= Number(token)) return;
    await this.#redis.set(key, token, 'EX', STOPPED_FOR_S);
    await this.#redis.publish(this.#names.news, 'stop');
  }

  async #setPaused(paused: boolean): Promise<void> {
    if (paused === this.#paused) return;
    await this.#routes.setPaused(paused);
    this.#paused = paused;
    if (!paused) await this.#redis.publish(this.#names.news, 'resumed');
  }
}

function bullJob(job: Job, payload: Payload) {
  return {
    name: 'build',
    data: { job, payload },
    opts: { jobId: deliveryId(job.id, dispatchOf(job.token)), priority: priorityOf(job), attempts: 1 },
  };
}

function priorityOf(job: Job): number {
  return MIDDLE_PRIORITY - job.priority;
}
