import { chmodSync, existsSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bundleDirectory } from '../../src/bundle/index.ts';
import { digestFile } from '../../src/platform/digest.ts';
import { homeAt } from '../../src/platform/home.ts';
import { pinChannel } from '../../src/publish/index.ts';
import { type Delivered, sendBundles, takeIn } from '../../src/queue/delivery.ts';
import { DirectoryExchange } from '../../src/queue/exchange.ts';
import { isFinal, type Job } from '../../src/queue/job.ts';
import { homeWith, storeBundle } from '../publish/fixture.ts';
import { freshDirectory } from '../support/kiln.ts';
import { outcome, request, result } from './requests.ts';

const never = new AbortController().signal;
const DAY = 86_400_000;

/** A worker that has built a bundle and sent it, and the coordinator that it was sent to. */
async function sent(id = 'r-1') {
  const worker = (await homeWith()).home;
  await storeBundle(worker, id, { manifest: { channel: 'lts/demo' } });
  const exchange = new DirectoryExchange(freshDirectory('exchange'));
  const built = outcome('done', [result('built', { recipe: 'demo', bundle: id })]);
  const bundles = await sendBundles(worker, built.results, exchange, never);
  const delivered: Delivered = { token: 1002, outcome: built, bundles };
  const job = { ...request('demo'), id: 'j0123456789' } as unknown as Job;
  return { worker, exchange, delivered, job, home: homeAt(freshDirectory('coordinator')) };
}

describe('a delivery', () => {
  it('may be taken in twice: its files stay for those who count on them', async () => {
    const { exchange, delivered, job, home } = await sent();
    expect(await takeIn(job, delivered, home, exchange)).toMatchObject({ type: 'done' });
    expect(existsSync(bundleDirectory(home, 'demo', 'a', 'r-1'))).toBe(true);
    expect(await takeIn(job, delivered, home, exchange)).toMatchObject({ type: 'done' });
  });

  it('whose files are gone is asked for again', async () => {
    const { exchange, delivered, job, home } = await sent();
    rmSync(join(exchange.root, 'files'), { recursive: true });
    const taken = await takeIn(job, delivered, home, exchange);
    expect(taken).toMatchObject({ type: 'retryable', why: expect.stringMatching(/has no file sha256:/) });
    expect(taken.results).toMatchObject([{ status: 'failed', error: { transient: true } }]);
  });

  it('of a worker that had to stop counts nothing as built whose bundle did not come', async () => {
    const { exchange, delivered, job, home } = await sent();
    for (const type of ['done', 'returned', 'cancelled'] as const) {
      const { results } = delivered.outcome;
      const taken = await takeIn(job, { token: 1002, outcome: outcome(type, results) }, home, exchange);
      expect(taken.type).toBe(type === 'done' ? 'retryable' : type);
      expect(taken.results.filter(isFinal)).toEqual([]);
    }
  });

  it('to a channel that is pinned is not tried again: that passes only when somebody unpins it', async () => {
    const home = homeAt(freshDirectory('coordinator'));
    const take = async (id: string) => {
      const { exchange, delivered, job } = await sent(id);
      return takeIn({ ...job, spec: { ...job.spec, publish: true } }, delivered, home, exchange);
    };
    expect(await take('r-1')).toMatchObject({ type: 'done', results: [{ status: 'published' }] });
    await pinChannel(home, 'lts/demo', { by: 'tester', reason: 'exam week' });
    expect(await take('r-2')).toMatchObject({ type: 'permanent', results: [{ status: 'failed' }] });
  });

  it('with a file that a bad disk has changed in the exchange is whole when it is sent again', async () => {
    const { worker, exchange, delivered, job, home } = await sent();
    const kernel = exchange.pathOf(delivered.bundles?.a?.vmlinuz ?? '');
    chmodSync(kernel, 0o644);
    writeFileSync(kernel, 'rust');
    expect(await takeIn(job, delivered, home, exchange)).toMatchObject({ type: 'retryable' });
    await sendBundles(worker, delivered.outcome.results, exchange, never);
    expect(await takeIn(job, delivered, home, exchange)).toMatchObject({ type: 'done' });
  });

  it('that is not what its manifest says is not stored', async () => {
    const { exchange, delivered, job, home } = await sent();
    const files = { ...delivered.bundles?.a, vmlinuz: delivered.bundles?.a?.config ?? '' };
    const taken = await takeIn(job, { ...delivered, bundles: { a: files } }, home, exchange);
    expect(taken.why).toMatch(/vmlinuz of bundle r-1 is not what its manifest says/);
    expect(existsSync(bundleDirectory(home, 'demo', 'a', 'r-1'))).toBe(false);
  });

  it('leaves in the exchange what was asked for lately, and the rest is trimmed', async () => {
    const { worker, exchange } = await sent();
    const paths = await Promise.all(
      ['vmlinuz', 'config'].map(async (name) => {
        const file = join(bundleDirectory(worker, 'demo', 'a', 'r-1'), name);
        const { sha256 } = await digestFile(file);
        return { file, sha256, path: exchange.pathOf(sha256) };
      }),
    );
    const [kernel, config] = paths;
    if (kernel === undefined || config === undefined) throw new Error('no bundle');
    const old = new Date(Date.now() - 8 * DAY);
    for (const { path } of paths) utimesSync(path, old, old);
    await exchange.send(kernel.file, kernel.sha256);
    await exchange.trim(7 * DAY);
    expect([existsSync(kernel.path), existsSync(config.path)]).toEqual([true, false]);
  });

  it('leaves the logs of lately in the exchange, and of older ones nothing once they were trimmed', async () => {
    const exchange = new DirectoryExchange(freshDirectory('exchange'));
    const [old, recent] = ['j0000000001-1002/a.log', 'j0000000002-1002/a.log'];
    for (const name of [old, recent]) await exchange.appendLog(name, 0, Buffer.from('make: done\n'));
    const longAgo = new Date(Date.now() - 8 * DAY);
    const path = exchange.logPath(old);
    utimesSync(path, longAgo, longAgo);
    await exchange.trim(7 * DAY);
    expect([await exchange.logSize(old), await exchange.logSize(recent)]).toEqual([0, 11]);
    utimesSync(dirname(path), longAgo, longAgo);
    await exchange.trim(7 * DAY);
    expect(existsSync(dirname(path))).toBe(false);
    await exchange.appendLog(old, 0, Buffer.from('again\n'));
    expect(await exchange.logSize(old)).toBe(6);
  });
});
