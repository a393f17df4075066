import type { VariantResult } from '../pipeline/events.ts';
import { checkSubstitutes } from '../pipeline/inputs.ts';
import type { BuildRequest } from '../pipeline/run.ts';
import type { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { ownIdentity, type ProcessIdentity } from '../platform/identity.ts';
import { isLocked } from '../platform/lock.ts';
import { EmbeddedHand } from './embedded.ts';
import { executeIn } from './execute.ts';
import { follow, PAUSED, resultsOf, tellBuild } from './follow.ts';
import { isSettled, type Job, type QueueEvent } from './job.ts';
import { isWantedBy, Ledger } from './ledger.ts';
import { requestFor } from './request.ts';
import { Runner } from './runner.ts';

/** The lock of the process that serves a home's queue: `kiln serve`. */
export function serveLock(home: Home): string {
  return `${home.locks}/serve.lock`;
}

/** Whether somebody serves a home's queue. */
export function isServed(home: Home): boolean {
  return isLocked(serveLock(home));
}

export interface ThroughQueue {
  /** Asked when the follower is interrupted while somebody else runs its jobs: true cancels them. */
  readonly confirmCancel: (jobs: readonly Job[]) => Promise<boolean>;
}

/**
 * Submits a job for each recipe and follows them to their end. Where nobody serves the queue this process runs
 * them itself, each in a process of its own where something has to be made.
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
    const follower = ownIdentity();
    const ids = new Set(ledger.submit(requests, follower).map(({ job }) => job.id));
    if (ledger.paused) sink({ type: 'warning', variant: null, sentence: PAUSED });
    const crew = isServed(home) ? undefined : new OwnCrew(ledger, request, ids);
    const tell = (event: QueueEvent) => {
      if (crew?.ran(event.job) !== true) tellBuild(event, sink);
    };
    const halt = AbortSignal.any([signal, ...(crew === undefined ? [] : [crew.crashed])]);
    let jobs: Job[];
    try {
      jobs = await follow(ledger, ids, cursor, halt, tell);
    } catch (error) {
      if (!signal.aborted) throw error;
      const open = [...ids].filter((id) => !isSettled(ledger.job(id)));
      const mine = open.map((id) => ledger.job(id)).filter((job) => isWantedBy(job, follower));
      if (crew === undefined && mine.length > 0 && !(await confirmCancel(mine))) {
        for (const { id } of mine) ledger.keep(id);
        throw error;
      }
      await leaveAll(ledger, open, follower, signal.reason as KilnError);
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

/** Waits for jobs no more, and returns when whoever ran those that nobody else wants has stopped. */
async function leaveAll(
  ledger: Ledger,
  ids: readonly string[],
  follower: ProcessIdentity,
  reason: KilnError,
): Promise<void> {
  const left = ids
    .filter((id) => !isSettled(ledger.job(id)))
    .map((id) => ledger.leave(id, follower, reason.message));
  const stopping = new Set(left.filter(({ cancelling }) => cancelling !== null).map(({ id }) => id));
  await follow(ledger, stopping, ledger.cursor, new AbortController().signal, () => undefined);
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
      // Who is interrupted stops at once and hands back: what becomes of the job is for those who want it.
      execute: async (lease, stop, tell) => {
        const outcome = await execute(lease, AbortSignal.any([signal, stop]), tell);
        return signal.aborted && outcome.type === 'cancelled' ? { ...outcome, type: 'returned' } : outcome;
      },
      leave: AbortSignal.any([this.#leaving.signal, signal]),
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
