import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { QueueEvents } from 'bullmq';
import { afterEach, describe, expect, it } from 'vitest';
import { BullmqHand } from '../../src/queue/bullmq.ts';
import { Dispatcher } from '../../src/queue/dispatcher.ts';
import { DirectoryExchange } from '../../src/queue/exchange.ts';
import { isSettled } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { connectRedis } from '../../src/queue/redis.ts';
import { connectedWorkers } from '../../src/queue/workers.ts';
import { buildJson, freshDirectory, kiln, processesWith } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';
import { until } from './conformance.ts';
import { Fleet } from './fleet.ts';

const never = new AbortController().signal;
const open: Fleet[] = [];
afterEach(async () => {
  for (const fleet of open.splice(0)) await fleet.stop();
});

/** Seconds until a worker that is heard of no more has lost its job: more than one that is alive stands still. */
const SHORT_LEASE = 10;

async function start(workers: number, shared?: string, lease?: number): Promise<Fleet> {
  const fleet = await Fleet.start(workers, shared, lease);
  open.push(fleet);
  return fleet;
}

/** Queues a variant of the sample, and opens the record. */
async function add(fleet: Fleet): Promise<{ id: string; ledger: Ledger }> {
  const ran = await kiln(['queue', 'add', 'sample:ne2k', '--json', '--home', fleet.home]);
  const id = (JSON.parse(ran.stdout) as { jobs: { id: string }[] }).jobs[0]?.id ?? '';
  return { id, ledger: new Ledger(join(fleet.home, 'state.db')) };
}

/** Returns when a worker has done a step of a job. */
async function underWay(ledger: Ledger, id: string): Promise<void> {
  await until(ledger, id, () =>
    ledger.historyOf(id).some(({ news }) => news.type === 'build' && news.event.type === 'step-done'),
  );
}

