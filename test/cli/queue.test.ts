import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { isSettled } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { until } from '../queue/conformance.ts';
import { buildJson, freshDirectory, kiln, processesWith, sampleHome, startKiln } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

interface ListRow {
  id: string;
  recipe: string;
  variant: string;
  status: string;
  priority: number;
  submitted: string;
  worker?: string;
}

async function list(home: string): Promise<ListRow[]> {
  const ran = await kiln(['queue', 'list', '--json', '--home', home]);
  return (JSON.parse(ran.stdout) as { jobs: ListRow[] }).jobs;
}

async function add(home: string, ...args: string[]): Promise<ListRow[]> {
  const ran = await kiln(['queue', 'add', '--json', '--home', home, ...args]);
  expect(ran.code, ran.stderr).toBe(0);
  return (JSON.parse(ran.stdout) as { jobs: ListRow[] }).jobs;
}

const started: ChildProcess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    child.kill('SIGTERM');
    await exit;
  }
});

/** `kiln serve`, when it answers. */
async function serve(home: string, ...args: string[]): Promise<ChildProcess> {
  const child = startKiln(['serve', '--listen', '127.0.0.1:0', '--home', home, ...args]);
  started.push(child);
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.startsWith('serving ')) break;
  }
  child.stderr.resume();
  return child;
}

