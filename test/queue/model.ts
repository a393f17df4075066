import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Lease, Outcome } from '../../src/queue/job.ts';
import type { Hand } from '../../src/queue/queue.ts';
import { type Adapter, takeOne, takeSoon, until } from './conformance.ts';
import { outcome, request } from './requests.ts';

type Command =
  | { readonly type: 'submit'; readonly key: number; readonly priority: number }
  | { readonly type: 'take' }
  | { readonly type: 'settle'; readonly which: number; readonly as: Outcome['type'] }
  | { readonly type: 'lapse'; readonly which: number }
  | { readonly type: 'cancel'; readonly which: number }
  | { readonly type: 'retry'; readonly which: number }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' };

const which = fc.nat({ max: 20 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('submit' as const),
      key: fc.nat({ max: 5 }),
      priority: fc.integer({ min: -2, max: 2 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('take' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('settle' as const),
      which,
      as: fc.constantFrom<Outcome['type'][]>('done', 'retryable', 'permanent', 'cancelled', 'returned'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('lapse' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('cancel' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('retry' as const), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('pause' as const, 'resume' as const) }) },
);

type State = 'waiting' | 'running' | 'settled';

/** What is known of a job from outside: who has it, under which token, and whether it is over. */
interface Known {
  readonly id: string;
  readonly key: number;
  state: State;
  cancelling: boolean;
  lease: Lease | undefined;
  readonly stale: NonNullable<Lease | undefined>[];
}

/**
 * Any sequence of commands against the simplest model that tells right from wrong: a job is in one hand at most,
 * tokens grow, what is settled stays so, and at the end everything can be brought to an end.
 * @param runs how many sequences, unless $KILN_MODEL_RUNS says it
 */
export function modelTest(name: string, open: () => Promise<Adapter>, runs: number): void {
  it(`any sequence of commands on ${name} leaves each job in one hand at most, and none lost`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 25 }), async (commands) => {
        const adapter = await open();
        try {
          const run = new Run(adapter, await adapter.hand());
          for (const each of commands) await run.apply(each);
          await run.finishAll();
        } finally {
          await adapter.close();
        }
      }),
      { numRuns: Number(process.env.KILN_MODEL_RUNS ?? runs) },
    );
  });
}

class Run {
  readonly #adapter: Adapter;
  readonly #hand: Hand;
  readonly #jobs: Known[] = [];
  #paused = false;

  constructor(adapter: Adapter, hand: Hand) {
    this.#adapter = adapter;
    this.#hand = hand;
  }

  async apply(command: Command): Promise<void> {
    const { queue } = this.#adapter;
    switch (command.type) {
      case 'submit':
        return this.#submit(command.key, command.priority);
      case 'take':
        return this.#take();
      case 'settle':
        return this.#settle(command.which, command.as);
      case 'lapse':
        return this.#lapse(command.which);
      case 'cancel': {
        const job = this.#jobs[command.which];
        if (job === undefined || job.state === 'settled') return;
        queue.cancel(job.id, 'by the test');
        if (job.state === 'waiting') job.state = 'settled';
        else job.cancelling = true;
        return this.#adapter.settled();
      }
      case 'retry': {
        const job = this.#jobs[command.which];
        const twin = this.#jobs.some((one) => one.key === job?.key && one.state !== 'settled');
        if (job?.state !== 'settled' || queue.job(job.id).state === 'done' || twin) return;
        queue.retry(job.id);
        Object.assign(job, { state: 'waiting', cancelling: false, lease: undefined });
        return this.#adapter.settled();
      }
      case 'pause':
      case 'resume':
        this.#paused = command.type === 'pause';
        queue[command.type]();
        return this.#adapter.settled();
    }
  }

  async #submit(key: number, priority: number): Promise<void> {
    const [submitted] = this.#adapter.queue.submit([request(`r${key}`, { priority })]);
    if (submitted === undefined) throw new Error('nothing was submitted');
    const live = this.#jobs.find((job) => job.key === key && job.state !== 'settled' && !job.cancelling);
    expect(submitted.joined).toBe(live !== undefined);
    if (live !== undefined) expect(submitted.job.id).toBe(live.id);
    else {
      const { id } = submitted.job;
      this.#jobs.push({ id, key, state: 'waiting', cancelling: false, lease: undefined, stale: [] });
    }
    await this.#adapter.settled();
  }

  async #take(): Promise<void> {
    const lease = await takeOne(this.#hand);
    if (lease === undefined) return;
    expect(this.#paused).toBe(false);
    const job = this.#jobs.find(({ id }) => id === lease.job.id);
    expect(job?.state).toBe('waiting');
    if (job === undefined) return;
    for (const stale of job.stale) expect(lease.token).toBeGreaterThan(stale.token);
    Object.assign(job, { state: 'running', lease });
    await until(this.#adapter.queue, job.id, ({ token }) => token === lease.token);
  }

  async #settle(index: number, as: Outcome['type']): Promise<void> {
    const job = this.#jobs[index];
    for (const stale of job?.stale ?? []) expect(await this.#hand.settle(stale, outcome('done'))).toBe(false);
    if (job?.lease === undefined) return;
    const { lease } = job;
    expect(await this.#hand.settle(lease, outcome(as))).toBe(true);
    const now = await until(this.#adapter.queue, job.id, ({ holder }) => holder === null);
    job.state = now.state === 'waiting' ? 'waiting' : 'settled';
    Object.assign(job, { cancelling: false, lease: undefined });
    job.stale.push(lease);
    await this.#adapter.settled();
  }

  async #lapse(index: number): Promise<void> {
    const job = this.#jobs[index];
    if (job?.lease === undefined) return;
    // Time passes for all of them.
    const running = this.#jobs.filter(({ lease }) => lease !== undefined);
    for (const { lease } of running) if (lease !== undefined) await this.#adapter.lapse(lease);
    for (const each of running) {
      if (each.lease !== undefined) each.stale.push(each.lease);
      Object.assign(each, { lease: undefined, state: each.cancelling ? 'settled' : 'waiting' });
    }
    // Whoever looks next finds out.
    await this.#take();
  }

  async finishAll(): Promise<void> {
    const { queue } = this.#adapter;
    queue.resume();
    this.#paused = false;
    await this.#adapter.settled();
    await this.#adapter.later();
    for (const { id, lease } of this.#jobs) {
      if (lease === undefined) continue;
      await this.#hand.settle(lease, outcome('done'));
      await until(queue, id, ({ holder }) => holder === null);
    }
    for (;;) {
      const open = queue.jobs(['waiting', 'running']);
      if (open.length === 0) break;
      const lease = await takeSoon(this.#hand);
      await this.#hand.settle(lease, outcome('done'));
      await until(queue, lease.job.id, ({ holder, token }) => holder === null && token >= lease.token);
    }
    expect(queue.jobs().map(({ id }) => id)).toEqual(this.#jobs.map(({ id }) => id));
  }
}
