import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ownIdentity, type ProcessIdentity } from '../../src/platform/identity.ts';
import { isSettled, type Job, type Lease } from '../../src/queue/job.ts';
import type { Hand, Queue } from '../../src/queue/queue.ts';
import { outcome, request, result } from './requests.ts';

/** One adapter as the suite drives it. */
export interface Adapter {
  readonly queue: Queue;
  hand(options?: { labels?: Readonly<Record<string, string>> }): Promise<Hand>;
  /** Returns when what was asked of the queue so far has reached the hands. */
  settled(): Promise<void>;
  /** Lets a lease run out. */
  lapse(lease: Lease): Promise<void>;
  /** Lets the time of a back-off pass. */
  later(): Promise<void>;
  close(): Promise<void>;
}

const forever = new AbortController().signal;

/** One who waits for a job on a machine that can't be asked whether that is still so. */
function waiter(host: string): ProcessIdentity {
  return { ...ownIdentity(), host };
}

/** Takes the next job, if there is one now. */
export async function takeOne(hand: Hand): Promise<Lease | undefined> {
  return (await hand.take(1))[0];
}

/** Takes the next job, waiting until there is one. */
export async function takeSoon(hand: Hand): Promise<Lease> {
  for (;;) {
    const lease = await takeOne(hand);
    if (lease !== undefined) return lease;
    await hand.changed(50, forever);
  }
}

/** Waits until the record says so of a job. */
export async function until(queue: Queue, id: string, holds: (job: Job) => boolean): Promise<Job> {
  for (;;) {
    const { cursor } = queue;
    const job = queue.job(id);
    if (holds(job)) return job;
    await queue.changed(cursor, forever);
  }
}

const submit = (queue: Queue, ...requests: Parameters<typeof request>[]): Job[] =>
  queue.submit(requests.map((each) => request(...each))).map(({ job }) => job);