describe('a fleet', () => {
  it('builds on a worker what is published by the coordinator: the same bytes as at home', async () => {
    const fleet = await start(1);
    const { ran, jobs } = await buildJson(['sample:ne2k', '--home', fleet.home]);
    expect(ran.code, ran.stderr + fleet.said('coordinator') + fleet.said('worker 0')).toBe(0);
    expect(jobs).toMatchObject([{ status: 'published', channel: 'sample/ne2k', generation: 1 }]);
    const here = freshDirectory('home');
    await buildJson(['sample:ne2k', '--no-publish', '--home', here]);
    const bundle = `bundles/sample/ne2k/${jobs[0]?.bundle}/manifest.json`;
    expect(readFileSync(join(fleet.home, bundle), 'utf8')).toBe(readFileSync(join(here, bundle), 'utf8'));
    expect((await kiln(['verify', '--home', fleet.home])).code).toBe(0);
    expect(existsSync(join(fleet.workers[0] ?? '', 'tftp/sample'))).toBe(false);
  });

  it("shows a worker's log while it grows: kiln logs -f from before it is begun to its end", async () => {
    const fleet = await start(0);
    const { id, ledger } = await add(fleet);
    const following = kiln(['logs', '-f', id, '--home', fleet.home]);
    await fleet.startWorker(0);
    const followed = await following;
    expect(followed.stdout).toMatch(/^# sample:ne2k\n[\s\S]*# finished: built\n$/);
    await until(ledger, id, isSettled);
    ledger.close();
    expect((await kiln(['logs', id, '--home', fleet.home])).stdout).toBe(followed.stdout);
  });

  it('does with a directory that all machines share what it does over HTTP', async () => {
    const fleet = await start(1, freshDirectory('shared'));
    const { id, ledger } = await add(fleet);
    expect(await until(ledger, id, isSettled)).toMatchObject({
      state: 'done',
      results: { ne2k: { status: 'published', generation: 1 } },
    });
    ledger.close();
    const log = await kiln(['logs', id, '--home', fleet.home]);
    expect(log.stdout).toMatch(/# finished: built\n$/);
  });

  it('builds a recipe of its own directory, patches and fragments with it', async () => {
    const fleet = await start(1);
    const { ran, jobs } = await buildJson([writeRecipe(), '--home', fleet.home]);
    expect(ran.code, ran.stderr + fleet.said('worker 0')).toBe(0);
    expect(jobs).toMatchObject([{ recipe: 'own', status: 'published', channel: 'own/a' }]);
  });

  it('stops a job that is cancelled on the worker that has it, and leaves no process of it', async () => {
    const fleet = await start(1);
    const { id, ledger } = await add(fleet);
    await underWay(ledger, id);
    ledger.cancel(id, 'not wanted');
    const job = await until(ledger, id, isSettled);
    ledger.close();
    expect(job).toMatchObject({ state: 'cancelled', why: 'not wanted' });
    expect(processesWith(join(fleet.workers[0] ?? '', 'cache/work'))).toEqual([]);
  });

  it('lets a worker finish what it has at SIGTERM', async () => {
    const fleet = await start(0);
    await fleet.startWorker(0, '--grace', '600');
    const { id, ledger } = await add(fleet);
    await underWay(ledger, id);
    fleet.signal('worker 0', 'SIGTERM');
    expect(await fleet.ended('worker 0')).toBe(0);
    expect(await until(ledger, id, isSettled)).toMatchObject({ state: 'done', lost: 0, failures: 0 });
    ledger.close();
  });

  it('gives to another what a worker hands back when its time after SIGTERM is over', async () => {
    const fleet = await start(0);
    await fleet.startWorker(0);
    const { id, ledger } = await add(fleet);
    await underWay(ledger, id);
    fleet.signal('worker 0', 'SIGTERM');
    expect(await fleet.ended('worker 0')).toBe(0);
    expect(processesWith(join(fleet.workers[0] ?? '', 'cache/'))).toEqual([]);
    expect(await until(ledger, id, ({ holder }) => holder === null)).toMatchObject({ state: 'waiting' });
    await fleet.startWorker(0);
    expect(await until(ledger, id, isSettled)).toMatchObject({ state: 'done', lost: 0, failures: 0 });
    ledger.close();
  });

  it('loses nothing when a second SIGTERM ends a worker at once', async () => {
    const fleet = await start(0);
    await fleet.startWorker(0, '--grace', '600', '--lease', String(SHORT_LEASE));
    const { id, ledger } = await add(fleet);
    await underWay(ledger, id);
    fleet.signal('worker 0', 'SIGTERM');
    await fleet.says('worker 0', /stopping: 1 running, given 600 s to finish/);
    fleet.signal('worker 0', 'SIGTERM');
    expect(await fleet.ended('worker 0')).toBe(143);
    await fleet.startWorker(0);
    expect(await until(ledger, id, isSettled)).toMatchObject({ state: 'done', lost: 1 });
    ledger.close();
  });

  it('says of a job whose only worker was killed that it waits, and for what', async () => {
    const fleet = await start(1, undefined, SHORT_LEASE);
    const { id, ledger } = await add(fleet);
    await underWay(ledger, id);
    const { holder } = ledger.job(id);
    await fleet.kill('worker 0');
    expect((await until(ledger, id, ({ state }) => state === 'waiting')).why).toBe(
      `${holder?.worker} was lost`,
    );
    while (connectedWorkers(ledger).length > 0) await ledger.wake.wait(ledger.wake.count, 100, never);
    const shown = await kiln(['queue', 'show', id, '--home', fleet.home]);
    expect(shown.stdout).toMatch(/waits for a worker: none is connected/);
    ledger.close();
  });

  it('says so as well when its coordinator was away while the worker was lost', async () => {
    const fleet = await start(1, undefined, SHORT_LEASE);
    const { id, ledger } = await add(fleet);
    await underWay(ledger, id);
    await fleet.kill('coordinator');
    await fleet.kill('worker 0');
    const redis = await connectRedis(fleet.redis.url);
    const other = await BullmqHand.open({ redis, leaseMs: 3000, stalledCheckMs: 50 });
    // One who looks whose lock has run out, and takes nothing but what requires no label, as this job does.
    const events = new QueueEvents('jobs', { connection: redis, prefix: 'kiln' });
    await events.waitUntilReady();
    const stalled = new Promise<void>((done) => events.on('stalled', () => done()));
    await other.take(0);
    await stalled;
    await other.close();
    await events.close();
    redis.disconnect();
    expect(ledger.job(id)).toMatchObject({ state: 'running' });
    await fleet.startCoordinator();
    const { why } = await until(ledger, id, ({ state }) => state === 'waiting');
    expect(why).toMatch(/^\S+\/\d+ was lost$/);
    ledger.close();
  });

  it('has a job built by another when nothing is heard of a worker, whose own outcome is not used', async () => {
    const fleet = await start(1, undefined, SHORT_LEASE);
    const { id, ledger } = await add(fleet);
    await underWay(ledger, id);
    fleet.signal('worker 0', 'SIGSTOP');
    await fleet.startWorker(1, '--lease', '120');
    expect(await until(ledger, id, isSettled)).toMatchObject({ state: 'done', lost: 1 });
    fleet.signal('worker 0', 'SIGCONT');
    await fleet.says('worker 0', /not used: another worker has it/);
    expect(ledger.historyOf(id).filter(({ news }) => news.type === 'settled')).toHaveLength(1);
    expect(ledger.job(id).results.ne2k).toMatchObject({ status: 'published', generation: 1 });
    ledger.close();
    expect(processesWith(join(fleet.workers[0] ?? '', 'cache/'))).toEqual([]);
  });

  it('keeps a job for workers of its own version: one of another ends with a sentence', async () => {
    const shared = freshDirectory('shared');
    const fleet = await start(1, shared);
    // As if the checkout had been brought up to date and the coordinator started again, but not the worker.
    await fleet.kill('coordinator');
    const { id, ledger } = await add(fleet);
    const redis = await connectRedis(fleet.redis.url);
    const stop = new AbortController();
    const packed = { version: '9.9.9+0123456789ab', recipe: '', files: {}, lockFile: '', sources: [] };
    await new DirectoryExchange(shared).prepare('9.9.9+0123456789ab');
    const dispatching = new Dispatcher({ ledger, redis, prepare: async () => packed }).run(stop.signal);
    expect(await fleet.ended('worker 0')).toBe(2);
    expect(fleet.said('worker 0')).toMatch(
      /the coordinator runs Kiln 9\.9\.9\+.*, this worker .*have to be the same/,
    );
    expect(ledger.job(id)).toMatchObject({ failures: 0, lost: 0 });
    stop.abort();
    await dispatching;
    redis.disconnect();
    ledger.close();
    const args = ['--redis', fleet.redis.url, '--store', shared, '--home', freshDirectory('worker')];
    const late = await kiln(['worker', ...args]);
    expect(late.code).toBe(2);
    expect(late.stderr).toMatch(/the coordinator runs Kiln 9\.9\.9\+.*, this worker .*have to be the same/);
  });

  it('keeps no job waiting for the slow download of another, and ends none because the coordinator ends', async () => {
    const asked = Promise.withResolvers<void>();
    // It takes the question, and says nothing.
    const slow = createServer(() => asked.resolve()).listen(0, '127.0.0.1');
    await once(slow, 'listening');
    const { port } = slow.address() as AddressInfo;
    const fleet = await start(1);
    const recipe = writeRecipe({ urls: [`http://127.0.0.1:${port}/linux-2.4.99.tar.bz2`] });
    expect((await kiln(['queue', 'add', recipe, '--home', fleet.home])).code).toBe(0);
    await asked.promise;
    const { id, ledger } = await add(fleet);
    expect(await until(ledger, id, isSettled)).toMatchObject({ state: 'done' });
    fleet.signal('coordinator', 'SIGTERM');
    expect(await fleet.ended('coordinator')).toBe(0);
    expect(ledger.jobs(['waiting'])).toMatchObject([{ recipe: 'own', failures: 0, lost: 0, why: null }]);
    ledger.close();
    slow.closeAllConnections();
    slow.close();
  });

  it('goes on with what was sent before both were brought up to date', async () => {
    const fleet = await start(1);
    await fleet.kill('worker 0');
    await fleet.kill('coordinator');
    const { id, ledger } = await add(fleet);
    const redis = await connectRedis(fleet.redis.url);
    const stop = new AbortController();
    const packed = { version: '0.0.1+0123456789ab', recipe: '', files: {}, lockFile: '', sources: [] };
    const older = new Dispatcher({ ledger, redis, prepare: async () => packed });
    const dispatching = older.run(stop.signal);
    while (ledger.job(id).token === 0 || !older.isIdle) await new Promise((done) => setImmediate(done));
    stop.abort();
    await dispatching;
    redis.disconnect();
    await fleet.startCoordinator();
    await fleet.startWorker(0);
    expect(await until(ledger, id, isSettled)).toMatchObject({ state: 'done', failures: 0, lost: 0 });
    expect(ledger.historyOf(id).flatMap(({ news }) => (news.type === 'waiting' ? [news.why] : []))).toEqual([
      'it was sent by Kiln 0.0.1+0123456789ab, before the coordinator was of this version',
    ]);
    fleet.signal('worker 0', 'SIGTERM');
    expect(await fleet.ended('worker 0')).toBe(0);
    ledger.close();
  });

  it('refuses a coordinator of another home, whose jobs each would take for leftovers', async () => {
    const fleet = await start(0);
    const serve = ['serve', '--listen', '127.0.0.1:0', '--home', freshDirectory('coordinator')];
    const other = await kiln([...serve, '--redis', fleet.redis.url]);
    expect(other.code).toBe(5);
    expect(other.stderr).toMatch(/another coordinator, \S+\/\d+, gives out its jobs by this Redis/);
    expect(other.stderr).toMatch(/one Redis serves one coordinator/);
    const { host } = new URL(fleet.url);
    const taken = await kiln([...serve, '--redis', `${fleet.redis.url}/1`, '--listen', host]);
    expect(taken.code).toBe(5);
    expect(taken.stderr).toMatch(/somebody listens on/);
    // Its own comes back at once, however it ended.
    await fleet.kill('coordinator');
    await fleet.startCoordinator();
  });

  it('warns of a Redis that forgets; refuses a worker with a wrong token, one without one, and one that no coordinator prepared for', async () => {
    const fleet = await start(0);
    expect(fleet.said('coordinator')).toMatch(/warning: Redis forgets the last jobs when it dies/);
    const args = ['worker', '--redis', fleet.redis.url, '--home', freshDirectory('worker')];
    const wrong = await kiln([...args, '--store', fleet.url], { KILN_STORE_TOKEN: 'guess' });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/does not know this token/);
    const none = await kiln([...args, '--store', fleet.url]);
    expect(none.stderr).toMatch(/the store wants a token/);
    const empty = await kiln([...args, '--store', freshDirectory('shared')]);
    expect(empty.code).toBe(1);
    expect(empty.stderr).toMatch(/no coordinator has prepared/);
  });
});
