import { isSettled, type Job, type QueueEvent, type VariantStatus, variantStatus } from '../queue/job.ts';
import { table } from './output.ts';
import { describeEvent } from './progress.ts';

/** A line of `kiln queue list`: one variant of one job. */
export interface Row {
  readonly id: string;
  readonly recipe: string;
  readonly variant: string;
  readonly status: VariantStatus;
  readonly priority: number;
  readonly submitted: string;
  readonly worker?: string;
}

/** A job's lines, one for each variant. */
export function rowsOf(job: Job): Row[] {
  return job.variants.map((variant) => ({
    id: job.id,
    recipe: job.recipe,
    variant,
    status: variantStatus(job, variant),
    priority: job.priority,
    submitted: iso(job.submitted),
    ...(job.holder === null || isSettled(job) ? {} : { worker: job.holder.worker }),
  }));
}

/** What `kiln queue list` prints. */
export function listTable(rows: readonly Row[]): string {
  const head = ['JOB', 'VARIANT', 'STATUS', 'PRIORITY', 'SUBMITTED', 'WORKER'];
  return table(
    head,
    rows.map((row) => [
      row.id,
      `${row.recipe}:${row.variant}`,
      row.status,
      String(row.priority),
      row.submitted,
      row.worker ?? '-',
    ]),
  );
}

/** One line for what happened to a job. */
export function describeNews({ news }: QueueEvent): string | undefined {
  switch (news.type) {
    case 'submitted':
      return `queued with priority ${news.priority}`;
    case 'joined':
      return 'joined by another who asked for the same';
    case 'left':
      return `one who waited for it does no more: ${news.why}`;
    case 'taken':
      return `taken by ${news.worker}`;
    case 'build':
      return describeEvent(news.event);
    case 'waiting':
      return `waits again${news.notBefore === 0 ? '' : ` until ${iso(news.notBefore)}`}: ${news.why}`;
    case 'cancelling':
      return `is to stop: ${news.why}`;
    case 'prioritised':
      return `has priority ${news.priority} now`;
    case 'settled':
      return `${news.state}: ${news.why}`;
    case 'refused':
      return `a late outcome was not used: ${news.why}`;
    case 'paused':
    case 'resumed':
      return news.type;
  }
}

/** To the second, in UTC. */
export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}
