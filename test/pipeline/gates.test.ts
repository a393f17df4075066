import { expect, test } from 'vitest';
import type { GateRecord } from '../../src/bundle/index.ts';
import { bootOnEach, cardsOf } from '../../src/pipeline/gates.ts';

const MANIFEST = { boot: { cmdline: '', nic: 'pcnet', expect: [] } };

/** Boots every card as the record given for it says, and notes which were tried. */
async function bootAll(records: Readonly<Record<string, GateRecord>>) {
  const tried: string[] = [];
  const record = await bootOnEach(Object.keys(records), async (card) => {
    tried.push(card);
    return records[card] ?? { status: 'skipped', reason: 'unknown' };
  });
  return { tried, record };
}

const passed = (card: string): GateRecord => ({ status: 'passed', detail: `${card} by PXE (tcg)` });
const skipped = (reason: string): GateRecord => ({ status: 'skipped', reason });

test('a bundle is for one card or for several', () => {
  expect(cardsOf(MANIFEST)).toEqual(['pcnet']);
  expect(cardsOf({ boot: { ...MANIFEST.boot, nic: ['pcnet', 'tulip'] } })).toEqual(['pcnet', 'tulip']);
});

test('the gate passes when every card did, and names each', async () => {
  expect(await bootAll({ pcnet: passed('pcnet'), tulip: passed('tulip') })).toEqual({
    tried: ['pcnet', 'tulip'],
    record: { status: 'passed', detail: 'pcnet by PXE (tcg), tulip by PXE (tcg)' },
  });
});

test('a card that could not be shown makes the gate skipped, with its reason and what passed', async () => {
  const { record } = await bootAll({ pcnet: passed('pcnet'), tulip: skipped('no ROM') });
  expect(record).toEqual({ status: 'skipped', reason: 'tulip: no ROM; passed on pcnet by PXE (tcg)' });
});

test('a reason that holds for every card is said once', async () => {
  const { record } = await bootAll({ pcnet: skipped('no QEMU'), tulip: skipped('no QEMU') });
  expect(record).toEqual(skipped('no QEMU'));
});
