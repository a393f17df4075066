import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BullmqHand } from '../../src/queue/bullmq.ts';
import { deliveryId, dispatchOf } from '../../src/queue/carried.ts';
import { Dispatcher, type DispatcherOptions } from '../../src/queue/dispatcher.ts';
import { isSettled } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { connectRedis, redisNames, redisWarnings } from '../../src/queue/redis.ts';
import { connectedWorkers, missingWorker } from '../../src/queue/workers.ts';
import { freshDirectory } from '../support/kiln.ts';
import { type Adapter, conformance, takeOne, takeSoon, until } from './conformance.ts';
import { modelTest } from './model.ts';
import { type RedisServer, startRedis } from './redisServer.ts';
import { outcome, request } from './requests.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.kill());

async function open(
  url = server.url,
  commit?: DispatcherOptions['commit'],
): Promise<Adapter & { readonly queue: Ledger }> {
  let clock = Date.UTC(2003, 7, 25);
  const queue = new Ledger(join(freshDirectory('fleet'), 'state.db'), () => clock);
  const redis = await connectRedis(url);
  const names = redisNames(`test-${randomUUID()}`);
  const dispatcher = new Dispatcher({
    ledger: queue,
    redis,
    names,
    stalledCheckMs: 50,
    ...(commit === undefined ? {} : { commit }),
  });
  const stop = new AbortController();
  const running = dispatcher.run(stop.signal);
  const hands: BullmqHand[] = [];
  const connections = [redis];
  const settled = async () => {
    while (!dispatcher.isIdle) await new Promise((done) => setImmediate(done));
  };
  return {
    queue,
    async hand(options = {}) {
      const own = await connectRedis(url);
      connections.push(own);
      const hand = await BullmqHand.open({
        redis: own,
        names,
        // A process that stands still for a while has lost nothing, and what it asks for comes in one answer.
        leaseMs: 600_000,
        patienceMs: 60_000,
        stalledCheckMs: 50,
        ...options,
      });
      hands.push(hand);
      return hand;
    },
    settled,
    async lapse(lease) {
      await until(queue, lease.job.id, ({ token }) => token >= lease.token);
      const delivery = deliveryId(lease.job.id, dispatchOf(lease.token));
      await redis.del(`${names.prefix}:jobs:${delivery}:lock`);
      await until(queue, lease.job.id, ({ token }) => token > lease.token);
    },
    async later() {
      clock += 3_600_000 * 2;
      queue.wake.notify();
      await settled();
    },
    async close() {
      stop.abort();
      await Promise.all(hands.map((hand) => hand.close()));
      await running;
      for (const connection of connections) connection.disconnect();
      queue.close();
    },
  };
}

conformance('Redis', () => open());
modelTest('Redis', () => open(), 12);

it('a bundle that takes long to take in keeps no other job waiting', async () => {
  const goOn = Promise.withResolvers<void>();
  const taken: string[] = [];
  const adapter = await open(server.url, async (job, returned) => {
    taken.push(job.recipe);
    if (job.recipe === 'large') await goOn.promise;
    return returned.outcome;
  });
  const { queue } = adapter;
  const [large = '', small = ''] = queue
    .submit([request('large'), request('small')])
    .map(({ job }) => job.id);
  const hand = await adapter.hand();
  await hand.settle(await takeSoon(hand), outcome('done'));
  await hand.settle(await takeSoon(hand), outcome('done'));
  expect(await until(queue, small, isSettled)).toMatchObject({ state: 'done' });
  expect(queue.job(large)).toMatchObject({ state: 'running' });
  goOn.resolve();
  expect(await until(queue, large, isSettled)).toMatchObject({ state: 'done' });
  expect(taken.sort()).toEqual(['large', 'small']);
  await adapter.close();
});

it('the record knows which workers are connected by Redis, and what they are', async () => {
  const adapter = await open();
  const { queue } = adapter;
  const known = async (count: number) => {
    while (connectedWorkers(queue).length !== count) {
      await queue.wake.wait(queue.wake.count, 50, new AbortController().signal);
    }
    return connectedWorkers(queue).map(({ labels }) => labels);
  };
  const [job] = queue.submit([request('picky', { labels: { arch: 'arm' } })]).map((one) => one.job);
  if (job === undefined) throw new Error('nothing was submitted');
  expect(await known(0)).toEqual([]);
  expect(missingWorker({ ...job, labels: {} }, [])).toBe('waits for a worker: none is connected');
  await adapter.hand({ labels: { arch: 'i386' } });
  expect(await known(1)).toEqual([{ arch: 'i386' }]);
  expect(missingWorker(job, connectedWorkers(queue))).toBe(
    'waits for a worker with arch=arm: none is connected',
  );
  const arm = await adapter.hand({ labels: { arch: 'arm', kvm: 'no' } });
  expect(await known(2)).toContainEqual({ arch: 'arm', kvm: 'no' });
  expect(missingWorker(job, connectedWorkers(queue))).toBeUndefined();
  await arm.close();
  expect(await known(1)).toEqual([{ arch: 'i386' }]);
  await adapter.close();
});

