import type { EventSink, VariantResult } from '../pipeline/events.ts';
import { failedResult } from '../pipeline/results.ts';
import { KilnError } from '../platform/errors.ts';
import { isSettled, type Job, type QueueEvent } from './job.ts';
import type { Queue } from './queue.ts';

/**
 * Follows jobs until all are settled, telling of each event after a cursor.
 * @throws the signal's reason when it is aborted; the jobs go on
 */
export async function follow(
  queue: Queue,
  ids: ReadonlySet<string>,
  after: number,
  signal: AbortSignal,
  tell: (event: QueueEvent) => void,
): Promise<Job[]> {
  let cursor = after;
  for (;;) {
    const events = queue.events(cursor);
    for (const event of events) {
      cursor = event.cursor;
      if (event.job === null || ids.has(event.job)) tell(event);
    }
    if (events.length > 0) continue;
    const jobs = [...ids].map((id) => queue.job(id));
    if (jobs.every(isSettled)) return jobs;
    await queue.changed(cursor, signal);
  }
}

/** What a job's news are to somebody who watches a build: its events, and what else they should know. */
export function tellBuild(event: QueueEvent, sink: EventSink): void {
  const { news } = event;
  switch (news.type) {
    case 'build':
      sink(news.event);
      break;
    case 'waiting':
      sink({ type: 'warning', variant: null, sentence: `job ${event.job} waits again: ${news.why}` });
      break;
    case 'cancelling':
      sink({ type: 'warning', variant: null, sentence: `job ${event.job} is to stop: ${news.why}` });
      break;
    case 'paused':
      sink({ type: 'warning', variant: null, sentence: PAUSED });
      break;
    default:
  }
}

export const PAUSED = 'the queue is paused: nothing is started before kiln queue resume';

/**
 * A job's results, one for each variant; nobody got to those that have none.
 * @param stopped why nobody waits for them any more
 */
export function resultsOf(job: Job, stopped?: KilnError): VariantResult[] {
  return job.variants.map((name) => {
    const result = job.results[name];
    const failed = failedResult({ name, recipe: { name: job.recipe } }, stopped ?? endOf(job));
    if (result === undefined) return failed;
    // Whoever ran it knows that it was cancelled, and not that Ctrl-C did it here.
    if (result.status !== 'cancelled' || stopped === undefined || failed.error === undefined) return result;
    return { ...result, error: failed.error };
  });
}

function endOf({ id, state, why }: Job): KilnError {
  return new KilnError(state === 'cancelled' ? 'terminated' : 'failed', why ?? `job ${id} ended as ${state}`);
}
