import type { Redis } from 'ioredis';
import { KilnError } from '../platform/errors.ts';
import { ownIdentity } from '../platform/identity.ts';
import type { RedisNames } from './redis.ts';
import { workerName } from './workers.ts';

/** A coordinator that is not heard of for so long is gone. */
const LASTS_MS = 10_000;

/**
 * Says in Redis that the coordinator of a record is at work. Of two with different records each would take the other's
 * jobs for leftovers and remove them; of one record there is never more than one.
 */
export class Claim {
  readonly #redis: Redis;
  readonly #names: RedisNames;
  readonly #record: string;
  readonly #mine: string;
  #renewed = Number.NEGATIVE_INFINITY;

  /** @param record what tells the record from all others */
  constructor(redis: Redis, names: RedisNames, record: string) {
    this.#redis = redis;
    this.#names = names;
    this.#record = record;
    this.#mine = `${record} ${workerName(ownIdentity())}`;
  }

  /** Claims this Redis, or goes on doing so. @throws KilnError `locked` while another coordinator has it */
  async renew(): Promise<void> {
    if (performance.now() < this.#renewed + LASTS_MS / 4) return;
    const { coordinator } = this.#names;
    const first = await this.#redis.set(coordinator, this.#mine, 'PX', LASTS_MS, 'NX');
    const held = first === null ? await this.#redis.get(coordinator) : null;
    const [record, name] = held?.split(' ') ?? [];
    if (record !== undefined && record !== this.#record) {
      throw new KilnError('locked', `another coordinator, ${name ?? '?'}, gives out its jobs by this Redis`, {
        hint: 'one Redis serves one coordinator: give this one a database of its own, e.g. redis://HOST:6379/1',
        transient: true,
      });
    }
    if (first === null) await this.#redis.set(coordinator, this.#mine, 'PX', LASTS_MS);
    this.#renewed = performance.now();
  }

  /** Gives it back, for whoever comes next. */
  async leave(): Promise<void> {
    if (this.#redis.status !== 'ready') return;
    if ((await this.#redis.get(this.#names.coordinator)) === this.#mine) {
      await this.#redis.del(this.#names.coordinator);
    }
  }
}
