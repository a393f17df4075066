import { isDeepStrictEqual } from 'node:util';
import type { VariantResult } from '../pipeline/events.ts';
import { sha256 } from '../platform/digest.ts';
import type { ProcessIdentity } from '../platform/identity.ts';
import { type Holder, isFinal, isSettled, type Job, type Outcome, type QueueNews } from './job.ts';

/** What came of a command: the job as it is now, and what is to be told. */
export interface Step {
  readonly job: Job;
  readonly news: readonly QueueNews[];
}

/** A command that the job's state has no place for, in words; nothing has changed. */
export interface Refusal {
  readonly refused: string;
}

/** Workers that a job may lose before it is taken to be what kills them. */
export const MAX_LOST = 5;

const FIRST_PAUSE_MS = 15_000;
const LONGEST_PAUSE_MS = 3_600_000;

/**
 * Milliseconds until a job is tried again: four times as long after each failure, up to an hour, spread by a
 * fifth either way, so that jobs that failed together don't come back together. The same job gets the same.
 */
export function backOffMs(id: string, failures: number): number {
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 4 ** Math.max(0, failures - 1));
  const part = Number.parseInt(sha256(`${id} ${failures}`).slice(0, 4), 16) / 0xffff;
  return Math.round(pause * (0.8 + 0.4 * part));
}

/**
 * A delivery: somebody has the job now, under a token higher than any before it. A running job that is
 * delivered again has lost its worker.
 */
export function take(job: Job, holder: Holder, token: number): Step | Refusal {
  if (isSettled(job)) return { refused: `it is ${job.state}` };
  if (token <= job.token) return { refused: 'a later delivery has it' };
  const again = job.state === 'running' ? lapse(job, 'its worker was lost') : undefined;
  if (again !== undefined && again.job.state !== 'waiting') return again;
  const { job: before, news } = again ?? { job, news: [] };
  return {
    job: { ...before, state: 'running', token, holder },
    news: [...news, { type: 'taken', worker: holder.worker, token }],
  };
}

/** The lease has run out or its holder is dead: the job waits again, at once. */
export function lapse(job: Job, why: string): Step {
  const lost = { ...job, lost: job.lost + 1, token: job.token + 1, holder: null };
  if (job.cancelling !== null) return settle(lost, 'cancelled', job.cancelling);
  if (lost.lost > MAX_LOST) {
    return settle(lost, 'failed', `${why}, as were ${job.lost} before: the job is not given to another`);
  }
  return wait(lost, why, 0);
}

/** What carried the job has lost it, which is nobody's fault: it waits again. */
export function recall(job: Job, why: string): Step {
  const back = { ...job, token: job.token + 1 };
  return job.cancelling === null ? wait(back, why, 0) : settle(back, 'cancelled', job.cancelling);
}

/** The end of an attempt. Refused under a token that is not the newest. */
export function finish(job: Job, token: number, outcome: Outcome, now: number): Step | Refusal {
  if (isSettled(job)) return { refused: `it is ${job.state}` };
  if (token < job.token) return { refused: 'a later delivery has it' };
  if (job.state === 'waiting' && token === job.token) return { refused: 'that attempt has ended already' };
  const results = { ...job.results };
  for (const result of outcome.results) results[result.variant] = result;
  const ended: Job = { ...job, token, results, holder: null };
  switch (outcome.type) {
    case 'done':
    case 'permanent':
      return settle(ended, Object.values(results).some(isFailure) ? 'failed' : stateOf(outcome), outcome.why);
    case 'cancelled':
      return settle(ended, 'cancelled', job.cancelling ?? outcome.why);
    case 'returned':
      return job.cancelling === null
        ? wait(ended, outcome.why, 0)
        : settle(ended, 'cancelled', job.cancelling);
    case 'retryable': {
      const failed = { ...ended, failures: job.failures + 1 };
      if (job.cancelling !== null) return settle(failed, 'cancelled', job.cancelling);
      if (failed.failures >= job.attempts) return settle(failed, 'failed', outcome.why);
      return wait(failed, outcome.why, now + backOffMs(job.id, failed.failures));
    }
  }
}

