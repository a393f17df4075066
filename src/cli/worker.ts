import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { requireTools } from '../platform/hosttools.ts';
import { DirectoryExchange, type Exchange } from '../queue/exchange.ts';
import { workForFleet } from '../queue/fleet.ts';
import { HttpExchange } from '../queue/httpExchange.ts';
import { collectLabels, contextOf, wholeNumber } from './context.ts';
import { serverLog } from './log.ts';
import { settingOf } from './settings.ts';
import { stopSignal } from './signals.ts';
import { jobLog, logLeaving } from './work.ts';

interface WorkerOptions {
  readonly redis: string;
  readonly store: string;
  readonly slots: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly tokenFile?: string;
  readonly grace: number;
  readonly lease: number;
}

export function registerWorker(program: Command): void {
  const command = program
    .command('worker')
    .description("take jobs of a coordinator's queue on this machine")
    .requiredOption('--redis <URL>', 'what carries the jobs')
    .requiredOption(
      '--store <URL|DIR>',
      'the coordinator (kiln serve --redis), or the directory that all machines share',
    )
    .option('--slots <N>', 'jobs that are built at once', wholeNumber, 1)
    .option('--labels <LABEL=VALUE,...>', 'what this machine is, for jobs that require it', collectLabels)
    .option('--token-file <FILE>', "the store's token (default: $KILN_STORE_TOKEN)")
    .option(
      '--grace <SECONDS>',
      'how long running jobs may go on after SIGTERM before they are handed back',
      wholeNumber,
      30,
    )
    .option(
      '--lease <SECONDS>',
      'how long a job is kept for this worker when nothing is heard of it',
      wholeNumber,
      15,
    )
    .addHelpText(
      'after',
      `
Examples:
  kiln worker --redis redis://queue:6379 --store http://queue:8420 --token-file token
  kiln worker --redis redis://queue:6379 --store /mnt/kiln --slots 4 --labels arch=i386

The token is in store-token in the coordinator's home. Both have to run the same Kiln. What this worker has built
stays in its own home and is found there again.`,
    )
    .action(async (options: WorkerOptions) => {
      const { home, settings } = await contextOf(command);
      const log = serverLog(settingOf(settings, 'progress'));
      const leave = stopSignal();
      await requireTools(['build']);
      await workForFleet({
        home,
        redisUrl: options.redis,
        exchange: await exchangeOf(options),
        slots: options.slots,
        labels: options.labels ?? {},
        leave,
        graceMs: options.grace * 1000,
        leaseMs: options.lease * 1000,
        onReady: () => {
          const { host } = new URL(options.redis);
          log({ level: 'info', event: 'ready', message: `taking jobs from ${host}`, fields: { host } });
        },
        onLeaving: (running) => logLeaving(log, running, options.grace),
        ...jobLog(log),
      });
    });
}

async function exchangeOf({ store, tokenFile }: WorkerOptions): Promise<Exchange> {
  if (!/^[a-z]+:\/\//.test(store)) return new DirectoryExchange(resolve(store));
  if (!/^https?:\/\//.test(store) || !URL.canParse(store)) {
    throw new KilnError('usage', `--store ${store}: expected an http(s) URL or a directory`, {
      hint: 'e.g. --store http://queue:8420',
    });
  }
  const token = tokenFile === undefined ? process.env.KILN_STORE_TOKEN : await readToken(tokenFile);
  if (token !== undefined && token !== '') return new HttpExchange(store, token);
  throw new KilnError('usage', 'the store wants a token', {
    hint: "it is in store-token in the coordinator's home: --token-file FILE, or $KILN_STORE_TOKEN",
  });
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'EISDIR', 'EACCES')) throw error;
    throw new KilnError('usage', `--token-file ${file} can't be read: ${(error as Error).message}`, {
      hint: "copy store-token from the coordinator's home",
    });
  }
}
