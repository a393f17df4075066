import type { BuildEvent } from '../pipeline/events.ts';
import { isStillAlive, ownIdentity, type ProcessIdentity } from '../platform/identity.ts';
import { type Holder, type Job, type Lease, type Outcome, suits } from './job.ts';
import type { Ledger } from './ledger.ts';
import { finish, lapse, take } from './machine.ts';
import type { Beat, Hand } from './queue.ts';
import { workerName } from './workers.ts';

export interface EmbeddedOptions {
  /** Only these jobs are taken; all by default. */
  readonly only?: ReadonlySet<string>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly leaseMs?: number;
  /** Whose hand it is; this process by default. */
  readonly identity?: ProcessIdentity;
}

const LEASE_MS = 60_000;
/** The record is looked at so often, whether somebody has told of a change or not. */
const LONGEST_NAP_MS = 1000;

/**
 * A hand on the record itself, for workers of the coordinator's own machine. A job whose holder is dead is given
 * out again at once: that is seen by the process's number and start time, not by waiting for a lease to run out.
 */
export class EmbeddedHand implements Hand {
  readonly leaseMs: number;
  readonly #ledger: Ledger;
  readonly #options: EmbeddedOptions;
  readonly #identity: ProcessIdentity;
  #seen = -1;

  constructor(ledger: Ledger, options: EmbeddedOptions = {}) {
    this.#ledger = ledger;
    this.#options = options;
    this.leaseMs = options.leaseMs ?? LEASE_MS;
    this.#identity = options.identity ?? ownIdentity();
  }

  async take(most: number): Promise<readonly Lease[]> {
    const ledger = this.#ledger;
    // Most looks find nothing: they should not keep others from writing.
    const now = ledger.jobs(['running']);
    if (this.#lapsed(now).length === 0 && this.#next(1, now).length === 0) return [];
    return ledger.writeSoon(() => {
      let running = ledger.jobs(['running']);
      const lapsed = this.#lapsed(running);
      for (const { job, why } of lapsed) ledger.save(lapse(job, why));
      if (lapsed.length > 0) running = ledger.jobs(['running']);
      return this.#next(most, running).flatMap((job) => {
        const step = take(job, this.#holder(), job.token + 1);
        if ('refused' in step) return [];
        const taken = ledger.save(step);
        return [{ job: taken, token: taken.token }];
      });
    });
  }

  /** The next jobs for this hand; never one with a variant that another job builds at this moment. */
  #next(most: number, running: readonly Job[]): Job[] {
    const ledger = this.#ledger;
    const chosen: Job[] = [];
    if (ledger.paused) return chosen;
    const { only, labels = {} } = this.#options;
    const names = ({ recipe, variants }: Job) => variants.map((variant) => `${recipe}:${variant}`);
    const busy = new Set(running.flatMap(names));
    for (const job of ledger.due()) {
      if (only !== undefined && !only.has(job.id)) continue;
      if (!suits(job, labels) || names(job).some((name) => busy.has(name))) continue;
      chosen.push(job);
      if (chosen.length === most) break;
      for (const name of names(job)) busy.add(name);
    }
    return chosen;
  }

  /** Running jobs that nobody runs any more. */
  #lapsed(running: readonly Job[]): { job: Job; why: string }[] {
    return running.flatMap((job) => {
      const { holder } = job;
      if (holder === null) return [{ job, why: 'nobody has it' }];
      if (isStillAlive(holder.identity) === false) {
        return [{ job, why: `process ${holder.identity.pid}, which had it, has died` }];
      }
      if (holder.until < this.#ledger.now()) {
        return [
          { job, why: `${holder.worker} has not been heard of for ${Math.round(this.leaseMs / 1000)} s` },
        ];
      }
      return [];
    });
  }

  #holder(): Holder {
    return {
      worker: workerName(this.#identity),
      identity: this.#identity,
      until: this.#ledger.now() + this.leaseMs,
    };
  }

  async beat(lease: Lease): Promise<Beat> {
    const known = this.#ledger.find(lease.job.id);
    if (!holds(known, lease)) return 'lost';
    // Half a lease is time enough: a commit for each beat would only wear out the disk.
    if ((known.holder?.until ?? 0) < this.#ledger.now() + this.leaseMs / 2) {
      const renewed = await this.#ledger.writeSoon(() => {
        const job = this.#ledger.find(lease.job.id);
        if (!holds(job, lease)) return false;
        this.#ledger.save({ job: { ...job, holder: this.#holder() }, news: [] });
        return true;
      });
      if (!renewed) return 'lost';
    }
    return known.cancelling === null ? 'held' : 'cancelled';
  }

  async report(lease: Lease, events: readonly BuildEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.#ledger.writeSoon(() => {
      const job = this.#ledger.find(lease.job.id);
      if (!holds(job, lease)) return;
      const results = { ...job.results };
      for (const event of events) {
        this.#ledger.tell(job.id, { type: 'build', event });
        if (event.type === 'finished') results[event.result.variant] = event.result;
      }
      this.#ledger.save({ job: { ...job, results }, news: [] });
    });
  }

  async settle(lease: Lease, outcome: Outcome): Promise<boolean> {
    const ledger = this.#ledger;
    return ledger.writeSoon(() => {
      const job = ledger.find(lease.job.id);
      if (job === undefined) return false;
      const step =
        lease.token < job.token
          ? { refused: 'a later delivery has it' }
          : finish(job, lease.token, outcome, ledger.now());
      if ('refused' in step) {
        ledger.tell(job.id, { type: 'refused', token: lease.token, why: step.refused });
        return false;
      }
      ledger.save(step);
      return true;
    });
  }

  async changed(withinMs: number, signal: AbortSignal): Promise<void> {
    const { wake, now } = this.#ledger;
    const since = this.#seen;
    const next = this.#ledger.nextDue();
    const most = Math.min(withinMs, LONGEST_NAP_MS);
    const nap = next === undefined ? most : Math.min(most, Math.max(0, next - now()));
    await wake.wait(since, nap, signal);
    this.#seen = wake.count;
  }

  async close(): Promise<void> {
    // The record is its opener's.
  }
}

function holds(job: Job | undefined, lease: Lease): job is Job {
  return job?.state === 'running' && job.token === lease.token;
}
