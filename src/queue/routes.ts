import { Queue as BullQueue, QueueEvents, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { ANY_COUNT, type Carried, type Progress, type Returned } from './carried.ts';
import type { RedisNames } from './redis.ts';

/** What workers say of a delivery, and what BullMQ has noticed of it. */
export type Heard =
  | { readonly type: 'progress'; readonly delivery: string; readonly progress: Progress }
  /** The lock of whoever had it ran out: the next worker gets it. */
  | { readonly type: 'stalled'; readonly delivery: string }
  | {
      readonly type: 'completed';
      readonly delivery: string;
      readonly queue: CarriedQueue;
      readonly returned: Returned;
    };

/** Events that Redis keeps for a dispatcher that has fallen behind. */
const KEPT_EVENTS = 100_000;

/** One of BullMQ's queues. */
export type CarriedQueue = BullQueue<Carried, Returned>;

/**
 * Removes deliveries that have ended: two commands for all of them, where BullMQ's own would run a script for each. Of a
 * job that was completed nothing else is left: it has no logs, no parent, no children and no lock (BullMQ 6,
 * commands/removeJob-2.lua).
 */
export async function forgetCompleted(
  redis: Redis,
  queue: CarriedQueue,
  deliveries: readonly string[],
): Promise<void> {
  await redis
    .multi()
    .zrem(queue.toKey('completed'), ...deliveries)
    .unlink(...deliveries.map((delivery) => queue.toKey(delivery)))
    .exec();
}

/** How often it is looked whose lock has run out. Workers look too, but the last one that dies can't. */
const LOOK_FOR_STALLED_MS = 1000;

interface Route {
  readonly queue: CarriedQueue;
  readonly events: QueueEvents;
  readonly stalledCheck: Worker;
}

/** The queues in Redis, one for each set of labels that jobs require, and what is heard of them. */
export class Routes {
  readonly #redis: Redis;
  readonly #names: RedisNames;
  readonly #hear: (heard: Heard) => void;
  readonly #stalledCheckMs: number;
  readonly #routes = new Map<string, Promise<Route>>();
  #paused = false;

  constructor(
    redis: Redis,
    names: RedisNames,
    hear: (heard: Heard) => void,
    stalledCheckMs = LOOK_FOR_STALLED_MS,
  ) {
    this.#stalledCheckMs = stalledCheckMs;
    this.#redis = redis;
    this.#names = names;
    this.#hear = hear;
  }

  /** The queue of a name; made when it is first asked for, and listened to from then on. */
  async get(name: string): Promise<CarriedQueue> {
    const known = this.#routes.get(name);
    if (known !== undefined) return (await known).queue;
    const route = this.#open(name);
    this.#routes.set(name, route);
    try {
      return (await route).queue;
    } catch (error) {
      this.#routes.delete(name);
      throw error;
    }
  }

  /** Names of the queues that are listened to. */
  get names(): string[] {
    return [...this.#routes.keys()];
  }

  async #open(name: string): Promise<Route> {
    const { prefix } = this.#names;
    const queue = new BullQueue<Carried, Returned>(name, {
      connection: this.#redis,
      prefix,
      streams: { events: { maxLen: KEPT_EVENTS } },
    });
    const events = new QueueEvents(name, { connection: this.#redis, prefix });
    queue.on('error', () => undefined);
    events.on('error', () => undefined);
    // It takes no job: what a worker has lost is given back to those that do.
    const stalledCheck = new Worker(name, null, {
      connection: this.#redis,
      prefix,
      autorun: false,
      stalledInterval: this.#stalledCheckMs,
      maxStalledCount: ANY_COUNT,
    });
    stalledCheck.on('error', () => undefined);
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), stalledCheck.waitUntilReady()]);
    events.on('progress', ({ jobId, data }) =>
      this.#hear({ type: 'progress', delivery: jobId, progress: data as unknown as Progress }),
    );
    events.on('stalled', ({ jobId }) => this.#hear({ type: 'stalled', delivery: jobId }));
    events.on('completed', ({ jobId, returnvalue }) =>
      this.#hear({ type: 'completed', delivery: jobId, queue, returned: returnvalue as unknown as Returned }),
    );
    await this.#redis.sadd(this.#names.queues, name);
    if (this.#paused) await queue.pause();
    await stalledCheck.startStalledCheckTimer();
    return { queue, events, stalledCheck };
  }

  /** Whether workers are given anything. */
  async setPaused(paused: boolean): Promise<void> {
    this.#paused = paused;
    for (const route of this.#routes.values()) {
      const { queue } = await route;
      await (paused ? queue.pause() : queue.resume());
    }
  }

  async close(): Promise<void> {
    for (const opening of this.#routes.values()) {
      const { queue, events, stalledCheck } = await opening;
      await stalledCheck.close(true).catch(() => undefined);
      await events.close().catch(() => undefined);
      await queue.close().catch(() => undefined);
    }
  }
}
