import { resolve } from 'node:path';
import type { Hono } from 'hono';
import { ownIdentity } from '../platform/identity.ts';
import { EmbeddedHand } from '../queue/embedded.ts';
import { executeIn } from '../queue/execute.ts';
import type { Ledger } from '../queue/ledger.ts';
import { connectRedis, redisWarnings } from '../queue/redis.ts';
import { Runner } from '../queue/runner.ts';
import { noteWorkers, workerName } from '../queue/workers.ts';
import { openCoordinator, storeToken } from '../server/coordinator.ts';
import type { Hub } from '../server/hub.ts';
import type { Log } from '../server/log.ts';
import { storeRouter } from '../server/store.ts';
import type { Context } from './context.ts';
import { numberOf } from './settings.ts';
import { jobLog, logLeaving } from './work.ts';

/** Who runs the jobs, until it is told to stop. */
export interface Crew {
  work(): Promise<void>;
  /** Lets go of what would keep the process alive, whether it has worked or not. */
  close(): void;
  /** What workers on other machines fetch from. */
  readonly store?: Hono;
}

/** The workers of this machine. */
export function prepareOwn(
  { home, settings }: Context,
  ledger: Ledger,
  hub: Hub,
  options: { readonly grace: number; readonly labels?: Readonly<Record<string, string>> },
  signal: AbortSignal,
  log: Log,
): Crew {
  const { grace: graceSeconds, labels = {} } = options;
  noteWorkers(ledger, [{ worker: workerName(ownIdentity()), labels }]);
  const runner = new Runner({
    hand: new EmbeddedHand(ledger, { labels }),
    slots: numberOf(settings, 'jobs'),
    execute: executeIn({ home: home.root, jobs: 1 }),
    leave: signal,
    graceMs: graceSeconds * 1000,
    onEvent: (job, event) => hub.progress(job, event),
    ...jobLog(log),
  });
  signal.addEventListener('abort', () => logLeaving(log, runner.running.length, graceSeconds));
  return { work: () => runner.run(), close: () => undefined };
}

/** The coordinator of workers on other machines. */
export async function prepareFleet(
  { home }: Context,
  ledger: Ledger,
  url: string,
  directory: string | undefined,
  signal: AbortSignal,
  log: Log,
): Promise<Crew> {
  const redis = await connectRedis(url);
  const warn = (message: string) => log({ level: 'warning', event: 'fleet', message });
  const shared = directory === undefined ? undefined : resolve(directory);
  try {
    for (const sentence of await redisWarnings(redis)) warn(sentence);
    const { exchange, dispatcher } = await openCoordinator(home, ledger, redis, signal, warn, shared);
    const store = storeRouter({ exchange, token: await storeToken(home) });
    return { store, work: () => dispatcher.run(signal), close: () => redis.disconnect() };
  } catch (error) {
    redis.disconnect();
    throw error;
  }
}
