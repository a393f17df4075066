import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it } from 'vitest';
import { runJobProcess, WORKER } from '../../src/pipeline/jobs.ts';
import { workerJob } from '../support/job.ts';
import { freshDirectory } from '../support/kiln.ts';

const { TMPDIR } = process.env;
afterEach(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  delete process.env.KILN_TEST_BALLAST;
});

/** A job that ends as soon as it has begun: there is no such recipe. */
const job = (home: string, reference = join(home, 'none.yaml')) => workerJob(home, reference);

const going = new AbortController().signal;
const begin = (home: string, reference?: string) =>
  runJobProcess(job(home, reference), going, () => undefined);

it('a job that found no place for the pool of jobs fails alone: the next has a pool of its own', async () => {
  const home = freshDirectory('jobs');
  process.env.TMPDIR = join(home, 'tmp');
  await expect(begin(home)).rejects.toMatchObject({
    kind: 'failed',
    message: expect.stringContaining(`no temporary directory can be made in ${home}/tmp`),
  });
  mkdirSync(join(home, 'tmp'));
  await expect(begin(home)).rejects.toMatchObject({ message: expect.stringContaining('none.yaml') });
});

it('a job whose process the system refuses fails alone, and may be tried again', async () => {
  const home = freshDirectory('jobs');
  // A string that execve(2) takes from nobody.
  process.env.KILN_TEST_BALLAST = 'x'.repeat(4 << 20);
  await expect(begin(home, 'sample:ne2k')).rejects.toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('E2BIG'),
    transient: true,
  });
});

it('a worker whose starter has died clears away what it was at, and has no more to say', async () => {
  const home = freshDirectory('jobs');
  const worker = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER]);
  const said = text(worker.stderr);
  const ended = once(worker, 'exit');
  worker.stdin.write(`${JSON.stringify(job(home, 'sample:ne2k'))}\n`);
  for await (const line of createInterface({ input: worker.stdout })) {
    // Work trees are there.
    if (line.includes('"step-started"') && line.includes('"compile"')) break;
  }
  worker.stdout.destroy();
  worker.stdin.destroy();
  await ended;
  expect(await said).toBe('');
  expect(readdirSync(join(home, 'cache/work'))).toEqual([]);
});
