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
import type { Hearing } from './hearing.ts';
import { isSettled, type Job, type Outcome } from './job.ts';
import type { Ledger } from './ledger.ts';
import { finish, lapse, recall } from './machine.ts';
import { Preparing } from './preparing.ts';
import { queueName, type RedisNames, tellToStop } from './redis.ts';
import type { Heard, Routes } from './routes.ts';
import { SameVariant } from './sameVariant.ts';
import { together } from './together.ts';

export interface SendingOptions {
  readonly ledger: Ledger;
  readonly redis: Redis;
  readonly names: RedisNames;
  readonly routes: Routes;
  readonly hearing: Hearing;
  /** What it throws as KilnError is the end of an attempt. */
  readonly prepare: ((job: Job) => Promise<Payload>) | undefined;
  /** Told of jobs whose end is on record. */
  readonly ended: (ids: readonly string[]) => void;
  /** Told of a job that is to be looked at again. */
  readonly again: (id: string) => void;
}

/** BullMQ runs low numbers first, and those without one before all others. */
const MIDDLE_PRIORITY = 1_000_000;

/** Makes Redis agree with the record: what it does not have and should is sent, what it has too much is withdrawn. */
export class Sending {
  readonly #options: SendingOptions;
  readonly #ledger: Ledger;
  readonly #preparing: Preparing;
  readonly #sameVariant = new SameVariant();
  /** When jobs that wait for their time are due. */
  readonly #delayed = new Map<string, number>();
  /** What is wrong with this program, or with the disk. */
  #failure: unknown;
  #isOver = false;

  constructor(options: SendingOptions) {
    this.#options = options;
    this.#ledger = options.ledger;
    this.#preparing = new Preparing({
      prepare: options.prepare ?? (async () => null),
      failed: (job, error) => this.#endAttempt(job, error),
      over: (id) => options.again(id),
    });
  }

  /** True while something is made ready that is to be sent. */
  get isBusy(): boolean {
    return this.#preparing.isBusy;
  }

  /** When the next job is due that waits for its time, in milliseconds since 1970. */
  get nextDue(): number {
    return Math.min(...this.#delayed.values());
  }

  /** Jobs that have waited for their time. */
  due(): string[] {
    const now = this.#ledger.now();
    return [...this.#delayed].flatMap(([id, at]) => (at <= now ? [id] : []));
  }

  /** What is being made ready is of no use any more; why it ends says nothing of the jobs. */
  stop(): void {
    this.#isOver = true;
  }

  /** Jobs that are with workers, or on their way to them: what was sent before this coordinator began. */
  know(jobs: readonly Job[]): void {
    for (const job of jobs) if (dispatchOf(job.token) > 0) this.#sameVariant.enter(job);
  }

  /** Jobs that have ended, or wait for their time: others may build the same variants now. */
  leave(ids: readonly string[]): void {
    for (const id of ids.flatMap((ended) => this.#sameVariant.leave(ended))) this.#options.again(id);
  }

  /** Makes Redis agree with the record about some jobs. */
  async agree(ids: readonly string[]): Promise<void> {
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
    const ready: Job[] = [];
    await together(ids, (id) => this.#settleWith(id, (job) => ready.push(job)));
    await this.#send(ready);
  }

  async #settleWith(id: string, send: (job: Job) => void): Promise<void> {
    this.#delayed.delete(id);
    const job = this.#ledger.find(id);
    if (job === undefined || isSettled(job)) {
      this.#preparing.drop(id);
      this.leave([id]);
    }
    if (job === undefined) return;
    const dispatch = dispatchOf(job.token);
    if (dispatch === 0 && !isSettled(job)) return send(job);
    const queue = await this.#options.routes.get(queueName(job.labels));
    const delivery = await queue.getJob(deliveryId(id, dispatch));
    if (isSettled(job)) return this.#withdraw(delivery);
    const state = delivery === undefined ? 'unknown' : await delivery.getState();
    if (delivery?.id === undefined || state === 'unknown') return this.#lost(job, send);
    if (state === 'completed') {
      return this.#hear({ type: 'completed', delivery: delivery.id, returned: delivery.returnvalue, queue });
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
    // Nobody has it, and nobody was here to hear that it was lost.
    if (job.state === 'running') return this.#lapse(job);
    const priority = bullPriority(this.#sameVariant.priorityOf(job));
    if (delivery.priority !== priority) await delivery.changePriority({ priority });
  }

  async #hear(heard: Heard): Promise<void> {
    this.#options.ended(await this.#options.hearing.take([heard]));
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

  async #lapse({ id, token }: Job): Promise<void> {
    await this.#options.hearing.apply(id, (now) =>
      now.state === 'running' && now.token === token
        ? lapse(now, `${now.holder?.worker ?? 'its worker'} was lost`)
        : { refused: 'somebody has it' },
    );
  }

  /** Sends jobs that wait, in their order: when they are due, and when what they need is ready. */
  async #send(jobs: readonly Job[]): Promise<void> {
    const { routes, redis, names, prepare } = this.#options;
    const now = this.#ledger.now();
    const payloads = new Map<string, Payload>();
    for (const job of jobs) {
      if (job.notBefore > now) {
        this.#delayed.set(job.id, job.notBefore);
        this.leave([job.id]);
        continue;
      }
      const first = this.#sameVariant.enter(job);
      if (first !== undefined) {
        // It is as urgent as what waits for it.
        this.#options.again(first);
        continue;
      }
      const payload = prepare === undefined ? null : this.#preparing.take(job);
      if (payload !== undefined) payloads.set(job.id, payload);
    }
    if (payloads.size === 0) return;
    const sent = await this.#ledger.writeSoon(() =>
      [...payloads.keys()].flatMap((id) => {
        const job = this.#ledger.job(id);
        if (job.state !== 'waiting') return [];
        return [this.#ledger.save({ job: { ...job, token: nextDispatch(job.token) }, news: [] })];
      }),
    );
    if (sent.length === 0) return;
    for (const [name, some] of Map.groupBy(sent, ({ labels }) => queueName(labels))) {
      const queue = await routes.get(name);
      await queue.addBulk(
        some.map((job) => ({
          name: 'build',
          data: { job, payload: payloads.get(job.id) ?? null },
          opts: {
            jobId: deliveryId(job.id, dispatchOf(job.token)),
            priority: bullPriority(this.#sameVariant.priorityOf(job)),
            attempts: 1,
          },
        })),
      );
    }
    await redis.publish(names.news, 'job');
  }

  /** What a worker needs for a job is not to be had, which is the end of an attempt. */
  async #endAttempt(job: Job, error: unknown): Promise<void> {
    if (this.#isOver) return;
    try {
      if (!(error instanceof KilnError)) throw error;
      // The coordinator itself has to stop: the next one begins anew.
      if (error.kind === 'interrupted' || error.kind === 'terminated') return;
      const outcome: Outcome = {
        type: error.transient ? 'retryable' : 'permanent',
        why: `${error.message} (${error.transient ? 'may pass: tried again' : 'would fail again: not retried'})`,
        results: [],
      };
      await this.#options.hearing.apply(job.id, (now) =>
        now.state === 'waiting'
          ? finish(now, now.token + 1, outcome, this.#ledger.now())
          : { refused: `it is ${now.state}` },
      );
    } catch (failure) {
      // Told by the next look, which is the one that pauses and tries again.
      this.#failure = failure;
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

  #stop(delivery: string): Promise<void> {
    const { redis, names } = this.#options;
    return tellToStop(redis, names, delivery, EVERY_DELIVERY);
  }
}

function bullPriority(priority: number): number {
  return MIDDLE_PRIORITY - priority;
}
