import type { Command } from 'commander';
import { Hono } from 'hono';
import { lockSoon } from '../platform/lock.ts';
import { serveLock } from '../queue/build.ts';
import { EmbeddedHand } from '../queue/embedded.ts';
import { executeIn } from '../queue/execute.ts';
import { Ledger } from '../queue/ledger.ts';
import { Runner } from '../queue/runner.ts';
import { listen, parseListen } from '../server/serve.ts';
import { type Context, contextOf, wholeNumber } from './context.ts';
import { note } from './output.ts';
import { numberOf } from './settings.ts';
import { stopSignal } from './signals.ts';
import { noteEnded, noteTaken } from './work.ts';

interface ServeOptions {
  readonly listen: string;
  readonly jobs?: number;
  readonly grace: number;
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
    .addHelpText(
      'after',
      `
Examples:
  kiln serve                        runs what kiln queue add and kiln build submit

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
    const listening = await listen(new Hono(), address);
    note(`serving ${home.root} on ${listening.url}`);
    const slots = numberOf(context.settings, 'jobs');
    const runner = new Runner({
      hand: new EmbeddedHand(ledger),
      slots,
      execute: executeIn({ home: home.root, jobs: 1 }),
      leave: signal,
      graceMs: options.grace * 1000,
      onTaken: noteTaken,
      onEnded: noteEnded,
    });
    signal.addEventListener('abort', () => {
      const count = runner.running.length;
      note(count === 0 ? 'stopping' : `stopping: ${count} running, given ${options.grace} s to finish`);
    });
    try {
      await runner.run();
    } finally {
      await listening.close();
    }
  } finally {
    ledger.close();
    held.release();
  }
}
