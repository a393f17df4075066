import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { type ErrorKind, KilnError, type KilnErrorDetails } from '../platform/errors.ts';
import { listIfAny } from '../platform/files.ts';
import { homeAt } from '../platform/home.ts';
import { Jobserver } from '../platform/jobserver.ts';
import { privateMounts } from '../platform/mounts.ts';
import type { BuildEvent, EventSink, VariantResult } from './events.ts';
import { CHECKOUT, chooseVariants } from './recipes.ts';
import { type BuildRequest, build, isBuilt, startRecipes } from './run.ts';

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
  readonly compare: boolean;
  readonly requireGates: boolean;
  readonly workshop: BuildRequest['workshop'];
  readonly reason: string | null;
  readonly by: string;
  /** The pool of make's jobs that all workers of this machine draw from; null where this one is alone. */
  readonly pool: { readonly fifo: string; readonly tokens: number } | null;
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

/**
 * Builds a job in this process, which should have mounts of its own.
 * @throws KilnError for what concerns the whole job: a recipe with faults, a missing tool
 */
export async function buildHere(
  job: WorkerJob,
  signal: AbortSignal,
  sink: EventSink,
): Promise<VariantResult[]> {
  return build(await requestOf(job, signal, sink));
}

async function requestOf(job: WorkerJob, signal: AbortSignal, sink: EventSink): Promise<BuildRequest> {
  return {
    home: homeAt(job.home),
    chosen: await chooseVariants(job.references),
    sources: { mirrors: job.mirrors, substitutes: new Map(job.substitutes) },
    jobs: job.jobs,
    publish: job.publish,
    channel: job.channel ?? undefined,
    rebuild: job.rebuild,
    compare: job.compare,
    requireGates: job.requireGates,
    workshop: job.workshop,
    ...(job.pool === null ? {} : { pool: job.pool }),
    reason: job.reason ?? undefined,
    by: job.by,
    signal,
    sink,
  };
}

/**
 * Runs a job for whoever waits for it: what is in the store already is published from here, and only where something
 * has to be made a process is started for it.
 * @throws KilnError as `buildHere`
 */
export async function runJob(job: WorkerJob, signal: AbortSignal, sink: EventSink): Promise<WorkerEnd> {
  const request = await requestOf(job, signal, sink);
  // It loads while this process finds out what is to be done, if it is started before this process is busy with that.
  const ahead = (await surelyMissing(request)) ? startWorker(job) : undefined;
  // Whoever needs it is told why it could not be started.
  await ahead?.catch(() => undefined);
  let taken = false;
  try {
    const [started] = await startRecipes(request);
    if (started === undefined) return { results: [] };
    const { run, variants } = started;
    const there = await Promise.all(variants.map((variant) => isBuilt(request, run, variant)));
    const missing = job.references.filter((_, index) => there[index] !== true);
    taken = missing.length > 0;
    const [end, stored] = await Promise.all([
      missing.length === 0
        ? { results: [] }
        : runJobProcess({ ...job, references: missing }, signal, sink, ahead),
      build(request, [{ run, variants: variants.filter((_, index) => there[index] === true) }]),
    ]);
    if ('died' in end) return { ...end, finished: [...stored, ...end.finished] };
    const byName = new Map([...stored, ...end.results].map((result) => [result.variant, result]));
    return { results: variants.flatMap(({ name }) => byName.get(name) ?? []) };
  } finally {
    // There was nothing to do after all, or nothing can be done: it has not begun, and nobody waits for it.
    if (!taken) dismiss(ahead);
  }
}

/** Ends a worker process that was started ahead and gets no job: it would wait for one for ever, and this process for it. */
function dismiss(ahead: Promise<Worker> | undefined): void {
  ahead?.then(
    (worker) => worker.kill('SIGKILL'),
    () => undefined,
  );
}

/** Whether there is something to make, without a look at what it is made of: a variant that no bundle is of. */
async function surelyMissing({ home, chosen, rebuild }: BuildRequest): Promise<boolean> {
  if (rebuild) return true;
  const variants = chosen.flatMap(({ variants }) => variants);
  const bundles = await Promise.all(
    variants.map(({ recipe, name }) => listIfAny(join(home.bundles, recipe.name, name))),
  );
  return bundles.some((names) => names.length === 0);
}

/** How a worker process ended: with results, or without a word, and how. */
export type WorkerEnd =
  | { readonly results: readonly VariantResult[] }
  | { readonly died: string; readonly finished: readonly VariantResult[] };

const LAST_GRACE_MS = 10_000;

/**
 * Runs a job in a process of its own, so that what goes wrong in it (a crash, an out-of-memory kill) is a failure
 * of this job alone. It stops when the signal is aborted, and when this process dies.
 * @param ahead a process that was started for it already
 * @throws KilnError as `runJob` does
 */