/** What src/queue/queue.ts promises, held against an adapter. */
export function conformance(name: string, open: () => Promise<Adapter>): void {
  describe(`the queue on ${name}`, () => {
    let adapter: Adapter;
    let queue: Queue;
    beforeEach(async () => {
      adapter = await open();
      queue = adapter.queue;
    });
    afterEach(() => adapter.close());

    it('gives each job to one hand, and settles it', async () => {
      const [job] = submit(queue, ['one']);
      const [first, second] = [await adapter.hand(), await adapter.hand()];
      const lease = await takeSoon(first);
      expect(lease.job).toMatchObject({ id: job?.id, recipe: 'one', variants: ['a'] });
      expect(await takeOne(second)).toBeUndefined();
      expect(await first.settle(lease, outcome('done', [result('built')]))).toBe(true);
      const settled = await until(queue, lease.job.id, isSettled);
      expect(settled).toMatchObject({ state: 'done', results: { a: { status: 'built' } }, holder: null });
      await queue.drain(forever);
      expect(await takeOne(first)).toBeUndefined();
    });

    it('does not have one variant built twice at once, though two jobs ask for it differently', async () => {
      const hand = await adapter.hand();
      submit(queue, ['r', { key: 'plain' }], ['other'], ['r', { key: 'other channel' }]);
      await adapter.settled();
      const first = await takeSoon(hand);
      await hand.settle(await takeSoon(hand), outcome('done'));
      await adapter.settled();
      expect(await takeOne(hand)).toBeUndefined();
      await hand.settle(first, outcome('done'));
      expect((await takeSoon(hand)).job.key).toBe('other channel');
    });

    it('joins a job of the same key while it waits and while it runs, and not after', async () => {
      const hand = await adapter.hand();
      const [first] = queue.submit([request('same')]);
      const [waiting] = queue.submit([request('same')]);
      expect(waiting).toMatchObject({ joined: true, job: { id: first?.job.id } });
      const lease = await takeSoon(hand);
      expect(queue.submit([request('same')])[0]).toMatchObject({ joined: true });
      await hand.settle(lease, outcome('done'));
      await until(queue, lease.job.id, isSettled);
      expect(queue.submit([request('same')])[0]).toMatchObject({ joined: false });
    });

    it('runs the highest priority first, and jobs of one priority in their order', async () => {
      const hand = await adapter.hand();
      submit(queue, ['low', { priority: -3 }], ['first'], ['second'], ['high', { priority: 7 }]);
      await adapter.settled();
      const order: string[] = [];
      for (let i = 0; i < 4; i++) order.push((await takeSoon(hand)).job.recipe);
      expect(order).toEqual(['high', 'first', 'second', 'low']);
    });

    it('gives several at once in their order, and no more than are asked for', async () => {
      const hand = await adapter.hand();
      submit(queue, ['low', { priority: -1 }], ['first'], ['second'], ['high', { priority: 1 }]);
      await adapter.settled();
      const names = async (most: number) => (await hand.take(most)).map(({ job }) => job.recipe);
      expect(await names(3)).toEqual(['high', 'first', 'second']);
      expect(await names(3)).toEqual(['low']);
      expect(await names(3)).toEqual([]);
    });

    it('changes the priority of a job that waits', async () => {
      const hand = await adapter.hand();
      const [, late] = submit(queue, ['early'], ['late']);
      await adapter.settled();
      queue.prioritise(late?.id ?? '', 1);
      await adapter.settled();
      expect((await takeSoon(hand)).job.recipe).toBe('late');
    });

    it('gives a job only to a worker with the labels that it requires', async () => {
      const plain = await adapter.hand({ labels: { arch: 'x86_64' } });
      const old = await adapter.hand({ labels: { arch: 'i386', kvm: 'no' } });
      submit(queue, ['needs', { labels: { arch: 'i386' } }]);
      await adapter.settled();
      expect(await takeOne(plain)).toBeUndefined();
      expect((await takeSoon(old)).job.recipe).toBe('needs');
    });

    it('gives nothing out while it is paused', async () => {
      const hand = await adapter.hand();
      queue.pause();
      submit(queue, ['held']);
      await adapter.settled();
      expect(await takeOne(hand)).toBeUndefined();
      queue.resume();
      expect((await takeSoon(hand)).job.recipe).toBe('held');
    });

    it('cancels a job that waits at once', async () => {
      const hand = await adapter.hand();
      const [job] = submit(queue, ['never']);
      await adapter.settled();
      expect(queue.cancel(job?.id ?? '', 'not wanted')).toMatchObject({
        state: 'cancelled',
        why: 'not wanted',
      });
      await adapter.settled();
      expect(await takeOne(hand)).toBeUndefined();
    });

    it('tells the worker of a job that is to stop, which ends as cancelled', async () => {
      const hand = await adapter.hand();
      const [job] = submit(queue, ['stop']);
      const lease = await takeSoon(hand);
      expect(await hand.beat(lease)).toBe('held');
      await until(queue, lease.job.id, ({ state }) => state === 'running');
      queue.cancel(job?.id ?? '', 'changed my mind');
      while ((await hand.beat(lease)) !== 'cancelled') await hand.changed(50, forever);
      await hand.settle(lease, outcome('returned'));
      expect(await until(queue, lease.job.id, isSettled)).toMatchObject({
        state: 'cancelled',
        why: 'changed my mind',
      });
    });

    it('goes on with a job that one of those who wait for it leaves, and stops it when the last one does', async () => {
      const [one, other] = [waiter('one'), waiter('other')];
      const [job] = queue.submit([request('shared')], one);
      const id = job?.job.id ?? '';
      expect(queue.submit([request('shared')], other)).toMatchObject([{ joined: true, job: { id } }]);
      expect(queue.leave(id, one, 'gone home')).toMatchObject({ state: 'waiting', followers: [other] });
      expect(queue.leave(id, other, 'gone too')).toMatchObject({ state: 'cancelled', why: 'gone too' });
    });

    it('goes on with a job that somebody has queued who does not wait for it, whoever leaves', async () => {
      const [first, later] = queue
        .submit([request('queued')])
        .concat(queue.submit([request('kept')], waiter('one')));
      queue.submit([request('queued')], waiter('one'));
      queue.keep(later?.job.id ?? '');
      for (const submitted of [first, later]) {
        expect(queue.leave(submitted?.job.id ?? '', waiter('one'), 'gone home')).toMatchObject({
          state: 'waiting',
        });
      }
    });

    it('does not go on for the sake of one who has died', async () => {
      const dead: ProcessIdentity = { ...ownIdentity(), start: '1' };
      const [submitted] = queue.submit([request('orphan')], dead);
      queue.submit([request('orphan')], waiter('one'));
      const left = queue.leave(submitted?.job.id ?? '', waiter('one'), 'gone home');
      expect(left).toMatchObject({ state: 'cancelled' });
    });

    it('gives a job whose lease ran out to the next, and refuses the outcome of the first', async () => {
      const [first, second] = [await adapter.hand(), await adapter.hand()];
      submit(queue, ['lost']);
      const stale = await takeSoon(first);
      await adapter.lapse(stale);
      const fresh = await takeSoon(second);
      expect(fresh.job.id).toBe(stale.job.id);
      expect(fresh.token).toBeGreaterThan(stale.token);
      expect(await first.beat(stale)).toBe('lost');
      await first.report(stale, [{ type: 'warning', variant: null, sentence: 'from the dead' }]);
      await adapter.settled();
      expect(await second.beat(fresh)).toBe('held');
      expect(await first.settle(stale, outcome('done', [result('built', { bundle: 'stale' })]))).toBe(false);
      expect(await second.settle(fresh, outcome('done', [result('built', { bundle: 'fresh' })]))).toBe(true);
      const job = await until(queue, fresh.job.id, isSettled);
      expect(job.results.a?.bundle).toBe('fresh');
    });

    it('tries a failure that may pass again after a while, and says why', async () => {
      const hand = await adapter.hand();
      submit(queue, ['flaky', { attempts: 2 }]);
      const first = await takeSoon(hand);
      await hand.settle(first, { type: 'retryable', why: 'the server was out of reach', results: [] });
      const job = await until(queue, first.job.id, ({ failures }) => failures === 1);
      expect(job).toMatchObject({ state: 'waiting', why: 'the server was out of reach' });
      expect(job.notBefore).toBeGreaterThan(job.submitted);
      expect(await takeOne(hand)).toBeUndefined();
      await adapter.later();
      const again = await takeSoon(hand);
      expect(again.token).toBeGreaterThan(first.token);
      await hand.settle(again, outcome('retryable'));
      expect(await until(queue, first.job.id, isSettled)).toMatchObject({ state: 'failed', failures: 2 });
    });

    it('does not try a permanent failure again, unless somebody asks for it', async () => {
      const hand = await adapter.hand();
      submit(queue, ['broken']);
      const lease = await takeSoon(hand);
      await hand.settle(lease, outcome('permanent', [result('failed')]));
      await until(queue, lease.job.id, isSettled);
      await adapter.later();
      expect(await takeOne(hand)).toBeUndefined();
      queue.retry(lease.job.id);
      const again = await takeSoon(hand);
      await hand.settle(again, outcome('done', [result('built')]));
      expect(await until(queue, lease.job.id, isSettled)).toMatchObject({ state: 'done' });
    });

    it('takes a job back from a worker that has to stop, and counts no failure', async () => {
      const hand = await adapter.hand();
      submit(queue, ['back']);
      const lease = await takeSoon(hand);
      await hand.settle(lease, outcome('returned'));
      const again = await takeSoon(hand);
      expect(again.job).toMatchObject({ id: lease.job.id, failures: 0 });
    });

    it('tells what happened, from any cursor on', async () => {
      const hand = await adapter.hand();
      const before = queue.cursor;
      const [job] = submit(queue, ['told']);
      const lease = await takeSoon(hand);
      await hand.report(lease, [{ type: 'warning', variant: null, sentence: 'mind the gap' }]);
      await hand.settle(lease, outcome('done'));
      await until(queue, lease.job.id, isSettled);
      const events = queue.events(before).filter((event) => event.job === job?.id);
      expect(events.map(({ news }) => news.type)).toEqual(['submitted', 'taken', 'build', 'settled']);
      expect(events[2]?.news).toMatchObject({ event: { sentence: 'mind the gap' } });
      const middle = events[1]?.cursor ?? 0;
      expect(queue.events(middle).map(({ cursor }) => cursor)).not.toContain(middle);
    });
  });
}
