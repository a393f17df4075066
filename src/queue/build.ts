import type { VariantResult } from '../pipeline/events.ts';
import { checkSubstitutes } from '../pipeline/inputs.ts';
import type { BuildRequest } from '../pipeline/run.ts';
import type { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { type LockHolder, tryLock } from '../platform/lock.ts';
import { EmbeddedHand } from './embedded.ts';
import { executeIn } from './execute.ts';
import { follow, PAUSED, resultsOf, tellBuild } from './follow.ts';
import { isSettled, type Job, type QueueEvent } from './job.ts';
import { Ledger } from './ledger.ts';
import { requestFor } from './request.ts';
import { Runner } from './runner.ts';

/** The lock of the process that serves a home's queue: `kiln serve`. */
export function serveLock(home: Home): string {
  return `${home.locks}/serve.lock`;
}

/** Who serves a home's queue; undefined when nobody does. */
export function serving(home: Home): LockHolder | undefined {
  const held = tryLock(serveLock(home), 'kiln build');
  if (!('release' in held)) return held.heldBy ?? { pid: 0, what: 'kiln serve', since: '' };
  held.release();
  return undefined;
}

export interface ThroughQueue {
  /** Asked when the follower is interrupted while somebody else runs its jobs: true cancels them. */
  readonly confirmCancel: (jobs: readonly Job[]) => Promise<boolean>;
}

/**
 * Submits a job for each recipe and follows them to their end. Where nobody serves the queue this process runs
 * them itself: a single recipe's here, several in a process each.
 * @throws KilnError for what concerns a whole job that ran here: a recipe with faults, a missing tool
 */
export async function buildThroughQueue(
  request: BuildRequest,
  { confirmCancel }: ThroughQueue,
): Promise<VariantResult[]> {
  const { home, chosen, signal, sink } = request;
  checkSubstitutes(
    chosen.map(({ recipe }) => recipe),
    request.sources,
  );
  const wish = { ...request, priority: 0, attempts: 1, labels: {} };
  const requests = await Promise.all(chosen.map((one) => requestFor(one, wish)));
  signal.throwIfAborted();
  const ledger = Ledger.of(home);
  try {
    const { cursor } = ledger;
    const submitted = ledger.submit(requests);
    const ids = new Set(submitted.map(({ job }) => job.id));
    const own = new Set(submitted.flatMap(({ job, joined }) => (joined ? [] : [job.id])));
    if (ledger.paused) sink({ type: 'warning', variant: null, sentence: PAUSED });
    const server = serving(home);
    const crew = server === undefined ? new OwnCrew(ledger, request, ids) : undefined;
    const tell = (event: QueueEvent) => {
      if (crew?.ran(event.job) !== true) tellBuild(event, sink);
    };
    const halt = AbortSignal.any([signal, ...(crew === undefined ? [] : [crew.crashed])]);
    let jobs: Job[];
    try {
      jobs = await follow(ledger, ids, cursor, halt, tell);
    } catch (error) {
      if (!signal.aborted) throw error;
      const open = [...own].map((id) => ledger.job(id)).filter((job) => !isSettled(job));
      const cancelled = crew !== undefined || (await confirmCancel(open));
      if (!cancelled) throw error;
      await cancelAll(ledger, open, signal.reason as KilnError);
      jobs = [...ids].map((id) => ledger.job(id));
    } finally {
      await crew?.leave();
    }
    if (crew?.error !== undefined) throw crew.error;
    const stopped = signal.aborted ? (signal.reason as KilnError) : undefined;
    return jobs.flatMap((job) => resultsOf(job, stopped));
  } finally {
    ledger.close();
  }
}

/** Cancels jobs, and returns when whoever ran them has stopped. */
async function cancelAll(ledger: Ledger, jobs: readonly Job[], reason: KilnError): Promise<void> {
  const open = jobs.filter(({ id }) => !isSettled(ledger.job(id))).map(({ id }) => id);
  for (const id of open) ledger.cancel(id, reason.message);
  await follow(ledger, new Set(open), ledger.cursor, new AbortController().signal, () => undefined);
}

/** Runs the jobs of this process where no server does. */
class OwnCrew {
  error: KilnError | undefined;
  readonly #ran = new Set<string>();
  readonly #leaving = new AbortController();
  readonly #crashed = new AbortController();
  readonly #running: Promise<void>;

  constructor(ledger: Ledger, request: BuildRequest, only: ReadonlySet<string>) {
    const { home, chosen, jobs, sink, signal } = request;
    const execute = executeIn({
      home: home.root,
      jobs: Math.max(1, Math.floor(jobs / chosen.length)),
      here: chosen.length === 1,
      onError: (_job, error) => {
        this.error ??= error;
      },
    });
    const runner = new Runner({
      hand: new EmbeddedHand(ledger, { only }),
      slots: Math.min(jobs, chosen.length),
      // Who is interrupted stops at once; the record is told by whoever follows.
      execute: (lease, stop, tell) => execute(lease, AbortSignal.any([signal, stop]), tell),
      leave: this.#leaving.signal,
      graceMs: 0,
      onTaken: ({ job }) => this.#ran.add(job.id),
      onEvent: (_job, event) => sink(event),
    });
    this.#running = runner.run();
    this.#running.catch((error: unknown) => this.#crashed.abort(error));
  }

  /** Aborted when what runs the jobs has a bug. */
  get crashed(): AbortSignal {
    return this.#crashed.signal;
  }

  /** True for a job whose events were told as they happened. */
  ran(job: string | null): boolean {
    return job !== null && this.#ran.has(job);
  }

  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#running.catch(() => undefined);
  }
}
