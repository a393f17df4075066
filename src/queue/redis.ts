import { Redis } from 'ioredis';
import { KilnError } from '../platform/errors.ts';

/** The names of what Kiln keeps in Redis; everything begins with the prefix. */
export interface RedisNames {
  readonly prefix: string;
  /** A set: the queues that there are, one for each set of labels that jobs require. */
  readonly queues: string;
  /** Which record the jobs are from; gone after FLUSHALL. */
  readonly owner: string;
  /** Which record's coordinator is at work, and its name; gone when it is not heard of. */
  readonly coordinator: string;
  /** A channel: something is to be taken, or to be stopped. */
  readonly news: string;
  /** A set: the workers that there are, or were. */
  readonly workers: string;
  /** What one of them is; gone when it is not heard of. */
  worker(id: string): string;
  /** A key that holds the highest token under which a dispatch is to be stopped. */
  stopped(dispatch: string): string;
}

export function redisNames(prefix = 'kiln'): RedisNames {
  return {
    prefix,
    queues: `${prefix}:queues`,
    owner: `${prefix}:owner`,
    coordinator: `${prefix}:coordinator`,
    news: `${prefix}:news`,
    workers: `${prefix}:workers`,
    worker: (id) => `${prefix}:worker:${id}`,
    stopped: (dispatch) => `${prefix}:stopped:${dispatch}`,
  };
}

/**
 * The queue for jobs that require these labels. BullMQ's names hold no colon.
 * @returns `jobs`, `jobs;arch=i386;kvm=no`
 */
export function queueName(labels: Readonly<Record<string, string>>): string {
  const parts = Object.keys(labels)
    .sort()
    .map((name) => `;${name}=${labels[name]}`);
  return `jobs${parts.join('')}`;
}

/** The labels that `queueName` was made from. */
export function labelsOf(queue: string): Record<string, string> {
  const parts = queue.split(';').slice(1);
  return Object.fromEntries(parts.map((part) => part.split('=', 2) as [string, string]));
}

/**
 * Connects to Redis. Commands wait while it is away: it is tried again for ever, a second apart at most.
 * @throws KilnError `failed` when it can't be reached at first
 */
export async function connectRedis(url: string): Promise<Redis> {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
    throw new KilnError('usage', `--redis ${url}: expected a URL`, { hint: 'e.g. redis://127.0.0.1:6379' });
  }
  const redis = new Redis(url, {
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(50 * times, 1000),
    lazyConnect: true,
  });
  let reason = 'no answer';
  redis.on('error', (error: Error) => {
    reason = error.message || String((error as NodeJS.ErrnoException).code);
  });
  try {
    await within(
      5000,
      redis.connect().then(() => redis.ping()),
    );
  } catch {
    redis.disconnect();
    throw new KilnError('failed', `Redis at ${hostOf(url)} can't be reached: ${reason}`, {
      hint: 'start it (redis-server), or name another with --redis URL',
      transient: true,
    });
  }
  return redis;
}

/** The URL without its password. */
function hostOf(url: string): string {
  const { host } = new URL(url);
  return host;
}

/** Settings of Redis that jobs could be lost by, in words; none when all is well. */
export async function redisWarnings(redis: Redis): Promise<string[]> {
  const setting = async (name: string): Promise<string | undefined> => {
    try {
      const [, value] = (await redis.config('GET', name)) as string[];
      return value;
    } catch {
      // Hosted servers don't let it be asked.
      return undefined;
    }
  };
  const [policy, appendOnly] = [await setting('maxmemory-policy'), await setting('appendonly')];
  const warnings: string[] = [];
  if (policy === undefined) {
    warnings.push(
      'Redis does not tell its settings: maxmemory-policy has to be noeviction, and appendonly should be yes',
    );
    return warnings;
  }
  if (policy !== 'noeviction') {
    warnings.push(
      `Redis may evict jobs when its memory is full (maxmemory-policy ${policy}): redis-cli CONFIG SET maxmemory-policy noeviction`,
    );
  }
  if (appendOnly !== 'yes') {
    warnings.push(
      'Redis forgets the last jobs when it dies (appendonly no); they are submitted again from the record, but workers start anew: redis-cli CONFIG SET appendonly yes',
    );
  }
  return warnings;
}

const STOPPED_FOR_S = 86_400;

/**
 * Tells whoever has a delivery to stop.
 * @param token those whose token is no higher; `EVERY_DELIVERY` when the job is cancelled
 */
export async function tellToStop(
  redis: Redis,
  names: RedisNames,
  delivery: string,
  token: number | string,
): Promise<void> {
  const key = names.stopped(delivery);
  if (Number((await redis.get(key)) ?? 0) >= Number(token)) return;
  await redis.set(key, token, 'EX', STOPPED_FOR_S);
  await redis.publish(names.news, 'stop');
}

/** What Redis answers when it is full, a read-only replica, or still loading, as an error that may pass; else as it is. */
export function explainRedis(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return error;
  // BullMQ's scripts add their own names.
  const [said = error.message] = error.message.split(/ script: | (?=@user_script)/);
  return new KilnError('failed', `Redis refuses: ${said}`, { transient: true, cause: error });
}

/** The promise's value if it comes in time. @throws KilnError `failed`, transient, when it does not */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new KilnError('failed', 'Redis does not answer', { transient: true }));
  }, milliseconds);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
