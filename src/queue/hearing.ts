import { deliveryId, dispatchOf, EVERY_DELIVERY, jobIdOf, type Progress, type Returned } from './carried.ts';
import { isSettled, type Job, type Outcome } from './job.ts';
import type { Ledger } from './ledger.ts';
import { finish, lapse, type Refusal, type Step, take } from './machine.ts';
import type { CarriedQueue, Heard } from './routes.ts';
import { TakingIn } from './takingIn.ts';
import { together } from './together.ts';

export interface HearingOptions {
  readonly ledger: Ledger;
  /** Takes in what a worker has built, before the record says that it is done; gives the outcome as it then is. */
  readonly commit: ((job: Job, returned: Returned) => Promise<Outcome>) | undefined;
  /** Tells whoever has a delivery to stop: one whose token was passed by, or everybody when the job is cancelled. */
  readonly stop: (delivery: string, token: number | string) => Promise<void>;
  /** Removes what has ended from Redis. */
  readonly forget: (queue: CarriedQueue, deliveries: readonly string[]) => Promise<void>;
  /** Told of jobs whose end came on record beside all else. */
  readonly ended: (ids: readonly string[]) => void;
}

type Completed = Pick<Extract<Heard, { type: 'completed' }>, 'delivery' | 'returned' | 'queue'>;

/** A delivery that is to be stopped: up to this token. */
interface Passed {
  readonly delivery: string;
  readonly token: number | string;
}

/** Brings what workers say, and what BullMQ has noticed of them, into the record. */
export class Hearing {
  readonly #options: HearingOptions;
  readonly #ledger: Ledger;
  readonly #takingIn: TakingIn;

  constructor(options: HearingOptions) {
    this.#options = options;
    this.#ledger = options.ledger;
    this.#takingIn = new TakingIn(() => this.#ledger.wake.notify());
  }

  /** True while something is taken in. */
  get isBusy(): boolean {
    return this.#takingIn.isBusy;
  }

  /** Returns when nothing is taken in any more. */
  stop(): Promise<void> {
    return this.#takingIn.stop();
  }

  /**
   * Takes in what was heard, in its order for each job, by as few commits as can be.
   * @returns the jobs whose end is on record by it
   */
  async take(heard: readonly Heard[]): Promise<string[]> {
    this.#takingIn.check();
    const told = heard.filter((one) => one.type !== 'completed');
    const completed = heard.filter((one) => one.type === 'completed');
    // Both are written by one commit, where nothing has to be taken in.
    const [noted, ended] = await Promise.allSettled([this.#note(told), this.#endAll(completed)]);
    // Nothing goes on behind the back of whoever tries again.
    if (noted.status === 'rejected') throw noted.reason;
    if (ended.status === 'rejected') throw ended.reason;
    return ended.value;
  }

  /** A worker has a delivery, or tells what happens in it; or it was lost. */
  async #note(told: readonly Exclude<Heard, { type: 'completed' }>[]): Promise<void> {
    if (told.length === 0) return;
    const passed = await this.#ledger.writeSoon(() =>
      told.flatMap((one) => {
        const stop =
          one.type === 'progress' ? this.#progress(one.delivery, one.progress) : this.#stalled(one.delivery);
        return stop === undefined ? [] : [stop];
      }),
    );
    await together(passed, ({ delivery, token }) => this.#options.stop(delivery, token));
  }

  #progress(delivery: string, progress: Progress | undefined): Passed | undefined {
    if (typeof progress?.token !== 'number') return undefined;
    const { token, worker, identity, events } = progress;
    let job = this.#ledger.find(jobIdOf(delivery));
    if (job === undefined || isSettled(job)) return { delivery, token: EVERY_DELIVERY };
    if (token > job.token) {
      const step = take(job, { worker, identity, until: Number.MAX_SAFE_INTEGER }, token);
      if ('refused' in step) return { delivery, token };
      job = this.#ledger.save(step);
    }
    if (job.state !== 'running' || token !== job.token) return { delivery, token };
    // Told for information: a variant is built when its bundle is in this home, not when a worker says so.
    for (const event of events) this.#ledger.tell(job.id, { type: 'build', event });
    return undefined;
  }

  /** BullMQ has seen that a worker's lock ran out, and gives the job to the next. */
  #stalled(delivery: string): undefined {
    const job = this.#ledger.find(jobIdOf(delivery));
    if (job?.state !== 'running' || deliveryId(job.id, dispatchOf(job.token)) !== delivery) return;
    this.#ledger.save(lapse(job, `${job.holder?.worker ?? 'its worker'} was lost`));
  }

  /** What brings files with it is taken in beside all else. */
  async #endAll(completed: readonly Completed[]): Promise<string[]> {
    if (this.#options.commit === undefined) return this.#end(completed);
    for (const one of completed) {
      this.#takingIn.start(one.delivery, async () => this.#options.ended(await this.#end([one])));
    }
    return [];
  }

  /** Notes what deliveries have come to; they leave Redis when that is on record. */
  async #end(completed: readonly Completed[]): Promise<string[]> {
    const ended: string[] = [];
    const over = new Map<CarriedQueue, string[]>();
    await together(completed, async ({ delivery, returned, queue }) => {
      const job = await this.#endOne(delivery, returned);
      if (job !== undefined && isSettled(job)) ended.push(job.id);
      over.set(queue, [...(over.get(queue) ?? []), delivery]);
    });
    await together(over, ([queue, deliveries]) => this.#options.forget(queue, deliveries));
    return ended;
  }

  async #endOne(delivery: string, returned: Returned): Promise<Job | undefined> {
    const job = this.#ledger.find(jobIdOf(delivery));
    if (job === undefined || isSettled(job)) return undefined;
    if (returned.token < job.token) {
      await this.#ledger.writeSoon(() =>
        this.#ledger.tell(job.id, { type: 'refused', token: returned.token, why: 'a later delivery has it' }),
      );
      return undefined;
    }
    const taken = (await this.#options.commit?.(job, returned)) ?? returned.outcome;
    return this.apply(job.id, (now) => {
      // Only the record knows who is cancelled: a worker that was told to stop for another reason has handed back.
      const isReturned = taken.type === 'cancelled' && now.cancelling === null;
      const outcome: Outcome = isReturned ? { ...taken, type: 'returned' } : taken;
      return finish(now, returned.token, outcome, this.#ledger.now());
    });
  }

  /** @returns the job as the command has left it; undefined when it was refused */
  apply(id: string, command: (job: Job) => Step | Refusal): Promise<Job | undefined> {
    return this.#ledger.writeSoon(() => {
      const job = this.#ledger.find(id);
      const step = job === undefined ? undefined : command(job);
      return step === undefined || 'refused' in step ? undefined : this.#ledger.save(step);
    });
  }
}
