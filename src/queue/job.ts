import type { BuildEvent, VariantResult } from '../pipeline/events.ts';
import type { WorkerJob } from '../pipeline/jobs.ts';
import type { ProcessIdentity } from '../platform/identity.ts';

/** What is to be built, in words: a worker's job without what only the machine that runs it can say. */
export type BuildSpec = Omit<WorkerJob, 'home' | 'jobs' | 'pool'>;

/** What a worker is, or must be, e.g. `{arch: 'i386'}`. */
export type Labels = Readonly<Record<string, string>>;

/** What is asked of the queue. */
export interface JobRequest {
  /** Digest of all that decides the outcome: a job that waits or runs under the same key is joined. */
  readonly key: string;
  readonly recipe: string;
  readonly variants: readonly string[];
  readonly spec: BuildSpec;
  /** Higher runs first; jobs of one priority in the order of their submission. */
  readonly priority: number;
  /** What a worker must be. */
  readonly labels: Labels;
  /** How often a failure that may pass is tried in all, from 1 on. */
  readonly attempts: number;
}

/** Who runs a job. */
export interface Holder {
  /** What `kiln queue list` shows: `host/pid`. */
  readonly worker: string;
  readonly identity: ProcessIdentity;
  /** Milliseconds since 1970 after which the lease has run out unless it was renewed. */
  readonly until: number;
}

export type JobState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';

/** A job as the record has it: the request and what became of it. Times are milliseconds since 1970. */
export interface Job extends JobRequest {
  /** A letter and hexadecimal digits. */
  readonly id: string;
  readonly state: JobState;
  /** The fencing token of the newest delivery: whoever has a lower one is not heard any more. */
  readonly token: number;
  readonly holder: Holder | null;
  /** Attempts that have ended in a failure. */
  readonly failures: number;
  /** Deliveries whose worker was lost. */
  readonly lost: number;
  /** Not to be taken before. */
  readonly notBefore: number;
  /** Why it is to stop, when somebody asked for that while it ran. */
  readonly cancelling: string | null;
  /** Processes that wait for it. */
  readonly followers: readonly ProcessIdentity[];
  /** Somebody has asked for it who does not wait: it goes on whoever of the others leaves. */
  readonly unattended: boolean;
  readonly submitted: number;
  readonly ended: number | null;
  /** What the last attempt ended with, in words. */
  readonly why: string | null;
  readonly results: Readonly<Record<string, VariantResult>>;
}

/** How an attempt ended. `returned`: the worker had to stop, and nothing is wrong with the job. */
export interface Outcome {
  readonly type: 'done' | 'retryable' | 'permanent' | 'cancelled' | 'returned';
  readonly why: string;
  readonly results: readonly VariantResult[];
}

/** A job in somebody's hands, until the lease runs out. */
export interface Lease {
  readonly job: Job;
  readonly token: number;
}

/** What happens to jobs. */
export type QueueNews =
  | { readonly type: 'submitted'; readonly priority: number }
  | { readonly type: 'joined' }
  /** Somebody who waited for it does no more; others do. */
  | { readonly type: 'left'; readonly why: string }
  | { readonly type: 'taken'; readonly worker: string; readonly token: number }
  | { readonly type: 'build'; readonly event: BuildEvent }
  /** Back among those that wait: after a failure that may pass, a lost worker, a worker that had to stop. */
  | { readonly type: 'waiting'; readonly why: string; readonly notBefore: number }
  | { readonly type: 'cancelling'; readonly why: string }
  | { readonly type: 'prioritised'; readonly priority: number }
  | { readonly type: 'settled'; readonly state: JobState; readonly why: string }
  /** Somebody whose lease was lost came with an outcome, which was not used. */
  | { readonly type: 'refused'; readonly token: number; readonly why: string }
  | { readonly type: 'paused' }
  | { readonly type: 'resumed' };

/** One entry of the queue's history; cursors grow and are never used again. */
export interface QueueEvent {
  readonly cursor: number;
  readonly at: number;
  /** null: what concerns the whole queue. */
  readonly job: string | null;
  readonly news: QueueNews;
}

/** What `kiln queue list` shows of one variant of a job. */
export type VariantStatus = 'waiting' | 'running' | VariantResult['status'];

/** True when nothing more will happen to a job, unless somebody asks for it. */
export function isSettled(job: Pick<Job, 'state'>): boolean {
  return job.state !== 'waiting' && job.state !== 'running';
}

/** A variant's status: its own result where it has one, else that of its job. */
export function variantStatus(job: Job, variant: string): VariantStatus {
  const result = job.results[variant];
  if (result !== undefined && (isSettled(job) || isFinal(result))) return result.status;
  if (job.state === 'done') return 'built';
  return job.state;
}

/** Variants that an attempt still has to build. */
export function remainingVariants(job: Job): string[] {
  return job.variants.filter((name) => {
    const result = job.results[name];
    return result === undefined || !isFinal(result);
  });
}

/** A result that another attempt would not change. */
export function isFinal(result: VariantResult): boolean {
  if (result.status === 'failed') return result.error?.transient !== true;
  return result.status !== 'cancelled';
}

/** True when a worker of these labels is what the job requires. */
export function suits(job: Pick<Job, 'labels'>, labels: Labels): boolean {
  return Object.entries(job.labels).every(([name, value]) => labels[name] === value);
}
