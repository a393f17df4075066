import type { Command } from 'commander';
import { KilnError } from '../platform/errors.ts';
import { lockSoon } from '../platform/lock.ts';
import { serveLock } from '../queue/build.ts';
import { Ledger } from '../queue/ledger.ts';
import { kilnVersion } from '../queue/version.ts';
import { createApp } from '../server/app.ts';
import { isLoopback } from '../server/guard.ts';
import { Hub } from '../server/hub.ts';
import type { Log } from '../server/log.ts';
import { Metrics } from '../server/metrics.ts';
import { Courier } from '../server/notices/courier.ts';
import { listen, parseListen } from '../server/serve.ts';
import { Streams } from '../server/streams.ts';
import { readTokens, TokenBook } from '../server/tokens.ts';
import { watchOn } from '../watch/watcher.ts';
import {
  type Context,
  collectLabels,
  contextOf,
  sourceChoices,
  wholeNumber,
  workshopSettings,
} from './context.ts';
import { type Crew, prepareFleet, prepareOwn } from './crew.ts';
import { serverLog } from './log.ts';
import { numberOf, settingOf } from './settings.ts';
import { stopSignal } from './signals.ts';
import { reportTeller, troubleOf, watchContext } from './watch.ts';

interface ServeOptions {
  readonly listen: string;
  readonly jobs?: number;
  readonly grace: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly redis?: string;
  readonly store?: string;
  readonly allowHost?: readonly string[];
  readonly watch: boolean;
}

export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description(
      'hold the queue of this home, run its jobs and watch for newer patches; answer the API and the page',
    )
    .option('--listen <HOST:PORT>', 'where to answer HTTP', '127.0.0.1:8420')
    .option('--jobs <N>', 'jobs that are run at once (default: one for each core)', wholeNumber)
    .option(
      '--grace <SECONDS>',
      'how long running jobs may go on after SIGTERM before they are handed back',
      wholeNumber,
      30,
    )
    .option('--labels <LABEL=VALUE,...>', 'what this machine is, for jobs that require it', collectLabels)
    .option('--redis <URL>', 'give jobs to kiln worker on other machines by way of Redis, and run none here')
    .option('--store <DIR>', 'with --redis: a directory that all machines share, instead of HTTP')
    .option(
      '--allow-host <NAME>',
      'a name besides its own that the server is called by: that of a proxy',
      (name: string, before: readonly string[] = []) => [...before, name],
    )
    .option('--no-watch', 'look neither upstream nor at files that are edited (kiln watch does)')
    .addHelpText(
      'after',
      `
Examples:
  kiln serve                        runs what kiln queue add and kiln build submit
  kiln serve --redis redis://127.0.0.1:6379 --listen 0.0.0.0:8420

The page is at the address that it prints, the API below /api/v1 (openapi.json there describes it). Reading needs no
token on this machine; everything that changes something needs one of kiln token add, and so does listening beyond
this machine.

On SIGTERM or Ctrl-C nothing more is started; what runs may finish within the grace, and waits again otherwise. A
second one stops everything at once. What was queued goes on with the next start, whatever stopped this one.`,
    )
    .action(async (options: ServeOptions) => {
      const flags = options.jobs === undefined ? {} : { jobs: String(options.jobs) };
      await serveHome(await contextOf(command, flags), options);
    });
}

const TRIM_EVERY_MS = 3_600_000;
const LOOK_AT_RECORD_MS = 1000;

/** Drops what the record has too much of, or says why that has to wait. */
function trim(ledger: Ledger, log: Log): void {
  try {
    ledger.trim();
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    log({ level: 'warning', event: 'record', message: error.message });
  }
}

