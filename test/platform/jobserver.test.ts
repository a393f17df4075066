import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Jobserver } from '../../src/platform/jobserver.ts';
import { output, run } from '../../src/platform/process.ts';

let directory: string;
let pool: Jobserver;
let makeVersion: string;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'kiln-pool-'));
  makeVersion = (await output('make', ['--version'])).split('\n')[0] ?? '';
  pool = await Jobserver.open(3, makeVersion);
});
afterEach(async () => {
  await pool.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Each of twelve goals notes how many run at the moment. */
const MAKEFILE = `all: 1 2 3 4 5 6 7 8 9 10 11 12
1 2 3 4 5 6 7 8 9 10 11 12:
\t@mkdir running/$(NAME)$@; ls running | wc -l >>seen; sleep 0.05; rmdir running/$(NAME)$@
`;

async function makeWith(jobs: Jobserver, name: string): Promise<void> {
  const client = await jobs.client();
  try {
    const env = { PATH: process.env.PATH ?? '', ...client.env, POOL: client.fifo };
    const script = `exec make NAME=${name} 3<>"$POOL"`;
    const { exitCode, tail } = await run('/bin/sh', ['-c', script], { cwd: directory, env });
    expect(tail.filter((line) => /warning/.test(line))).toEqual([]);
    expect(exitCode).toBe(0);
  } finally {
    client.release();
  }
}

describe('a pool of jobs', () => {
  it('holds two makes at once to as many jobs as it has tokens, and gets every token back', async () => {
    writeFileSync(join(directory, 'Makefile'), MAKEFILE);
    await output('mkdir', [join(directory, 'running')]);
    await Promise.all([makeWith(pool, 'a'), makeWith(pool, 'b')]);
    const seen = (await output('cat', [join(directory, 'seen')])).trim().split('\n').map(Number);
    expect(seen).toHaveLength(24);
    expect(Math.max(...seen)).toBe(3);
    expect(pool.free()).toBe(3);
  });

  it('lets whoever comes when it is empty wait until somebody leaves', async () => {
    const clients = await Promise.all([pool.client(), pool.client(), pool.client()]);
    expect(pool.free()).toBe(0);
    let entered = false;
    const late = pool.client().then((client) => {
      entered = true;
      return client;
    });
    expect(entered).toBe(false);
    clients[0]?.release();
    const client = await late;
    expect(pool.free()).toBe(0);
    for (const one of [client, ...clients]) one.release();
    expect(pool.free()).toBe(3);
  });

  it('forgets who gives up waiting', async () => {
    const clients = await Promise.all([pool.client(), pool.client(), pool.client()]);
    const stop = new AbortController();
    const waiting = pool.client(stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    for (const one of clients) one.release();
    expect(pool.free()).toBe(3);
  });

  it('is full again when a make was killed with tokens in its hands and nobody is at work', async () => {
    writeFileSync(join(directory, 'Makefile'), 'all: 1 2 3\n1 2 3:\n\t@echo up; sleep 60\n');
    const client = await pool.client();
    const stop = new AbortController();
    const env = { PATH: process.env.PATH ?? '', ...client.env, POOL: client.fifo };
    let up = 0;
    await run('/bin/sh', ['-c', 'exec make 3<>"$POOL"'], {
      cwd: directory,
      env,
      signal: stop.signal,
      graceMs: 0,
      onLine: () => {
        up++;
        if (up === 3) stop.abort();
      },
    });
    client.release();
    expect(pool.free()).toBe(3);
  });

  it('is shared with another process, whose first make runs on the token that was put aside for it', async () => {
    const own = await pool.client();
    const joined = Jobserver.attach(pool.fifo, pool.tokens, makeVersion);
    const first = await joined.client();
    expect(pool.free()).toBe(2);
    const second = await joined.client();
    expect(pool.free()).toBe(1);
    second.release();
    first.release();
    await joined.close();
    own.release();
    expect(pool.free()).toBe(3);
  });

  it('lets every token of another process be used, whichever of its makes ends first', async () => {
    const own = await pool.client();
    const joined = Jobserver.attach(pool.fifo, pool.tokens, makeVersion);
    const [first, second, third] = await Promise.all([joined.client(), joined.client(), joined.client()]);
    expect(pool.free()).toBe(0);
    const late = joined.client();
    first.release();
    (await late).release();
    second.release();
    // The last one goes on with all jobs but the one that the process keeps.
    expect(pool.free()).toBe(2);
    third.release();
    expect(pool.free()).toBe(2);
    await joined.close();
    own.release();
    expect(pool.free()).toBe(3);
  });

  it('hands the token that was put aside to who waits, where the pool has none', async () => {
    const own = await Promise.all([pool.client(), pool.client(), pool.client()]);
    const joined = Jobserver.attach(pool.fifo, pool.tokens, makeVersion);
    const first = await joined.client();
    const late = joined.client();
    first.release();
    const next = await late;
    expect(pool.free()).toBe(0);
    next.release();
    (await joined.client()).release();
    for (const one of own) one.release();
    await joined.close();
    expect(pool.free()).toBe(3);
  });
});
