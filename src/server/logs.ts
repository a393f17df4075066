import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LAST_LINE } from '../pipeline/report.ts';
import { exists } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { isSettled, type Job } from '../queue/job.ts';
import type { Ledger } from '../queue/ledger.ts';
import { EXCHANGE_FACT, exchangeDirectory } from './coordinator.ts';

/** A log of one variant. */
export interface JobLog {
  readonly variant: string;
  readonly path: string;
}

/** Every log that the attempts of a job have begun, in the order of their beginnings. */
export function begunLogs(home: Home, ledger: Ledger, id: string): JobLog[] {
  // A worker of the fleet ships its log to the coordinator's exchange.
  const shipped = join(ledger.fact(EXCHANGE_FACT) ?? exchangeDirectory(home), 'logs');
  return ledger.historyOf(id).flatMap(({ news }) => {
    if (news.type !== 'build' || news.event.type !== 'started') return [];
    const { variant, log } = news.event;
    return [{ variant: variant.slice(variant.lastIndexOf(':') + 1), path: resolve(shipped, log) }];
  });
}

/** The latest log of each of a job's variants that has one, in their order. */
export function logsOfJob(home: Home, ledger: Ledger, job: Job): JobLog[] {
  const latest = new Map(begunLogs(home, ledger, job.id).map((log) => [log.variant, log]));
  return job.variants.flatMap((variant) => latest.get(variant) ?? []);
}

const LOOK_EVERY_MS = 300;

/**
 * Follows a job's logs until it has ended: the latest of each variant, one after another, and those of later attempts.
 * @throws the signal's reason when it is aborted
 */
export async function* followLogs(
  home: Home,
  ledger: Ledger,
  id: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const read = new Set<string>();
  for (const { path } of begunLogs(home, ledger, id)) read.add(path);
  for (const { path } of logsOfJob(home, ledger, ledger.job(id))) read.delete(path);
  for (;;) {
    const { count } = ledger.wake;
    // Asked first: what has ended has said all that it will say.
    const settled = isSettled(ledger.job(id));
    const next = begunLogs(home, ledger, id).find(({ path }) => !read.has(path));
    if (next !== undefined) {
      yield* followLog(home, ledger, id, next, signal);
      read.add(next.path);
    } else if (settled) return;
    else await ledger.wake.wait(count, LOOK_EVERY_MS, signal);
  }
}

/** One log, to the line that says how the build ended, to the beginning of the next attempt, or to the job's end. */
async function* followLog(
  home: Home,
  ledger: Ledger,
  id: string,
  { variant, path }: JobLog,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let offset = 0;
  for (;;) {
    const { count } = ledger.wake;
    const latest = logsOfJob(home, ledger, ledger.job(id)).find((log) => log.variant === variant);
    const isOver =
      latest?.path !== path ||
      isSettled(ledger.job(id)) ||
      (offset > 0 && (await isFinishedLog(path, offset)));
    // What is shipped comes a little later than the news of it.
    if (await exists(path)) {
      for await (const chunk of createReadStream(path, { start: offset }) as AsyncIterable<Buffer>) {
        offset += chunk.length;
        yield chunk;
      }
    }
    if (isOver) return;
    await ledger.wake.wait(count, LOOK_EVERY_MS, signal);
  }
}

const TAIL = 4096;

/** True when a log's last line says how the build ended: nothing is added to it any more. */
export async function isFinishedLog(path: string, size: number): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const start = Math.max(0, size - TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL), 0, TAIL, start);
    const lines = buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n');
    return lines.at(-1)?.startsWith(LAST_LINE) === true;
  } finally {
    await file.close();
  }
}