describe('kiln queue', () => {
  it('adds, joins, lists, steers: a line for each variant', async () => {
    const home = freshDirectory('queue');
    expect(await list(home)).toEqual([]);
    const [first] = await add(home, 'sample:ne2k', 'sample:all', '--priority', '3');
    const id = first?.id ?? '';
    expect(await add(home, 'sample:ne2k', 'sample:all')).toMatchObject([{ id }, { id }]);
    const rows = await list(home);
    expect(rows).toEqual(
      ['ne2k', 'all'].map((variant) => ({
        id,
        recipe: 'sample',
        variant,
        status: 'waiting',
        priority: 3,
        submitted: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      })),
    );
    const shown = await kiln(['queue', 'show', id, '--home', home]);
    expect(shown.stdout).toMatch(/queued with priority 3[\s\S]*joined by another/);
    expect(shown.stdout).not.toMatch(/waits for a worker/);
    await kiln(['queue', 'pause', '--home', home]);
    expect((await kiln(['queue', 'show', id, '--home', home])).stderr).toMatch(/The queue is paused/);
    await kiln(['queue', 'resume', '--home', home]);
    expect((await kiln(['queue', 'cancel', id, '--home', home])).code).toBe(0);
    expect((await list(home)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    const again = await kiln(['queue', 'cancel', id, '--home', home]);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/can't be cancelled: it is cancelled/);
    expect((await kiln(['queue', 'retry', id, '--home', home])).code).toBe(0);
    expect((await list(home)).map(({ status }) => status)).toEqual(['waiting', 'waiting']);
  });

  it('keeps what requires a certain machine apart from what does not', async () => {
    const home = freshDirectory('queue');
    const [certain] = await add(home, 'sample:ne2k', '--no-publish', '--require', 'arch=i386');
    const { ran, jobs } = await buildJson(['sample:ne2k', '--no-publish', '--home', home]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(jobs).toMatchObject([{ status: 'built' }]);
    expect((await list(home)).map(({ status }) => status)).toEqual(['waiting', 'built']);
    await serve(home, '--labels', 'arch=i386,kvm=no');
    const ledger = new Ledger(join(home, 'state.db'));
    expect(await until(ledger, certain?.id ?? '', isSettled)).toMatchObject({ state: 'done' });
    ledger.close();
  });

  it('says what a job requires, and when nobody who is connected has it', async () => {
    const home = freshDirectory('queue');
    const [arm] = await add(home, 'sample:ne2k', '--require', 'arch=arm,kvm=no');
    const id = arm?.id ?? '';
    const waits = 'waits for a worker with arch=arm, kvm=no: none is connected';
    const shown = await kiln(['queue', 'show', id, '--home', home]);
    expect(shown.stdout).toContain(`requires arch=arm, kvm=no\n${waits}\n`);
    expect(shown.stderr).toMatch(/Nobody serves this queue/);
    const server = await serve(home, '--labels', 'arch=i386');
    const added = await kiln(['queue', 'add', 'sample:all', '--require', 'arch=arm', '--home', home]);
    expect(added.stderr).toMatch(/j\w+ waits for a worker with arch=arm: none is connected/);
    const document = async (job: string) =>
      JSON.parse((await kiln(['queue', 'show', job, '--json', '--home', home])).stdout) as unknown;
    expect(await document(id)).toMatchObject({
      job: { labels: { arch: 'arm', kvm: 'no' }, waitsFor: waits },
    });
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    await ended;
    const [i386] = await add(home, 'sample:all', '--require', 'arch=i386', '--no-publish');
    await serve(home, '--labels', 'arch=i386');
    expect(await document(i386?.id ?? '')).toMatchObject({ job: { waitsFor: null } });
    expect(await document(id)).toMatchObject({ job: { waitsFor: waits } });
  });

  it('refuses what there is not, and changes nothing', async () => {
    const home = freshDirectory('queue');
    const [row] = await add(home, 'sample:ne2k');
    const ran = await kiln(['queue', 'cancel', row?.id ?? '', 'j0000000000', '--home', home]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/there is no job j0000000000/);
    expect((await list(home)).map(({ status }) => status)).toEqual(['waiting']);
    expect((await kiln(['queue', 'add', 'nothing', '--home', home])).code).toBe(2);
    expect((await kiln(['queue', 'add', '--priority', 'high', '--home', home])).code).toBe(2);
    expect((await kiln(['queue', 'list', '--home', ''])).stderr).toMatch(/--home is empty/);
  });
});

describe('kiln build', () => {
  it('is in the queue while it runs, and its log goes by the job', async () => {
    const home = freshDirectory('queue');
    const { jobs } = await buildJson(['sample:ne2k', '--no-publish', '--home', home]);
    expect(jobs).toMatchObject([{ status: 'built' }]);
    const [row] = await list(home);
    expect(row).toMatchObject({ recipe: 'sample', variant: 'ne2k', status: 'built', priority: 0 });
    const log = await kiln(['logs', row?.id ?? '', '--home', home]);
    expect(log.stdout).toMatch(/^# sample:ne2k\n[\s\S]*# finished: built\n$/);
  });

  it('of the same twice at once builds it once: the second follows the first', async () => {
    const home = freshDirectory('queue');
    const both = await Promise.all([1, 2].map(() => buildJson(['sample:ne2k', '--home', home])));
    for (const { ran, jobs } of both) {
      expect(ran.code, ran.stderr).toBe(0);
      expect(jobs).toMatchObject([{ status: 'published', generation: 1 }]);
    }
    expect(await list(home)).toHaveLength(1);
  });

  it('that was killed is resumed from what was finished by whoever serves next', async () => {
    const home = freshDirectory('queue');
    const child = startKiln(['build', writeRecipe(), '--home', home, '--progress', 'json']);
    const exit = once(child, 'exit');
    for await (const line of createInterface({ input: child.stderr })) {
      if (!line.startsWith('{')) continue;
      const event = JSON.parse(line) as { type: string; step?: string };
      if (event.type === 'step-started' && event.step === 'gate') break;
    }
    // The launcher runs Kiln in its own place: this is `kiln build`, not the process that it has for the job.
    child.kill('SIGKILL');
    await exit;
    expect(await list(home)).toMatchObject([{ status: 'running' }]);
    await serve(home);
    const ledger = new Ledger(join(home, 'state.db'));
    const [job] = ledger.jobs();
    const settled = await until(ledger, job?.id ?? '', isSettled);
    ledger.close();
    expect(settled).toMatchObject({
      state: 'done',
      lost: 1,
      results: { a: { status: 'published', steps: { hit: 3 } } },
    });
  });

  it('loses no bundle and no channel when state.db is deleted', async () => {
    const home = await sampleHome();
    for (const end of ['', '-wal', '-shm']) rmSync(join(home, `state.db${end}`), { force: true });
    const { ran, jobs } = await buildJson(['--home', home]);
    expect(ran.code).toBe(0);
    expect(jobs.map(({ generation, steps }) => [generation, steps.run])).toEqual([
      [1, 0],
      [1, 0],
      [1, 0],
    ]);
  });
});

describe('kiln serve', () => {
  it('runs what is added, and builds follow it', async () => {
    const home = freshDirectory('serve');
    await serve(home);
    const [row] = await add(home, 'sample:ne2k', '--no-publish');
    const ledger = new Ledger(join(home, 'state.db'));
    await until(ledger, row?.id ?? '', isSettled);
    ledger.close();
    expect(await list(home)).toMatchObject([{ status: 'built' }]);
    const { ran, jobs } = await buildJson(['sample:ne2k', '--home', home]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(jobs).toMatchObject([{ status: 'published', steps: { run: 1 } }]);
    expect(ran.stderr).toMatch(/sample:ne2k: published/);
    expect((await list(home)).map(({ status }) => status)).toEqual(['built', 'published']);
  });

  it('is the only one for a home', async () => {
    const home = freshDirectory('serve');
    await serve(home);
    const second = await kiln(['serve', '--listen', '127.0.0.1:0', '--home', home]);
    expect(second.code).toBe(5);
    expect(second.stderr).toMatch(/held by process \d+ \(kiln serve/);
  });

  it('stops a job that is cancelled, and leaves no process of it', async () => {
    const home = freshDirectory('serve');
    await serve(home);
    const [row] = await add(home, 'sample:ne2k');
    const ledger = new Ledger(join(home, 'state.db'));
    const id = row?.id ?? '';
    await until(ledger, id, () =>
      ledger.historyOf(id).some(({ news }) => news.type === 'build' && news.event.type === 'step-done'),
    );
    expect((await kiln(['queue', 'cancel', id, '--home', home])).code).toBe(0);
    expect(await until(ledger, id, isSettled)).toMatchObject({ state: 'cancelled' });
    ledger.close();
    expect(processesWith(join(home, 'cache/work'))).toEqual([]);
    expect(await list(home)).toMatchObject([{ status: 'cancelled' }]);
  });

  it('hands back at SIGTERM what does not finish in time', async () => {
    const home = freshDirectory('serve');
    const server = await serve(home, '--grace', '1');
    const [row] = await add(home, 'sample:ne2k');
    const ledger = new Ledger(join(home, 'state.db'));
    const id = row?.id ?? '';
    await until(ledger, id, () =>
      ledger.historyOf(id).some(({ news }) => news.type === 'build' && news.event.type === 'step-done'),
    );
    const exit = once(server, 'exit');
    server.kill('SIGTERM');
    await exit;
    const job = ledger.job(id);
    expect(job).toMatchObject({ state: 'waiting', failures: 0, lost: 0 });
    expect(job.why).toMatch(/has to stop/);
    ledger.close();
    expect(processesWith(join(home, 'cache/work'))).toEqual([]);
  });
});
