import { existsSync, rmSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bundleDirectory } from '../../src/bundle/index.ts';
import { digestFile } from '../../src/platform/digest.ts';
import { homeAt } from '../../src/platform/home.ts';
import { type Delivered, sendBundles, takeIn } from '../../src/queue/delivery.ts';
import { DirectoryExchange } from '../../src/queue/exchange.ts';
import type { Job } from '../../src/queue/job.ts';
import { homeWith } from '../publish/fixture.ts';
import { freshDirectory } from '../support/kiln.ts';
import { outcome, request, result } from './requests.ts';

const never = new AbortController().signal;
const DAY = 86_400_000;

/** A worker that has built a bundle and sent it, and the coordinator that it was sent to. */
async function sent() {
  const worker = (await homeWith('r-1')).home;
  const exchange = new DirectoryExchange(freshDirectory('exchange'));
  const built = outcome('done', [result('built', { recipe: 'demo', bundle: 'r-1' })]);
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

  it('that is not what its manifest says is not stored', async () => {
    const { exchange, delivered, job, home } = await sent();
    const files = { ...delivered.bundles.a, vmlinuz: delivered.bundles.a?.config ?? '' };
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
