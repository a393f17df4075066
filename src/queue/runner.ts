import { setTimeout as pause } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { BuildEvent, EventSink } from '../pipeline/events.ts';
import { KilnError } from '../platform/errors.ts';
import type { Job, Lease, Outcome } from './job.ts';
import type { Hand } from './queue.ts';

/** Why a running job was stopped: its AbortSignal's reason. */
export class Stopped extends KilnError {
  /** `cancelled`: somebody asked for it. `lost`: another has the job. `leaving`: this worker has to go. */
  readonly how: 'cancelled' | 'lost' | 'leaving';
  constructor(how: 'cancelled' | 'lost' | 'leaving', sentence: string) {
    super('terminated', sentence);
    this.how = how;
  }
}

/** Runs one attempt of a job and says how it ended; throws for a bug alone. */
export type Execute = (lease: Lease, signal: AbortSignal, sink: EventSink) => Promise<Outcome>;

export interface RunnerOptions {
  readonly hand: Hand;
  /** Jobs at once. */
  readonly slots: number;
  readonly execute: Execute;
  /** Aborted: no more jobs are taken, those that run may finish within `graceMs`, then they are handed back. */
  readonly leave: AbortSignal;
  readonly graceMs: number;
  /** Told of everything that happens in the jobs of this runner, as it happens. */
  readonly onEvent?: (job: Job, event: BuildEvent) => void;
  readonly onTaken?: (lease: Lease) => void;
  /** Told, once, of what keeps the hand from taking jobs or settling them, and may pass: a disk that is full. */
  readonly onTrouble?: (sentence: string) => void;
  readonly onEnded?: (job: Job, outcome: Outcome, used: boolean) => void;
}

/** Why a nap is over: made once, for a slot is freed often. */
const NUDGE = new Error('a slot is free');
/** Leases are asked about so often at least. */
const MOST_BETWEEN_BEATS_MS = 1000;
const SETTLE_AGAIN_MS = 1000;

interface Held {
  readonly lease: Lease;
  readonly stop: AbortController;
  /** When the lease was last known to be held, in milliseconds of this process's own clock. */
  renewed: number;
}

