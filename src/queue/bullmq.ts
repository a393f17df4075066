import { randomUUID } from 'node:crypto';
import { type Job as BullJob, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { BuildEvent } from '../pipeline/events.ts';
import { ownIdentity } from '../platform/identity.ts';
import {
  ANY_COUNT,
  type Carried,
  EVERY_DELIVERY,
  type Payload,
  type Progress,
  type Returned,
  tokenOf,
} from './carried.ts';
import { type Lease, type Outcome, suits } from './job.ts';
import { Presence } from './presence.ts';
import type { Beat, Hand } from './queue.ts';
import { explainRedis, labelsOf, type RedisNames, redisNames, within } from './redis.ts';
import { Wake } from './wake.ts';
import { workerName } from './workers.ts';

export interface BullmqOptions {
  readonly redis: Redis;
  readonly labels?: Readonly<Record<string, string>>;
  readonly names?: RedisNames;
  readonly leaseMs?: number;
  /** How often leases that have run out are looked for; a third of a lease by default. */
  readonly stalledCheckMs?: number;
  /** How long a take waits for Redis before it gives what it has; a second by default. */
  readonly patienceMs?: number;
}

type Carrier = Worker<Carried, Returned>;
type Delivery = BullJob<Carried, Returned>;

interface Held {
  readonly delivery: Delivery;
  /** What BullMQ's lock on the job holds. */
  readonly key: string;
  /** What goes back with the outcome. */
  attached: Readonly<Record<string, unknown>>;
}

const LEASE_MS = 15_000;
const LONGEST_NAP_MS = 1000;
const PATIENCE_MS = 1000;
/** Where there was nothing it is not asked again before, unless there are news. */
const EMPTY_MS = 100;

/**
 * A hand on jobs that come by way of Redis. BullMQ carries them, holds the lock that the lease is, and delivers a
 * job again when that has run out; when to retry and what is cancelled is the coordinator's affair.
 */
export class BullmqHand implements Hand {
  readonly leaseMs: number;
  readonly #redis: Redis;
  readonly #news: Redis;
  readonly #stalledCheckMs: number;
  readonly #patienceMs: number;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #names: RedisNames;
  readonly #identity = ownIdentity();
  readonly #wake = new Wake();
  readonly #presence: Presence;
  readonly #carriers = new Map<string, Carrier>();
  readonly #held = new Map<Lease, Held>();
  readonly #payloads = new WeakMap<Lease, Payload>();
  /** A question that Redis has not answered yet: asking again would take twice as many. */
  #asking: Promise<void> | undefined;
  /** Jobs that were taken and not yet given out. */
  readonly #ready: Lease[] = [];
  /** What had been heard, and when, when there was nothing to take. */
  #empty = { news: -1, at: 0 };
  /** Whether there was a job for each question the last time. */
  #plenty = false;
  #seen = -1;

  private constructor(options: BullmqOptions, news: Redis) {
    this.#redis = options.redis;
    this.#news = news;
    this.#labels = options.labels ?? {};
    this.#names = options.names ?? redisNames();
    this.leaseMs = options.leaseMs ?? LEASE_MS;
    this.#stalledCheckMs = options.stalledCheckMs ?? Math.ceil(this.leaseMs / 3);
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    const connected = { worker: workerName(this.#identity), labels: this.#labels };
    this.#presence = new Presence(this.#redis, this.#names, connected, this.leaseMs);
  }

  static async open(options: BullmqOptions): Promise<BullmqHand> {
    const news = options.redis.duplicate();
    news.on('error', () => undefined);
    const hand = new BullmqHand(options, news);
    news.on('message', () => hand.#wake.notify());
    // What happened while it was away was not heard.
    news.on('ready', () => hand.#wake.notify());
    try {
      await within(5000, news.subscribe(hand.#names.news));
    } catch (error) {
      await hand.close();
      throw error;
    }
    return hand;
  }

  /** What came with a job. */
  payloadOf(lease: Lease): Payload {
    return this.#payloads.get(lease) ?? null;
  }

  /** Sends something back with the outcome of a lease. */
  attach(lease: Lease, attached: Readonly<Record<string, unknown>>): void {
    const held = this.#held.get(lease);
    if (held !== undefined) held.attached = attached;
  }

  async take(most: number): Promise<readonly Lease[]> {
    if (this.#ready.length === 0 && !this.#isKnownEmpty()) {
      this.#asking ??= this.#ask(most).finally(() => {
        this.#asking = undefined;
      });
      const asking = this.#asking;
      // Redis is away, or has just been emptied: what the unanswered question may yet take is given out later.
      await within(this.#patienceMs, asking).catch(() => {
        asking.then(
          () => this.#wake.notify(),
          () => undefined,
        );
      });
    }
    return this.#ready.splice(0, most);
  }

  /** True when nothing was there a moment ago, and nobody has said since that there is something. */
  #isKnownEmpty(): boolean {
    return this.#empty.news === this.#wake.count && performance.now() < this.#empty.at + EMPTY_MS;
  }

  /** Puts jobs among those that are ready. */
  async #ask(most: number): Promise<void> {
    const { count } = this.#wake;
    await this.#askEach(most);
    if (this.#ready.length === 0) this.#empty = { news: count, at: performance.now() };
  }

  async #askEach(most: number): Promise<void> {
    const names = await this.#redis.smembers(this.#names.queues);
    for (const name of names.sort()) {
      if (!suits({ labels: labelsOf(name) }, this.#labels)) continue;
      await this.#askFor(await this.#carrier(name), most);
      if (this.#ready.length >= most) return;
    }
  }

  /** Asks for as many as there may be, by what was there before: each question costs Redis something. */
  async #askFor(carrier: Carrier, most: number): Promise<void> {
    let step = this.#plenty ? most : 1;
    while (this.#ready.length < most) {
      const before = this.#ready.length;
      const asked = Math.min(step, most - before);
      const ended = await Promise.allSettled(Array.from({ length: asked }, () => this.#askOne(carrier)));
      const failed = ended.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      this.#plenty = this.#ready.length - before === asked;
      if (!this.#plenty) return;
      step *= 4;
    }
  }

  async #askOne(carrier: Carrier): Promise<void> {
    const key = randomUUID();
    const delivery = (await carrier.getNextJob(key, { block: false })) as Delivery | undefined;
    if (delivery?.id === undefined) return;
    const token = tokenOf(delivery.id, delivery.attemptsStarted);
    const lease: Lease = { job: { ...delivery.data.job, token }, token };
    this.#held.set(lease, { delivery, key, attached: {} });
    this.#payloads.set(lease, delivery.data.payload);
    // Nobody waits for it to be told: if it can't be, the lease is lost as well, and the next beat says so.
    this.#tell(lease, delivery, []).catch(() => undefined);
    this.#ready.push(lease);
  }

  async #carrier(name: string): Promise<Carrier> {
    const known = this.#carriers.get(name);
    if (known !== undefined) return known;
    const carrier: Carrier = new Worker<Carried, Returned>(name, null, {
      connection: this.#redis,
      prefix: this.#names.prefix,
      autorun: false,
      lockDuration: this.leaseMs,
      stalledInterval: this.#stalledCheckMs,
      maxStalledCount: ANY_COUNT,
    });
    carrier.on('error', () => undefined);
    this.#carriers.set(name, carrier);
    await carrier.startStalledCheckTimer();
    return carrier;
  }

  async beat(lease: Lease): Promise<Beat> {
    const held = this.#held.get(lease);
    if (held === undefined) return 'lost';
    const { delivery, key } = held;
    const renewed = await within(
      this.leaseMs / 3,
      delivery.extendLock(key, this.leaseMs).catch((error: unknown) => refusedOr(error, 0)),
    );
    if (renewed !== 1) return 'lost';
    const asked = this.#redis.get(this.#names.stopped(delivery.id ?? '')).catch((error: unknown) => {
      throw explainRedis(error);
    });
    const stopped = await within(this.leaseMs / 3, asked);
    if (stopped === null || Number(stopped) < lease.token) return 'held';
    return stopped === EVERY_DELIVERY ? 'cancelled' : 'lost';
  }

  async report(lease: Lease, events: readonly BuildEvent[]): Promise<void> {
    const held = this.#held.get(lease);
    if (held === undefined || events.length === 0) return;
    await within(this.leaseMs, this.#tell(lease, held.delivery, events));
  }

  async #tell(lease: Lease, delivery: Delivery, events: readonly BuildEvent[]): Promise<void> {
    const progress: Progress = {
      token: lease.token,
      worker: workerName(this.#identity),
      identity: this.#identity,
      events,
    };
    await delivery.updateProgress(progress as unknown as object);
  }

  async settle(lease: Lease, outcome: Outcome): Promise<boolean> {
    const held = this.#held.get(lease);
    if (held === undefined) return false;
    try {
      const returned: Returned = { ...held.attached, token: lease.token, outcome };
      const ended = held.delivery.moveToCompleted(returned, held.key, false).then(
        () => true,
        (error: unknown) => refusedOr(error, false),
      );
      return await within(2 * this.leaseMs, ended);
    } catch {
      // Redis is away: what was built is in this worker's home, and the next delivery finds it there.
      return false;
    } finally {
      this.#held.delete(lease);
    }
  }

  async changed(withinMs: number, signal: AbortSignal): Promise<void> {
    await this.#wake.wait(this.#seen, Math.min(withinMs, LONGEST_NAP_MS), signal);
    this.#seen = this.#wake.count;
  }

  async close(): Promise<void> {
    await this.#presence.leave();
    this.#news.disconnect();
    await Promise.all(
      [...this.#carriers.values()].map((carrier) => carrier.close(true).catch(() => undefined)),
    );
  }
}

/**
 * BullMQ refuses what belongs to a lock that is gone, or to a job that is.
 * @throws KilnError `failed`, transient, for what Redis can't do now; anything else as it is
 */
function refusedOr<T>(error: unknown, refused: T): T {
  if (/lock|missing key|not in the active|not in the state/i.test(String(error))) return refused;
  throw explainRedis(error);
}
