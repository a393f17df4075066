import { join } from 'node:path';
import { expect, it } from 'vitest';
import { EmbeddedHand } from '../../src/queue/embedded.ts';
import type { Lease, Outcome } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { Runner } from '../../src/queue/runner.ts';
import { freshDirectory } from '../support/kiln.ts';
import { until } from './conformance.ts';
import { overfill } from './overfill.ts';
import { outcome, request } from './requests.ts';

/** A hand on a record whose disk is full, until it is not. */
class FullHand extends EmbeddedHand {
  full = { take: 1, settle: 1 };

  override async take(most: number): Promise<readonly Lease[]> {
    if (this.full.take-- > 0) overfill();
    return super.take(most);
  }

  override async settle(lease: Lease, ended: Outcome): Promise<boolean> {
    if (this.full.settle-- > 0) overfill();
    return super.settle(lease, ended);
  }
}

it('a full disk is said to be one, and changes nothing', () => {
  expect(overfill).toThrow(
    expect.objectContaining({
      kind: 'failed',
      transient: true,
      message: "the queue's record can't be written: the disk is full",
    }),
  );
});

it('whoever runs jobs outlives a full disk: it takes and settles them when there is room', async () => {
  const ledger = new Ledger(join(freshDirectory('full'), 'state.db'));
  const [submitted] = ledger.submit([request('r')]);
  const leave = new AbortController();
  const told: string[] = [];
  const running = new Runner({
    hand: new FullHand(ledger),
    slots: 1,
    execute: async () => outcome('done'),
    leave: leave.signal,
    graceMs: 0,
    onTrouble: (sentence) => told.push(sentence),
  }).run();
  const job = await until(ledger, submitted?.job.id ?? '', ({ state }) => state === 'done');
  leave.abort();
  await running;
  expect(job).toMatchObject({ lost: 0, failures: 0 });
  expect(new Set(told)).toEqual(new Set(["the queue's record can't be written: the disk is full"]));
  ledger.close();
});