/**
 * Takes jobs and runs them in slots until it has to leave. A job whose lease is lost, or may be because nobody
 * could be asked for the whole of a lease, is stopped at once: somebody else may have it.
 */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #slots: PQueue;
  readonly #held = new Set<Held>();
  /** Jobs up to the moment when the hand knows their outcome. */
  readonly #ending = new Set<Promise<void>>();
  #nudge = new AbortController();
  #crash: unknown;
  /** What was told of last. */
  #trouble = '';

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#slots = new PQueue({ concurrency: options.slots });
  }

  /** Jobs that run here now. */
  get running(): readonly Job[] {
    return [...this.#held].map(({ lease }) => lease.job);
  }

  async run(): Promise<void> {
    const { leave, graceMs, hand } = this.#options;
    let deadline: NodeJS.Timeout | undefined;
    const leaving = () => {
      this.#nudge.abort(NUDGE);
      deadline = setTimeout(() => {
        for (const { stop } of this.#held) stop.abort(new Stopped('leaving', 'this worker has to stop'));
      }, graceMs);
    };
    leave.addEventListener('abort', leaving);
    if (leave.aborted) leaving();
    try {
      let mayHaveChanged = true;
      while (!leave.aborted || this.#held.size > 0) {
        this.#nudge = new AbortController();
        await this.#beatAll(mayHaveChanged);
        const free = this.#options.slots - this.#held.size;
        if (!leave.aborted && free > 0) for (const lease of await this.#take(free)) this.#start(lease);
        if (this.#crash !== undefined) throw this.#crash;
        if (leave.aborted && this.#held.size === 0) break;
        mayHaveChanged = await this.#nap(hand.leaseMs / 3);
      }
      await Promise.all(this.#ending);
      if (this.#crash !== undefined) throw this.#crash;
    } finally {
      clearTimeout(deadline);
      leave.removeEventListener('abort', leaving);
    }
  }

  async #take(most: number): Promise<readonly Lease[]> {
    try {
      const taken = await this.#options.hand.take(most);
      this.#trouble = '';
      return taken;
    } catch (error) {
      this.#tellTrouble(error);
      return [];
    }
  }

  /** An outcome that can't be noted yet is worth waiting for: without it the job would be run again. */
  async #settle(lease: Lease, outcome: Outcome): Promise<boolean> {
    const { hand, leave } = this.#options;
    for (;;) {
      try {
        return await hand.settle(lease, outcome);
      } catch (error) {
        this.#tellTrouble(error);
        if (leave.aborted) throw error;
        await pause(SETTLE_AGAIN_MS, undefined, { signal: leave }).catch(() => undefined);
      }
    }
  }

  /** @throws what does not pass */
  #tellTrouble(error: unknown): void {
    if (!(error instanceof KilnError && error.transient)) throw error;
    if (this.#trouble !== error.message) this.#options.onTrouble?.(error.message);
    this.#trouble = error.message;
  }

  /** Sleeps until the hand hears of something, or a slot is free. @returns whether it may be the former */
  async #nap(withinMs: number): Promise<boolean> {
    const { signal } = this.#nudge;
    try {
      await this.#options.hand.changed(withinMs, signal);
      return true;
    } catch (error) {
      if (!signal.aborted) throw error;
      return false;
    }
  }

  /** That a slot is free says nothing of the leases of the others: they are not asked about each time. */
  async #beatAll(mayHaveChanged: boolean): Promise<void> {
    const due = performance.now() - Math.min(MOST_BETWEEN_BEATS_MS, this.#options.hand.leaseMs / 3);
    const held = [...this.#held].filter(({ renewed }) => mayHaveChanged || renewed < due);
    await Promise.all(held.map((one) => this.#beat(one)));
  }

  async #beat(held: Held): Promise<void> {
    const { hand } = this.#options;
    if (held.stop.signal.aborted) return;
    const asked = performance.now();
    const beat = await hand.beat(held.lease).catch((error: unknown) => {
      // Out of reach: the lease goes on until it has run out.
      if (performance.now() - held.renewed > hand.leaseMs) return 'lost' as const;
      if (error instanceof KilnError) return undefined;
      throw error;
    });
    if (beat === 'held') held.renewed = asked;
    if (beat === 'cancelled') held.stop.abort(new Stopped('cancelled', 'somebody cancelled it'));
    if (beat === 'lost')
      held.stop.abort(new Stopped('lost', 'the lease was lost: another worker may have it'));
  }

  #start(lease: Lease): void {
    const held: Held = { lease, stop: new AbortController(), renewed: performance.now() };
    this.#held.add(held);
    this.#options.onTaken?.(lease);
    const ending = this.#runOne(held)
      .catch((error: unknown) => {
        this.#crash ??= error;
      })
      .finally(() => {
        this.#free(held);
        this.#ending.delete(ending);
      });
    this.#ending.add(ending);
  }

  async #runOne(held: Held): Promise<void> {
    const { onEnded } = this.#options;
    const { lease } = held;
    const outcome = await this.#slots.add(() => this.#execute(held));
    const settled = this.#settle(lease, outcome);
    // The slot is free: the next take may go to the disk together with this outcome.
    this.#free(held);
    onEnded?.(lease.job, outcome, await settled);
  }

  async #execute({ lease, stop }: Held): Promise<Outcome> {
    const { hand, execute, onEvent } = this.#options;
    const reports = new Reports(hand, lease);
    const outcome = await execute(lease, stop.signal, (event) => {
      onEvent?.(lease.job, event);
      reports.add(event);
    });
    await reports.flush();
    return outcome;
  }

  #free(held: Held): void {
    if (this.#held.delete(held) || this.#crash !== undefined) this.#nudge.abort(NUDGE);
  }
}

const REPORT_EVERY_MS = 200;

/** Passes events on a few at a time: each batch is a commit to the disk, or a trip to Redis. */
class Reports {
  readonly #hand: Hand;
  readonly #lease: Lease;
  #waiting: BuildEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(hand: Hand, lease: Lease) {
    this.#hand = hand;
    this.#lease = lease;
  }

  add(event: BuildEvent): void {
    // What only moves a live display is not for the record; nor is how far a download is.
    if (event.type === 'progress') return;
    if (event.type === 'source' && event.source.status === 'downloading') return;
    this.#waiting.push(event);
    this.#timer ??= setTimeout(() => void this.flush(), REPORT_EVERY_MS);
  }

  /** Never fails: what happens in a build is told for information, and its outcome comes by another way. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#waiting.splice(0);
    if (events.length > 0) {
      this.#sending = this.#sending.then(() => this.#hand.report(this.#lease, events)).catch(() => undefined);
    }
    return this.#sending;
  }
}