describe('a Redis', () => {
  it('that was emptied gets every unfinished job again from the record; what it had is stopped', async () => {
    const adapter = await open();
    const { queue } = adapter;
    const hand = await adapter.hand();
    queue.submit([request('running'), request('waiting'), request('done')]);
    await adapter.settled();
    const lease = await takeSoon(hand);
    await until(queue, lease.job.id, ({ state }) => state === 'running');
    const admin = await connectRedis(server.url);
    await admin.flushall();
    admin.disconnect();
    expect(await hand.beat(lease)).toBe('lost');
    const next = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const again = await takeSoon(hand);
      next.add(again.job.recipe);
      expect(await hand.settle(again, outcome('done'))).toBe(true);
    }
    expect(next).toEqual(new Set(['running', 'waiting', 'done']));
    await queue.drain(new AbortController().signal);
    expect(queue.jobs().map(({ state }) => state)).toEqual(['done', 'done', 'done']);
    expect(await hand.settle(lease, outcome('done'))).toBe(false);
    await adapter.close();
  });

  it('keeps nothing of jobs that have ended', async () => {
    const adapter = await open();
    const { queue } = adapter;
    const ids = queue.submit([request('one'), request('two'), request('three')]).map(({ job }) => job.id);
    const hand = await adapter.hand();
    for (const kind of ['done', 'permanent', 'cancelled'] as const) {
      const lease = await takeSoon(hand);
      await until(queue, lease.job.id, ({ state }) => state === 'running');
      if (kind === 'cancelled') queue.cancel(lease.job.id, 'not wanted');
      await hand.settle(lease, outcome(kind));
    }
    await queue.drain(new AbortController().signal);
    await adapter.settled();
    const admin = await connectRedis(server.url);
    const [waiting = ''] = queue.submit([request('four')]).map(({ job }) => job.id);
    await adapter.settled();
    const keys = await admin.keys('*');
    // That it was to stop is remembered for a while, for whoever may have it.
    const about = (id: string) => keys.filter((key) => key.includes(id) && !key.includes(':stopped:')).length;
    expect(ids.map(about)).toEqual([0, 0, 0]);
    expect(about(waiting)).toBe(1);
    const lists = keys.filter((key) => key.endsWith(':jobs:completed'));
    for (const key of lists) expect(await admin.zcard(key), key).toBe(0);
    admin.disconnect();
    await adapter.close();
  });

  it('that is killed and comes back empty loses no job', async () => {
    const own = await startRedis();
    const adapter = await open(own.url);
    const { queue } = adapter;
    const hand = await adapter.hand();
    const [submitted] = queue.submit([request('survivor')]);
    await adapter.settled();
    await own.kill();
    await own.start();
    const lease = await takeSoon(hand);
    expect(lease.job.id).toBe(submitted?.job.id);
    await hand.settle(lease, outcome('done'));
    expect(await until(queue, lease.job.id, isSettled)).toMatchObject({ state: 'done', lost: 0 });
    await adapter.close();
    await own.kill();
  });

  it('that is full keeps workers and jobs: what could not be written is when there is room', async () => {
    const own = await startRedis();
    const adapter = await open(own.url);
    const { queue } = adapter;
    const hand = await adapter.hand();
    queue.submit([request('running')]);
    const lease = await takeSoon(hand);
    await until(queue, lease.job.id, ({ state }) => state === 'running');
    const admin = await connectRedis(own.url);
    await admin.config('SET', 'maxmemory', '1');
    await expect(hand.beat(lease)).rejects.toThrow(/^Redis refuses: OOM /);
    queue.submit([request('waiting')]);
    expect(await takeOne(hand)).toBeUndefined();
    await admin.config('SET', 'maxmemory', '0');
    admin.disconnect();
    expect(await hand.beat(lease)).toBe('held');
    await hand.settle(lease, outcome('done'));
    await hand.settle(await takeSoon(hand), outcome('done'));
    await queue.drain(new AbortController().signal);
    expect(queue.jobs().map(({ state, lost }) => [state, lost])).toEqual([
      ['done', 0],
      ['done', 0],
    ]);
    await adapter.close();
    await own.kill();
  });

  it('that could lose jobs by its settings is warned of in words', async () => {
    const redis = await connectRedis(server.url);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const warnings = await redisWarnings(redis);
    expect(warnings).toEqual([
      expect.stringMatching(/may evict jobs .*allkeys-lru.*noeviction/),
      expect.stringMatching(/forgets the last jobs .*appendonly/),
    ]);
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
    await redis.config('SET', 'appendonly', 'yes');
    expect(await redisWarnings(redis)).toEqual([]);
    await redis.config('SET', 'appendonly', 'no');
    redis.disconnect();
  });

  it('that is not there is named, and what to do', async () => {
    await expect(connectRedis('redis://127.0.0.1:1')).rejects.toThrow(
      /Redis at 127.0.0.1:1 can't be reached/,
    );
    await expect(connectRedis('nonsense')).rejects.toThrow(/expected a URL/);
  });
});
