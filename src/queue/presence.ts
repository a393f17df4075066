import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type RedisNames, within } from './redis.ts';
import type { Connected } from './workers.ts';

/** Says in Redis that a worker is there, until it leaves or is not heard of for the length of a lease. */
export class Presence {
  readonly #redis: Redis;
  readonly #names: RedisNames;
  /** Names may be had twice: by containers of one host name. */
  readonly #id = randomUUID();
  readonly #connected: Connected;
  readonly #lastsMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(redis: Redis, names: RedisNames, connected: Connected, lastsMs: number) {
    this.#redis = redis;
    this.#names = names;
    this.#connected = connected;
    this.#lastsMs = lastsMs;
    this.#timer = setInterval(() => this.#say(), lastsMs / 3).unref();
    this.#say();
  }

  /** A Redis that is away is told later. */
  #say(): void {
    if (this.#redis.status !== 'ready') return;
    this.#redis
      .multi()
      .sadd(this.#names.workers, this.#id)
      .set(this.#names.worker(this.#id), JSON.stringify(this.#connected), 'PX', Math.ceil(this.#lastsMs))
      .exec()
      .catch(() => undefined);
  }

  async leave(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#redis.status !== 'ready') return;
    // What can't be said now is seen when the time has run out.
    await within(1000, this.#redis.del(this.#names.worker(this.#id))).catch(() => undefined);
  }
}

/** The workers that say in Redis that they are there. */
export async function presentWorkers(redis: Redis, names: RedisNames): Promise<Connected[]> {
  const known = (await redis.smembers(names.workers)).sort();
  if (known.length === 0) return [];
  const said = await redis.mget(known.map((id) => names.worker(id)));
  const gone = known.filter((_id, index) => said[index] === null);
  if (gone.length > 0) await redis.srem(names.workers, ...gone);
  return said.flatMap((text) => (typeof text === 'string' ? [JSON.parse(text) as Connected] : []));
}
