import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isSettled, type Job } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { until } from '../queue/conformance.ts';
import { CHECKOUT, freshDirectory, processesWith, startKiln } from '../support/kiln.ts';

let home: string;
let ledger: Ledger;
const started: ChildProcess[] = [];

beforeEach(async () => {
  home = freshDirectory('followed');
  ledger = new Ledger(join(home, 'state.db'));
  const server = startKiln(['serve', '--listen', '127.0.0.1:0', '--home', home]);
  started.push(server);
  for await (const line of createInterface({ input: server.stderr })) {
    if (line.startsWith('serving ')) break;
  }
  server.stderr.resume();
});

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
  ledger.close();
});

/** `kiln build` that follows what the server runs; its exit is heard of from the beginning. */
function build() {
  const child = startKiln(['build', 'sample:ne2k', '--no-publish', '--home', home]);
  child.stdout.resume();
  child.stderr.resume();
  started.push(child);
  return { child, exit: once(child, 'exit') };
}

/** The one job, as soon as the record says so of it. */
async function theJob(holds: (job: Job) => boolean): Promise<Job> {
  for (;;) {
    const { cursor } = ledger;
    const [job] = ledger.jobs();
    if (job !== undefined) return until(ledger, job.id, holds);
    await ledger.changed(cursor, new AbortController().signal);
  }
}

function isUnderWay({ id }: Job): boolean {
  return ledger.historyOf(id).some(({ news }) => news.type === 'build' && news.event.type === 'step-done');
}

describe('Ctrl-C on a job that kiln build follows', () => {
  it('cancels it where nobody can be asked', async () => {
    const { child, exit } = build();
    await theJob(isUnderWay);
    child.kill('SIGINT');
    expect(await exit).toEqual([130, null]);
    expect(await theJob(isSettled)).toMatchObject({ state: 'cancelled', why: 'interrupted' });
    expect(processesWith(join(home, 'cache/work'))).toEqual([]);
  });

  it('leaves it alone while somebody else waits for it', async () => {
    const first = build();
    await theJob(({ followers }) => followers.length === 1);
    const second = build();
    await theJob((job) => job.followers.length === 2);
    first.child.kill('SIGINT');
    expect(await first.exit).toEqual([130, null]);
    expect(await second.exit).toEqual([0, null]);
    expect(await theJob(isSettled)).toMatchObject({ state: 'done' });
  });

  it.each([
    ['y', 'cancelled'],
    ['n', 'done'],
    ['\x03', 'done'],
  ])('asks on a terminal whether to cancel it: %j, and it ends as %s', async (answer, state) => {
    const terminal = spawn(
      'script',
      ['-qefc', `${join(CHECKOUT, 'kiln')} build sample:ne2k --no-publish --home ${home}`, '/dev/null'],
      { stdio: 'pipe' },
    );
    started.push(terminal);
    const exit = once(terminal, 'exit');
    await theJob(isUnderWay);
    terminal.stdin.write('\x03');
    let shown = '';
    terminal.stdout.on('data', (chunk: Buffer) => {
      shown += chunk;
    });
    while (!/Cancel j[0-9a-f]{10} as well\?/.test(shown)) await once(terminal.stdout, 'data');
    terminal.stdin.write(`${answer}\r`);
    expect(await exit).toEqual([130, null]);
    // Nothing was drawn over the question.
    expect(shown.slice(shown.indexOf('Cancel j'))).not.toContain('\x1b[2K');
    expect(await theJob(isSettled)).toMatchObject({ state });
  });
});