/** A waiting job is cancelled here and now, a running one as soon as its worker has stopped. */
export function cancel(job: Job, why: string): Step | Refusal {
  if (isSettled(job)) return { refused: `it is ${job.state}` };
  if (job.state === 'waiting') return settle(job, 'cancelled', why);
  if (job.cancelling !== null) return { job, news: [] };
  return { job: { ...job, cancelling: why }, news: [{ type: 'cancelling', why }] };
}

/** Somebody else asks for a job that waits or runs. @param follower null: one who does not wait for it */
export function join(job: Job, follower: ProcessIdentity | null, priority: number): Step {
  const step = priority > job.priority ? prioritise(job, priority) : { job, news: [] };
  const raised = 'refused' in step ? { job, news: [] } : step;
  const followers = follower === null ? job.followers : [...job.followers, follower];
  return {
    job: { ...raised.job, followers, unattended: job.unattended || follower === null },
    news: [...raised.news, { type: 'joined' }],
  };
}

/** Somebody waits for a job no more: it is cancelled unless others want it. @param isAlive tells who still waits */
export function leave(
  job: Job,
  follower: ProcessIdentity,
  isAlive: (other: ProcessIdentity) => boolean,
  why: string,
): Step | Refusal {
  if (isSettled(job)) return { refused: `it is ${job.state}` };
  const followers = othersOf(job, follower).filter(isAlive);
  const left = { ...job, followers };
  if (followers.length === 0 && !job.unattended) return cancel(left, why);
  return { job: left, news: [{ type: 'left', why }] };
}

/** Those besides a follower who wait for a job, or did. */
export function othersOf(job: Job, follower: ProcessIdentity): ProcessIdentity[] {
  return job.followers.filter((other) => !isDeepStrictEqual(other, follower));
}

/** A job that failed or was cancelled gets all its attempts anew; what is built stays built. */
export function retry(job: Job): Step | Refusal {
  if (job.state === 'waiting') return { ...wait(job, 'asked to be tried now', 0) };
  if (job.state !== 'failed' && job.state !== 'cancelled') return { refused: `it is ${job.state}` };
  const kept = Object.entries(job.results).filter(([, result]) => !isFailure(result) && isFinal(result));
  const fresh = { ...job, failures: 0, lost: 0, ended: null, results: Object.fromEntries(kept) };
  return wait(fresh, 'asked to be tried again', 0);
}

/** @param priority higher runs first */
export function prioritise(job: Job, priority: number): Step | Refusal {
  if (isSettled(job)) return { refused: `it is ${job.state}` };
  if (priority === job.priority) return { job, news: [] };
  return { job: { ...job, priority }, news: [{ type: 'prioritised', priority }] };
}

function wait(job: Job, why: string, notBefore: number): Step {
  return {
    job: { ...job, state: 'waiting', holder: null, cancelling: null, notBefore, why },
    news: [{ type: 'waiting', why, notBefore }],
  };
}

function settle(job: Job, state: 'done' | 'failed' | 'cancelled', why: string): Step {
  return { job: { ...job, state, holder: null, why }, news: [{ type: 'settled', state, why }] };
}

function stateOf(outcome: Outcome): 'done' | 'failed' {
  return outcome.type === 'done' ? 'done' : 'failed';
}

function isFailure(result: VariantResult): boolean {
  return result.status === 'failed';
}

/**
 * What a worker says of an attempt by its results: a failure that may pass is retryable, one that would come
 * again (a compile error, an option that was dropped) is permanent. Says which, and why.
 */
export function judge(results: readonly VariantResult[]): Outcome {
  const failed = results.filter(isFailure);
  if (results.some(({ status }) => status === 'cancelled')) {
    return { type: 'cancelled', why: 'it was stopped', results };
  }
  const [first] = failed;
  if (first === undefined) return { type: 'done', why: 'every variant is built', results };
  const passing = failed.find((result) => !isFinal(result));
  if (passing !== undefined) {
    return { type: 'retryable', why: `${describe(passing)} (may pass: tried again)`, results };
  }
  return { type: 'permanent', why: `${describe(first)} (would fail again: not retried)`, results };
}

function describe({ recipe, variant, error }: VariantResult): string {
  return `${recipe}:${variant}: ${error?.message ?? 'failed'}`;
}
