import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { LAST_LINE } from '../pipeline/report.ts';
import type { Home } from '../platform/home.ts';
import type { Job, QueueEvent } from '../queue/job.ts';
import { exchangeDirectory } from './coordinator.ts';

/** The latest log of each of a job's variants that has one, in their order. */
export function logsOfJob(
  home: Home,
  job: Job,
  history: readonly QueueEvent[],
): { readonly variant: string; readonly path: string }[] {
  const latest = new Map<string, string>();
  for (const { news } of history) {
    if (news.type !== 'build' || news.event.type !== 'started') continue;
    // A worker of the fleet ships its log to the coordinator's exchange.
    latest.set(news.event.variant, resolve(exchangeDirectory(home), 'logs', news.event.log));
  }
  return job.variants.flatMap((variant) => {
    const path = latest.get(`${job.recipe}:${variant}`);
    return path === undefined ? [] : [{ variant, path }];
  });
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
