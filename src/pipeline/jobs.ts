import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ErrorKind, KilnError, type KilnErrorDetails } from '../platform/errors.ts';
import { homeAt } from '../platform/home.ts';
import type { BuildEvent, EventSink, VariantResult } from './events.ts';
import { CHECKOUT, chooseVariants } from './recipes.ts';
import { build } from './run.ts';

/** A job as it goes to a worker process: a build of one recipe's variants, in words. */
export interface WorkerJob {
  readonly home: string;
  /** `RECIPE:VARIANT`, the recipe by name or absolute path. */
  readonly references: readonly string[];
  readonly mirrors: readonly string[];
  readonly substitutes: readonly (readonly [string, string])[];
  readonly jobs: number;
  readonly publish: boolean;
  readonly channel: string | null;
  readonly rebuild: boolean;
  readonly requireGates: boolean;
  readonly reason: string | null;
  /** The date that stands in every artifact, in seconds since 1970; that of who asked, not of who builds. */
  readonly epoch: number;
}

/** What a worker says, a line of JSON each. */
export type WorkerMessage =
  | { readonly type: 'event'; readonly event: BuildEvent }
  | { readonly type: 'results'; readonly results: readonly VariantResult[] }
  | {
      readonly type: 'error';
      readonly kind: ErrorKind;
      readonly message: string;
      readonly details: Pick<KilnErrorDetails, 'hint' | 'place' | 'lines' | 'transient'>;
    };

/** The program that runs one job. */
export const WORKER = join(CHECKOUT, 'workers/build.ts');

/** Runs a job in this process. @throws KilnError for what concerns the whole job: a recipe with faults, a missing tool */
export async function runJob(job: WorkerJob, signal: AbortSignal, sink: EventSink): Promise<VariantResult[]> {
  return build({
    home: homeAt(job.home),
    chosen: await chooseVariants(job.references),
    sources: { mirrors: job.mirrors, substitutes: new Map(job.substitutes) },
    jobs: job.jobs,
    publish: job.publish,
    channel: job.channel ?? undefined,
    rebuild: job.rebuild,
    requireGates: job.requireGates,
    reason: job.reason ?? undefined,
    signal,
    sink,
  });
}

/** How a worker process ended: with results, or without a word, and how. */
export type WorkerEnd =
  | { readonly results: readonly VariantResult[] }
  | { readonly died: string; readonly finished: readonly VariantResult[] };

const LAST_GRACE_MS = 10_000;

/**
 * Runs a job in a process of its own, so that what goes wrong in it (a crash, an out-of-memory kill) is a failure
 * of this job alone. It stops when the signal is aborted, and when this process dies.
 * @throws KilnError as `runJob` does
 */
export async function runJobProcess(
  job: WorkerJob,
  signal: AbortSignal,
  sink: EventSink,
): Promise<WorkerEnd> {
  const worker = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // Ctrl-C on the terminal is the affair of whoever has the job.
    detached: true,
  });
  const ended = once(worker, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  let last: NodeJS.Timeout | undefined;
  const stop = () => {
    worker.kill('SIGTERM');
    last ??= setTimeout(() => worker.kill('SIGKILL'), LAST_GRACE_MS);
  };
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    // A worker whose standard input closes stops: it does not outlive this process.
    worker.stdin.on('error', () => undefined);
    worker.stdin.write(`${JSON.stringify(job)}\n`);
    const heard = await listen(createInterface({ input: worker.stdout }), sink);
    const [code, killer] = await ended;
    return 'results' in heard ? heard : { died: killer ?? `exit ${code}`, finished: heard.finished };
  } finally {
    clearTimeout(last);
    signal.removeEventListener('abort', stop);
  }
}

async function listen(
  lines: AsyncIterable<string>,
  sink: EventSink,
): Promise<{ readonly results: readonly VariantResult[] } | { readonly finished: readonly VariantResult[] }> {
  let results: readonly VariantResult[] | undefined;
  const finished: VariantResult[] = [];
  for await (const line of lines) {
    const message = JSON.parse(line) as WorkerMessage;
    if (message.type === 'error') throw new KilnError(message.kind, message.message, message.details);
    if (message.type === 'results') results = message.results;
    else {
      if (message.event.type === 'finished') finished.push(message.event.result);
      sink(message.event);
    }
  }
  return results === undefined ? { finished } : { results };
}
