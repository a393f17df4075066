import type { BuildEvent } from '../pipeline/events.ts';
import type { ProcessIdentity } from '../platform/identity.ts';
import type { Job, JobRequest, Lease, Outcome, QueueEvent } from './job.ts';

/** What a submission came to. */
export interface Submitted {
  readonly job: Job;
  /** True when a job of the same key waited or ran already; nothing new was queued. */
  readonly joined: boolean;
}

/**
 * The queue as those see it who ask for work: the coordinator's own record. What it says has happened is on the
 * disk. Any number of processes of one machine may have it open.
 *
 * Every command on a job throws KilnError `usage` for an id that there is not, and for a state that the
 * command makes no sense in.
 */
export interface Queue {
  /**
   * Queues jobs, all or none; one whose key waits or runs already is joined.
   * @param follower who will wait for them; nobody by default
   */
  submit(requests: readonly JobRequest[], follower?: ProcessIdentity): Submitted[];
  /** Says that a follower waits no more: a job that nobody else wants is cancelled. */
  leave(id: string, follower: ProcessIdentity, why: string): Job;
  /** Lets a job go on whoever waits for it or does not. */
  keep(id: string): Job;
  /** Jobs in the order of their submission. */
  jobs(states?: readonly Job['state'][]): Job[];
  job(id: string): Job;
  /** A waiting job ends at once; a running one when its worker has stopped what it ran. */
  cancel(id: string, why: string): Job;
  retry(id: string): Job;
  prioritise(id: string, priority: number): Job;
  /** No job is given out until `resume`; those that run go on. */
  pause(): void;
  resume(): void;
  readonly paused: boolean;
  /** Events after a cursor (0: from the first that is kept), oldest first. */
  events(after: number, limit?: number): QueueEvent[];
  /** The cursor of the newest event. */
  readonly cursor: number;
  /** Returns when there is an event after the cursor. @throws the signal's reason when it is aborted */
  changed(after: number, signal: AbortSignal): Promise<void>;
  /** Returns when no job waits or runs. */
  drain(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** What a lease is worth: the job goes on, somebody wants it to stop, or somebody else has it. */
export type Beat = 'held' | 'cancelled' | 'lost';

/**
 * The queue as a worker sees it. Two adapters fulfil it: `embedded.ts` on the coordinator's own record, and
 * `bullmq.ts` by way of Redis. One conformance suite (test/queue/conformance.ts) holds both to what is said here.
 */
export interface Hand {
  /** How long a lease lasts without a beat, in milliseconds. */
  readonly leaseMs: number;
  /**
   * The next jobs that may run now and that this worker suits, so many at most: the highest priority first, then the
   * oldest. The token of each is higher than that of any delivery of the job before.
   */
  take(most: number): Promise<readonly Lease[]>;
  /** Renews the lease. */
  beat(lease: Lease): Promise<Beat>;
  /** Passes on what happens in the build; nothing when the lease is lost. */
  report(lease: Lease, events: readonly BuildEvent[]): Promise<void>;
  /** Ends the attempt. @returns false when the lease was lost and the outcome was not used */
  settle(lease: Lease, outcome: Outcome): Promise<boolean>;
  /** Returns when a take or a beat may say something new, or when the time has passed. */
  changed(withinMs: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