export async function runJobProcess(
  job: WorkerJob,
  signal: AbortSignal,
  sink: EventSink,
  ahead?: Promise<Worker>,
): Promise<WorkerEnd> {
  const pool = await joinPool(signal).catch((error: unknown) => {
    dismiss(ahead);
    throw error;
  });
  let whole = false;
  try {
    const given = { ...job, pool: { fifo: pool.fifo, tokens: pool.tokens } };
    const end = await runInWorker(await (ahead ?? startWorker(job)), given, signal, sink);
    whole = 'results' in end;
    return end;
  } finally {
    await pool.leave(signal.aborted || !whole);
  }
}

type Worker = ChildProcessByStdio<Writable, Readable, null>;

/** Starts the program that runs one job, with mounts of its own where they are of use; it waits for the job. */
async function startWorker({ references }: WorkerJob): Promise<Worker> {
  const mounts = (await inContainers(references)) ? undefined : await privateMounts();
  const [command = '', ...before] = [...(mounts?.prefix ?? []), process.execPath];
  try {
    const worker = spawn(command, [...before, '--disable-warning=ExperimentalWarning', WORKER], {
      env: { ...process.env, ...mounts?.env },
      stdio: ['pipe', 'pipe', 'inherit'],
      // Ctrl-C on the terminal is the affair of whoever has the job.
      detached: true,
    });
    await once(worker, 'spawn');
    // A worker whose standard input closes stops: it does not outlive this process.
    worker.stdin.on('error', () => undefined);
    return worker;
  } catch (error) {
    // Too many processes, too many open files, no memory: that job's misfortune, not the end of a server.
    throw new KilnError('failed', `no worker process could be started: ${(error as Error).message}`, {
      hint: 'the machine is short of something that passes; the same command goes on from there',
      transient: true,
      cause: error,
    });
  }
}

async function runInWorker(
  worker: Worker,
  job: WorkerJob,
  signal: AbortSignal,
  sink: EventSink,
): Promise<WorkerEnd> {
  const ended = exitOf(worker);
  let last: NodeJS.Timeout | undefined;
  const stop = () => {
    // It gives its reason as its own: who was interrupted is not told that something was terminated.
    const { reason } = signal;
    worker.kill(reason instanceof KilnError && reason.kind === 'interrupted' ? 'SIGINT' : 'SIGTERM');
    last ??= setTimeout(() => worker.kill('SIGKILL'), LAST_GRACE_MS);
  };
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    worker.stdin.write(`${JSON.stringify(job)}\n`);
    const heard = await listen(createInterface({ input: worker.stdout }), sink);
    const [code, killer] = await ended;
    return 'results' in heard ? heard : { died: killer ?? `exit ${code}`, finished: heard.finished };
  } finally {
    clearTimeout(last);
    signal.removeEventListener('abort', stop);
  }
}

/** How a process ended: one that is gone already has its end written down. */
async function exitOf(worker: Worker): Promise<[number | null, NodeJS.Signals | null]> {
  const { exitCode, signalCode } = worker;
  if (exitCode !== null || signalCode !== null) return [exitCode, signalCode];
  return once(worker, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
}

/**
 * Whether a job's programs run in containers. Engines look after mounts and users themselves: in a user namespace of
 * Kiln's, podman would take its user for root and look for root's images; and docker's daemon sees no mounts of others.
 */
async function inContainers(references: WorkerJob['references']): Promise<boolean> {
  const chosen = await chooseVariants(references);
  return chosen.some(({ recipe }) => recipe.recipe.toolchain.container !== undefined);
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

let shared: { readonly jobserver: Promise<Jobserver>; users: number } | undefined;

/** A place in this process's pool of make's jobs; the first to come opens it, the last to leave closes it. */
async function joinPool(signal: AbortSignal) {
  shared ??= { jobserver: Jobserver.open(availableParallelism()), users: 0 };
  const pool = shared;
  pool.users++;
  const jobserver = await pool.jobserver.catch((error: unknown) => {
    // What could not be opened now may be later: /tmp was full, say.
    if (shared === pool) shared = undefined;
    throw error;
  });
  /** @param killed makes that were killed may have kept tokens: whoever comes next gets another pool */
  const leave = async (killed: boolean) => {
    pool.users--;
    if (shared === pool && (killed || pool.users === 0)) shared = undefined;
    if (pool.users === 0) await jobserver.close();
  };
  try {
    // A worker's first make runs on this token, further ones draw their own.
    const own = await jobserver.client(signal);
    return {
      fifo: jobserver.fifo,
      tokens: jobserver.tokens,
      leave: (killed: boolean) => {
        own.release();
        return leave(killed);
      },
    };
  } catch (error) {
    await leave(false);
    throw error;
  }
}