/** A server whose record was deleted would go on without anybody's hearing of what is queued. */
function leaveWhenReplaced(ledger: Ledger): { readonly signal: AbortSignal; readonly timer: NodeJS.Timeout } {
  const replaced = new AbortController();
  const timer = setInterval(() => {
    if (!ledger.isReplaced) return;
    clearInterval(timer);
    replaced.abort(
      new KilnError('failed', "the queue's record was deleted or replaced while kiln serve had it open", {
        hint: 'start it again: it goes on with the record that is there now',
      }),
    );
  }, LOOK_AT_RECORD_MS).unref();
  return { signal: replaced.signal, timer };
}

async function serveHome(context: Context, options: ServeOptions): Promise<void> {
  const { home } = context;
  const log = serverLog(settingOf(context.settings, 'progress'));
  const told = stopSignal();
  const address = parseListen(options.listen);
  await assertMayListen(context, address.host);
  const held = await lockSoon(serveLock(home), 'kiln serve', { timeoutMs: 1000 });
  const ledger = Ledger.of(home);
  const replaced = leaveWhenReplaced(ledger);
  const signal = AbortSignal.any([told, replaced.signal]);
  const metrics = new Metrics();
  const hub = new Hub(home, ledger, (event) => metrics.take(event));
  const over = new AbortController();
  let crew: Crew | undefined;
  const trimming = setInterval(() => trim(ledger, log), TRIM_EVERY_MS).unref();
  try {
    trim(ledger, log);
    crew =
      options.redis === undefined
        ? prepareOwn(context, ledger, hub, options, signal, log)
        : await prepareFleet(context, ledger, options.redis, options.store, signal, log);
    const { work, store } = crew;
    const server = {
      home,
      ledger,
      hub,
      streams: new Streams(),
      metrics,
      workshop: workshopSettings(context.settings),
      sources: sourceChoices(context, {}),
      slots: options.redis === undefined ? numberOf(context.settings, 'jobs') : 0,
      watching: options.watch,
      version: kilnVersion(),
      signal: over.signal,
    };
    const tokens = new TokenBook(home);
    const app = createApp({ server, store, tokens, allowHosts: options.allowHost ?? [], log });
    const listening = await listen(app, address);
    const { url } = listening;
    log({ level: 'info', event: 'serving', message: `serving ${home.root} on ${url}`, fields: { url } });
    const listeners = Promise.all([
      hub.run(),
      new Courier({ home, ledger, hub, metrics, log }).run(over.signal),
    ]);
    try {
      await withWatcher(context, options, signal, log, () =>
        Promise.race([work(), listeners.then(() => undefined)]),
      );
    } finally {
      over.abort();
      hub.close();
      await listening.close();
      await listeners;
    }
    replaced.signal.throwIfAborted();
  } finally {
    clearInterval(trimming);
    clearInterval(replaced.timer);
    crew?.close();
    hub.close();
    ledger.close();
    held.release();
  }
}

/** @throws KilnError `usage` for an address that others can reach, as long as nobody has a token */
async function assertMayListen({ home }: Context, host: string): Promise<void> {
  if (isLoopback(host) || (await readTokens(home)).length > 0) return;
  throw new KilnError('usage', `${host} can be reached from other machines, and there are no tokens`, {
    hint: 'kiln token add --role viewer makes the first; or listen on 127.0.0.1',
  });
}

/** Upstream is asked for the first time when a server has run for so long. */
const FIRST_ASKED_MS = 60_000;

/** Works, with the watcher beside it. */
async function withWatcher(
  context: Context,
  options: ServeOptions,
  signal: AbortSignal,
  log: Log,
  work: () => Promise<void>,
): Promise<void> {
  if (!options.watch) return work();
  const done = new AbortController();
  const watching = watchOn(watchContext(context, AbortSignal.any([signal, done.signal])), {
    first: 'none',
    secondMs: FIRST_ASKED_MS,
    onReport: reportTeller((message) => log({ level: 'info', event: 'watch', message })),
    onError: (error) => log({ level: 'warning', event: 'watch-failed', message: troubleOf(error) }),
  }).catch((error: unknown) => {
    if (!signal.aborted && !done.signal.aborted) throw error;
  });
  const working = work().finally(() => done.abort());
  await Promise.all([working, watching]);
}
