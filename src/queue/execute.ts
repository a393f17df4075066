import type { EventSink, VariantResult } from '../pipeline/events.ts';
import { runJob, runJobProcess, type WorkerEnd, type WorkerJob } from '../pipeline/jobs.ts';
import { failedResult } from '../pipeline/results.ts';
import { KilnError } from '../platform/errors.ts';
import { type Job, type Outcome, remainingVariants } from './job.ts';
import { judge } from './machine.ts';
import { type Execute, Stopped } from './runner.ts';

export interface ExecuteOptions {
  readonly home: string;
  /** Variants of a job that are built at once. */
  readonly jobs: number;
  /** What is in the store already is published from this process: for a job that this process was started for. */
  readonly here?: boolean;
  /** Told of what concerns a whole job: a recipe with faults, a missing tool. */
  readonly onError?: (job: Job, error: KilnError) => void;
}

/** Runs jobs by the pipeline of this checkout, each in a process of its own. */
export function executeIn(options: ExecuteOptions): Execute {
  return async ({ job }, signal, sink) => {
    const work = workerJob(job, options);
    try {
      const end = await (options.here === true ? runJob : runJobProcess)(work, signal, sink);
      return outcomeOf(resultsOf(job, end, signal, sink), signal);
    } catch (error) {
      if (!(error instanceof KilnError)) throw error;
      options.onError?.(job, error);
      return outcomeOf(failures(job, remainingVariants(job), error, sink), signal);
    }
  };
}

/** The job as a worker process gets it: what is left of it, below this home. */
export function workerJob(job: Job, options: Pick<ExecuteOptions, 'home' | 'jobs'>): WorkerJob {
  const left = new Set(remainingVariants(job));
  const references = job.spec.references.filter((_reference, index) => left.has(job.variants[index] ?? ''));
  return { ...job.spec, references, home: options.home, jobs: options.jobs, pool: null };
}

/** The results of a process that ended without a word: what it had finished stands, the rest may be tried again. */
function resultsOf(job: Job, end: WorkerEnd, signal: AbortSignal, sink: EventSink): readonly VariantResult[] {
  if ('results' in end) return end.results;
  const failure = new KilnError('failed', `the worker process ended without a result (${end.died})`, {
    hint: 'the system log says whether it was killed for want of memory; the same command goes on from there',
    transient: true,
  });
  const known = new Set(end.finished.map(({ variant }) => variant));
  const rest = remainingVariants(job).filter((variant) => !known.has(variant));
  return [...end.finished, ...failures(job, rest, signal.aborted ? signal.reason : failure, sink)];
}

function failures(job: Job, variants: readonly string[], error: KilnError, sink: EventSink): VariantResult[] {
  return variants.map((name) => {
    const result = failedResult({ name, recipe: { name: job.recipe } }, error);
    sink({ type: 'finished', variant: `${job.recipe}:${name}`, result });
    return result;
  });
}

/** What a stopped attempt comes to depends on who stopped it, unless it was done all the same. */
export function outcomeOf(results: readonly VariantResult[], signal: AbortSignal): Outcome {
  const outcome = judge(results);
  if (outcome.type !== 'cancelled') return outcome;
  const reason: unknown = signal.reason;
  if (!(reason instanceof Stopped)) return outcome;
  return { ...outcome, type: reason.how === 'cancelled' ? 'cancelled' : 'returned', why: reason.message };
}
