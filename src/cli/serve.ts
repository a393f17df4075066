import { resolve } from 'node:path';
import type { Command } from 'commander';
import { Hono } from 'hono';
import { lockSoon } from '../platform/lock.ts';
import { serveLock } from '../queue/build.ts';
import { EmbeddedHand } from '../queue/embedded.ts';
import { executeIn } from '../queue/execute.ts';
import { Ledger } from '../queue/ledger.ts';
import { connectRedis, redisWarnings } from '../queue/redis.ts';
import { Runner } from '../queue/runner.ts';
import { openCoordinator, storeToken } from '../server/coordinator.ts';
import { listen, parseListen } from '../server/serve.ts';
import { storeRouter } from '../server/store.ts';
import { type Context, contextOf, wholeNumber } from './context.ts';
import { note, styled } from './output.ts';
import { numberOf } from './settings.ts';
import { stopSignal } from './signals.ts';
import { noteEnded, noteLeaving, noteTaken } from './work.ts';

interface ServeOptions {
  readonly listen: string;
  readonly jobs?: number;
  readonly grace: number;
  readonly redis?: string;
  readonly store?: string;
}

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description('hold the queue of this home and run its jobs')
    .option('--listen <HOST:PORT>', 'where to answer HTTP', '127.0.0.1:8420')
    .option('--jobs <N>', 'jobs that are run at once (default: one for each core)', wholeNumber)
    .option(
      '--grace <SECONDS>',
      'how long running jobs may go on after SIGTERM before they are handed back',
      wholeNumber,
      30,
    )
    .option('--redis <URL>', 'give jobs to kiln worker on other machines by way of Redis, and run none here')
    .option('--store <DIR>', 'with --redis: a directory that all machines share, instead of HTTP')
    .addHelpText(
      'after',
      `
Examples:
  kiln serve                        runs what kiln queue add and kiln build submit
  kiln serve --redis redis://127.0.0.1:6379 --listen 0.0.0.0:8420

On SIGTERM or Ctrl-C nothing more is started; what runs may finish within the grace, and waits again otherwise. A
second one stops everything at once. What was queued goes on with the next start, whatever stopped this one.`,
    )
    .action(async (options: ServeOptions) => {
      const flags = options.jobs === undefined ? {} : { jobs: String(options.jobs) };
      await serveHome(await contextOf(command, flags), options);
    });
}

async function serveHome(context: Context, options: ServeOptions): Promise<void> {
  const { home } = context;
  const signal = stopSignal();
  const address = parseListen(options.listen);
  const held = await lockSoon(serveLock(home), 'kiln serve', 1000);
  const ledger = Ledger.of(home);
  try {
    ledger.trim();
    const app = new Hono();
    const work =
      options.redis === undefined
        ? prepareOwn(context, ledger, options, signal)
        : await prepareFleet(context, ledger, options.redis, options.store, app, signal);
    const listening = await listen(app, address);
    note(`serving ${home.root} on ${listening.url}`);
    try {
      await work();
    } finally {
      await listening.close();
    }
  } finally {
    ledger.close();
    held.release();
  }
}

/** The workers of this machine. */
function prepareOwn(
  { home, settings }: Context,
  ledger: Ledger,
  options: ServeOptions,
  signal: AbortSignal,
): () => Promise<void> {
  const runner = new Runner({
    hand: new EmbeddedHand(ledger),
    slots: numberOf(settings, 'jobs'),
    execute: executeIn({ home: home.root, jobs: 1 }),
    leave: signal,
    graceMs: options.grace * 1000,
    onTaken: noteTaken,
    onEnded: noteEnded,
  });
  signal.addEventListener('abort', () => noteLeaving(runner.running.length, options.grace));
  return () => runner.run();
}

/** The coordinator of workers on other machines. */
async function prepareFleet(
  { home }: Context,
  ledger: Ledger,
  url: string,
  directory: string | undefined,
  app: Hono,
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const redis = await connectRedis(url);
  for (const sentence of await redisWarnings(redis)) note(`${styled('yellow', 'warning:')} ${sentence}`);
  const shared = directory === undefined ? undefined : resolve(directory);
  const { exchange, dispatcher } = await openCoordinator(home, ledger, redis, signal, note, shared);
  app.route('/store', storeRouter({ exchange, token: await storeToken(home) }));
  return async () => {
    await dispatcher.run(signal);
    redis.disconnect();
  };
}
