import { existsSync, watch } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { findBundle } from '../bundle/index.ts';
import { LAST_LINE, logsOf } from '../pipeline/report.ts';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { isAlive, lineSplitter } from '../platform/process.ts';
import { isSettled, type Job } from '../queue/job.ts';
import { Ledger } from '../queue/ledger.ts';
import { followLogs, logsOfJob } from '../server/logs.ts';
import { contextOf } from './context.ts';
import { printJson } from './output.ts';
import { findJob, withLedger } from './queue.ts';
import { stopSignal } from './signals.ts';
import { readerLeft } from './streams.ts';

export function registerLogs(program: Command): void {
  const command = program
    .command('logs')
    .description("print a build log: a variant's latest, that of a bundle, or those of a job")
    .argument('<RECIPE:VARIANT|BUNDLE|JOB>', "a variant, a bundle's id or directory, or a job of the queue")
    .option('-f, --follow', 'go on until the build has finished')
    .action(async (reference: string, options: { follow?: boolean }) => {
      const { home, json } = await contextOf(command);
      const signal = AbortSignal.any([stopSignal(), readerLeft]);
      const job = findJob({ home }, reference);
      if (job !== undefined && options.follow === true && !json) {
        return printLogsOf(home, job.id, signal);
      }
      const logs = job === undefined ? [await findLog(home, reference)] : findJobLogs(home, job);
      if (json) {
        const [log, ...others] = await Promise.all(
          logs.map(async (path) => ({ log: path, text: await readFile(path, 'utf8') })),
        );
        return printJson(others.length === 0 ? log : { logs: [log, ...others] });
      }
      for (const log of logs) await printLog(log, options.follow === true && isBeingWritten(log), signal);
    });
}

/** Prints a job's logs until it has ended. */
async function printLogsOf(home: Home, id: string, signal: AbortSignal): Promise<void> {
  const ledger = Ledger.of(home);
  try {
    for await (const chunk of followLogs(home, ledger, id, signal)) process.stdout.write(chunk);
  } finally {
    ledger.close();
  }
}

function findJobLogs(home: Home, job: Job): string[] {
  const begun = withLedger({ home }, (ledger) => logsOfJob(home, ledger, job)).map(({ path }) => path);
  const logs = begun.filter((path) => existsSync(path));
  if (logs.length > 0) return logs;
  if (isSettled(job) && begun.length > 0) {
    throw new KilnError('usage', `the logs of job ${job.id} are no more: newer ones have taken their place`, {
      hint: `kiln queue show ${job.id} tells what became of it; a bundle keeps its own log`,
    });
  }
  throw new KilnError('usage', `job ${job.id} has no log yet: it is ${job.state}`, {
    hint: `kiln logs -f ${job.id} waits for it; kiln queue show ${job.id} tells what became of it`,
  });
}

async function findLog(home: Home, reference: string): Promise<string> {
  const colon = reference.lastIndexOf(':');
  if (colon <= 0) return join((await findBundle(home, reference)).directory, 'build.log');
  const [latest] = await logsOf(home, reference.slice(0, colon), reference.slice(colon + 1));
  if (latest !== undefined) return latest;
  throw new KilnError('usage', `${reference} was never built in ${home.root}`, {
    hint: 'kiln recipes lists recipes and variants; kiln bundles what was built',
  });
}

/** A log's name ends in the process that writes it; a bundle's log is finished. */
function isBeingWritten(log: string): boolean {
  const pid = /-(\d+)\.log$/.exec(log)?.[1];
  return pid !== undefined && isAlive(Number(pid));
}

/** Prints a log to its end; followed, to the line that says how the build ended. */
async function printLog(log: string, follow: boolean, signal: AbortSignal): Promise<void> {
  const changes = follow ? watchFile(log, signal) : undefined;
  const file = await open(log, 'r');
  let finished = false;
  const lines = lineSplitter((line) => {
    finished ||= line.startsWith(LAST_LINE);
  });
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(1 << 16));
      if (bytesRead > 0) {
        const chunk = buffer.subarray(0, bytesRead);
        process.stdout.write(chunk);
        lines.push(chunk);
      } else if (changes === undefined || finished) break;
      else await changes.next();
    }
  } finally {
    changes?.close();
    await file.close();
  }
  signal.throwIfAborted();
}

/** Tells of changes to a file; one that came before it was asked for is told at once. */
function watchFile(path: string, signal: AbortSignal): { next(): Promise<void>; close(): void } {
  let changed = true;
  let wake: (() => void) | undefined;
  const tell = () => {
    changed = true;
    wake?.();
  };
  const watcher = watch(path, tell);
  signal.addEventListener('abort', tell);
  return {
    async next() {
      signal.throwIfAborted();
      if (!changed) await new Promise<void>((done) => (wake = done));
      changed = false;
      signal.throwIfAborted();
    },
    close: () => watcher.close(),
  };
}
