import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Home } from '../../src/platform/home.ts';
import { journalPath, readGeneration } from '../../src/publish/channels.ts';
import {
  inspectServing,
  pinChannel,
  publishBundle,
  readChannel,
  readState,
  rollback,
  unpinChannel,
} from '../../src/publish/index.ts';
import { type Entry, formatEntries, parseJournal, stateOf } from '../../src/publish/journal.ts';
import { homeWith } from './fixture.ts';
import { copyOf } from './scenarios.ts';

const LONG = 'because '.repeat(600);

function entriesOf(home: Home): readonly Entry[] {
  const read = parseJournal(readFileSync(journalPath(home, 'lts/x')));
  return 'entries' in read ? read.entries : [];
}

/** A channel whose journal is long enough for several checkpoints; told after each change. */
async function makeHistory(afterEach: (home: Home) => Promise<void>): Promise<Home> {
  const { home, bundles } = await homeWith('one', 'two', 'three');
  for (let round = 0; round < 24; round += 1) {
    const bundle = bundles[round % 3] ?? bundles[0];
    await publishBundle(home, bundle, 'lts/x', { reason: `${round} ${LONG}`, force: true });
    if (round % 5 === 3) await rollback(home, 'lts/x', 1 + (round >> 1), { reason: LONG, force: true });
    if (round % 7 === 2) await pinChannel(home, 'lts/x');
    if (round % 7 === 5) await unpinChannel(home, 'lts/x');
    await afterEach(home);
  }
  return home;
}

/** Made once: every test gets a copy. */
let made: Promise<Home> | undefined;

async function longHistory(): Promise<Home> {
  made ??= makeHistory(async () => undefined);
  return copyOf(await made);
}

describe('where a channel stands', () => {
  it('is the same from the last checkpoint of its journal as from all of it, after every change', async () => {
    const home = await makeHistory(async (now) => {
      const record = await readChannel(now, 'lts/x');
      expect(await readState(now, 'lts/x')).toEqual(record === undefined ? undefined : stateOf(record));
    });
    expect(entriesOf(home).filter(({ type }) => type === 'checkpoint').length).toBeGreaterThan(2);
  });

  it('is not asked of what stands above the last checkpoint, whose damage stops no flip and is found by verify', async () => {
    const home = await longHistory();
    const file = journalPath(home, 'lts/x');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.replace('"reason":"2 ', '"reason":"3 '));
    expect(await rollback(home, 'lts/x', undefined, { force: true })).toMatchObject({ generation: 11 });
    await expect(readChannel(home, 'lts/x')).rejects.toMatchObject({ kind: 'integrity', place: { line: 6 } });
    expect((await inspectServing(home)).faults.map(({ sentence }) => sentence)).toEqual([
      'lts/x: the history of the channel is damaged',
    ]);
    await expect(rollback(home, 'lts/x', 3, { force: true })).rejects.toMatchObject({ kind: 'integrity' });
  });

  it('is damage where a checkpoint says something else than the entries above it', async () => {
    const home = await longHistory();
    const lie: Entry = { type: 'checkpoint', current: null, latest: 99, moved: null };
    appendFileSync(journalPath(home, 'lts/x'), formatEntries([lie]));
    await expect(readChannel(home, 'lts/x')).rejects.toThrow(/history of the channel is damaged/);
  });

  it('is read past a checkpoint that a crash tore', async () => {
    const home = await longHistory();
    const before = await readState(home, 'lts/x');
    const file = journalPath(home, 'lts/x');
    const whole = readFileSync(file).length;
    const half = formatEntries([{ type: 'checkpoint', current: null, latest: 99, moved: null }]);
    for (const torn of [half.slice(0, 40), half.slice(0, -1), `${half.slice(0, 30)}\n`]) {
      truncateSync(file, whole);
      appendFileSync(file, torn);
      expect(await readState(home, 'lts/x')).toEqual(before);
    }
  });
});

describe('a generation', () => {
  it('is found by its number, however long ago it was', async () => {
    const home = await longHistory();
    const record = await readChannel(home, 'lts/x');
    const found = record?.generations.map(({ generation }) => readGeneration(home, record, generation)) ?? [];
    expect(await Promise.all(found)).toEqual(record?.generations);
    expect(record?.latest).toBe(record?.generations.length);
    for (const none of [0, (record?.latest ?? 0) + 1, -1]) {
      expect(record && (await readGeneration(home, record, none))).toBeUndefined();
    }
  });
});
