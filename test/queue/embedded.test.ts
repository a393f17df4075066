import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EmbeddedHand } from '../../src/queue/embedded.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { CHECKOUT, freshDirectory } from '../support/kiln.ts';
import { type Adapter, conformance, takeOne } from './conformance.ts';
import { modelTest } from './model.ts';
import { request } from './requests.ts';

async function open(): Promise<Adapter> {
  let clock = Date.UTC(2003, 7, 25);
  const queue = new Ledger(join(freshDirectory('ledger'), 'state.db'), () => clock);
  return {
    queue,
    hand: async (options = {}) => new EmbeddedHand(queue, { ...options, leaseMs: 1000 }),
    settled: async () => undefined,
    lapse: async () => {
      clock += 1001;
    },
    later: async () => {
      clock += 3_600_000 * 2;
      queue.wake.notify();
    },
    close: async () => queue.close(),
  };
}

conformance('one machine', open);

describe('the record', () => {
  it('knows after kill -9 of whoever had a job that it is free, at once', async () => {
    const file = join(freshDirectory('ledger'), 'state.db');
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(CHECKOUT, 'test/queue/holderChild.ts'), file],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const queue = new Ledger(file);
    const hand = new EmbeddedHand(queue);
    expect(queue.jobs().map(({ state }) => state)).toEqual(['running']);
    expect(await takeOne(hand)).toBeUndefined();
    child.kill('SIGKILL');
    await once(child, 'exit');
    const lease = await takeOne(hand);
    expect(lease?.job.id).toBe(said.toString().trim());
    expect(queue.job(lease?.job.id ?? '')).toMatchObject({ lost: 1, state: 'running' });
    queue.close();
  });

  it('commits what is asked for in one turn together; what fails of it undoes itself alone', async () => {
    const file = join(freshDirectory('ledger'), 'state.db');
    const queue = new Ledger(file);
    const fail = () => {
      queue.setFact('half', 'done');
      throw new Error('not this one');
    };
    const [first, second, third] = await Promise.allSettled([
      queue.writeSoon(() => queue.setFact('first', 'done')),
      queue.writeSoon(fail),
      queue.writeSoon(() => queue.fact('first')),
    ]);
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(second).toMatchObject({ status: 'rejected', reason: { message: 'not this one' } });
    expect(third).toMatchObject({ status: 'fulfilled', value: 'done' });
    const other = new Ledger(file);
    expect([other.fact('first'), other.fact('half')]).toEqual(['done', undefined]);
    for (const each of [queue, other]) each.close();
  });

  it('gives up a job that its workers do not survive', async () => {
    const adapter = await open();
    adapter.queue.submit([request('deadly')]);
    const hand = await adapter.hand();
    for (let taken = 0; taken <= 5; taken++) {
      const lease = await takeOne(hand);
      expect(lease).toBeDefined();
      if (lease !== undefined) await adapter.lapse(lease);
    }
    expect(await takeOne(hand)).toBeUndefined();
    expect(adapter.queue.jobs()).toMatchObject([{ state: 'failed', lost: 6 }]);
    await adapter.close();
  });

  it('is refused with what to do when it is damaged', () => {
    const file = join(freshDirectory('ledger'), 'state.db');
    writeFileSync(file, 'no database, whatever it is\n'.repeat(100));
    expect(() => new Ledger(file)).toThrow(/the queue's record can't be read/);
    rmSync(file);
    new Ledger(file).close();
  });

  it('forgets the oldest settled jobs, and none that waits', async () => {
    const queue = new Ledger(join(freshDirectory('ledger'), 'state.db'));
    const [old, recent, waiting] = queue
      .submit(['old', 'recent', 'waiting'].map((name) => request(name)))
      .map(({ job }) => job.id);
    queue.cancel(old ?? '', 'done with');
    queue.cancel(recent ?? '', 'done with');
    queue.trim(1);
    expect(queue.jobs().map(({ id }) => id)).toEqual([recent, waiting]);
    expect(queue.events(0).some(({ job }) => job === old)).toBe(false);
    queue.close();
  });
});

modelTest('one machine', open, 200);
