import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isSettled } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { buildJson, freshDirectory, kiln, processesWith } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';
import { until } from './conformance.ts';
import { Fleet } from './fleet.ts';

const open: Fleet[] = [];
afterEach(async () => {
  for (const fleet of open.splice(0)) await fleet.stop();
});

async function start(workers: number): Promise<Fleet> {
  const fleet = await Fleet.start(workers);
  open.push(fleet);
  return fleet;
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
    const list = JSON.parse((await kiln(['queue', 'list', '--json', '--home', fleet.home])).stdout) as {
      jobs: { id: string }[];
    };
    const log = await kiln(['logs', list.jobs[0]?.id ?? '', '--home', fleet.home]);
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
    const ran = await kiln(['queue', 'add', 'sample:ne2k', '--json', '--home', fleet.home]);
    const id = (JSON.parse(ran.stdout) as { jobs: { id: string }[] }).jobs[0]?.id ?? '';
    const ledger = new Ledger(join(fleet.home, 'state.db'));
    await until(ledger, id, () =>
      ledger.historyOf(id).some(({ news }) => news.type === 'build' && news.event.type === 'step-done'),
    );
    ledger.cancel(id, 'not wanted');
    const job = await until(ledger, id, isSettled);
    ledger.close();
    expect(job).toMatchObject({ state: 'cancelled', why: expect.stringMatching(/not wanted|cancelled/) });
    expect(processesWith(join(fleet.workers[0] ?? '', 'cache/work'))).toEqual([]);
  });

  it('refuses a worker of another version, one without the token, and one that no coordinator prepared for', async () => {
    const fleet = await start(0);
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
