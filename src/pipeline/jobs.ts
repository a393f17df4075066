import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import PQueue from 'p-queue';
import { type ErrorKind, KilnError, type KilnErrorDetails } from '../platform/errors.ts';
import type { BuildEvent, VariantResult } from './events.ts';
import { checkSubstitutes, sourceNames } from './inputs.ts';
import { CHECKOUT, type Chosen } from './recipes.ts';
import { type BuildRequest, build, failedResult } from './run.ts';

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
}

/** What a worker says, a line of JSON each. */
export type WorkerMessage =
  | { readonly type: 'event'; readonly event: BuildEvent }
  | { readonly type: 'results'; readonly results: readonly VariantResult[] }
  | {
      readonly type: 'error';
      readonly kind: ErrorKind;
      readonly message: string;
      readonly details: Pick<KilnErrorDetails, 'hint' | 'place' | 'lines'>;
    };

/** The program that runs one job. */
export const WORKER = join(CHECKOUT, 'workers/build.ts');

/**
 * Builds what was chosen. One recipe is one job, built in this process; several are built by a worker process
 * each, so that what goes wrong in one (a crash, an out-of-memory kill) is a failure of its variants alone.
 */
export async function buildAll(request: BuildRequest): Promise<VariantResult[]> {
  if (request.chosen.length <= 1) return build(request);
  checkSubstitutes(
    request.chosen.map(({ recipe }) => recipe),
    request.sources,
  );
  const queue = new PQueue({ concurrency: request.jobs });
  const perJob = Math.max(1, Math.floor(request.jobs / request.chosen.length));
  const results = await Promise.all(
    request.chosen.map((chosen) => queue.add(() => runWorker(request, chosen, perJob))),
  );
  return results.flat();
}

async function runWorker(request: BuildRequest, chosen: Chosen, jobs: number): Promise<VariantResult[]> {
  const worker = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(worker, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const stop = () => worker.kill('SIGTERM');
  request.signal.addEventListener('abort', stop);
  if (request.signal.aborted) stop();
  // A worker whose standard input closes stops: it does not outlive this process.
  worker.stdin.on('error', () => undefined);
  worker.stdin.write(`${JSON.stringify(jobOf(request, chosen, jobs))}\n`);
  let results: readonly VariantResult[] | undefined;
  const finished = new Map<string, VariantResult>();
  for await (const line of createInterface({ input: worker.stdout })) {
    const message = JSON.parse(line) as WorkerMessage;
    if (message.type === 'error') throw new KilnError(message.kind, message.message, message.details);
    if (message.type === 'results') results = message.results;
    else {
      if (message.event.type === 'finished') finished.set(message.event.variant, message.event.result);
      request.sink(message.event);
    }
  }
  const [code, signal] = await ended;
  request.signal.removeEventListener('abort', stop);
  return results === undefined ? died(request, chosen, finished, signal ?? `exit ${code}`) : [...results];
}

/** The results of a worker that ended without a word: what it had finished stands, the rest has failed. */
function died(
  request: BuildRequest,
  { variants }: Chosen,
  finished: ReadonlyMap<string, VariantResult>,
  how: string,
): VariantResult[] {
  const failure = request.signal.aborted
    ? (request.signal.reason as KilnError)
    : new KilnError('failed', `the worker process ended without a result (${how})`, {
        hint: 'the system log says whether it was killed for want of memory; the same command goes on from there',
      });
  return variants.map((variant) => {
    const known = finished.get(variant.fullName);
    if (known !== undefined) return known;
    const result = failedResult(variant, failure);
    request.sink({ type: 'finished', variant: variant.fullName, result });
    return result;
  });
}

function jobOf(request: BuildRequest, { recipe, variants }: Chosen, jobs: number): WorkerJob {
  return {
    home: request.home.root,
    references: variants.map(({ name }) => `${recipe.reference}:${name}`),
    mirrors: request.sources.mirrors,
    // A worker knows its own recipe's sources alone.
    substitutes: [...request.sources.substitutes].filter(([name]) => sourceNames(recipe).includes(name)),
    jobs,
    publish: request.publish,
    channel: request.channel ?? null,
    rebuild: request.rebuild,
    requireGates: request.requireGates,
    reason: request.reason ?? null,
  };
}
