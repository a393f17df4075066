import { cpSync } from 'node:fs';
import { expect } from 'vitest';
import { findBundle } from '../../src/bundle/index.ts';
import { readlinkIfAny } from '../../src/platform/files.ts';
import { disk, type FileSystem } from '../../src/platform/filesystem.ts';
import { type Home, homeAt } from '../../src/platform/home.ts';
import { linkPath, publishBundle, readChannel, readState, rollback } from '../../src/publish/index.ts';
import { stateOf } from '../../src/publish/journal.ts';
import { recover } from '../../src/publish/recover.ts';
import { freshDirectory } from '../support/kiln.ts';
import { findFaults } from './findFaults.ts';
import { homeWith } from './fixture.ts';

/** A change to a channel that something is going to cut short. */
export interface Scenario {
  readonly name: string;
  readonly channel: string;
  /** Brings a home with the bundles one and two to where the change begins. */
  prepare(home: Home): Promise<void>;
  act(home: Home, fileSystem: FileSystem): Promise<unknown>;
  /** What the channel's link says before and after. */
  readonly old: string | undefined;
  readonly new: string;
}

const publish = async (home: Home, id: string, channel: string, fileSystem: FileSystem = disk) =>
  publishBundle(home, await findBundle(home, id), channel, { fileSystem });

/** With so long a reason that the next change to the channel writes a checkpoint. */
async function publishAtLength(home: Home, id: string): Promise<void> {
  const reason = 'because '.repeat(5000);
  await publishBundle(home, await findBundle(home, id), 'lts/x', { reason });
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'the first publish to a channel',
    channel: 'lts/deep/x',
    prepare: async () => undefined,
    act: (home, fs) => publish(home, 'one', 'lts/deep/x', fs),
    old: undefined,
    new: '../../bundles/one',
  },
  {
    name: 'a publish of a new bundle',
    channel: 'lts/x',
    prepare: async (home) => {
      await publish(home, 'one', 'lts/x');
    },
    act: (home, fs) => publish(home, 'two', 'lts/x', fs),
    old: '../bundles/one',
    new: '../bundles/two',
  },
  {
    name: 'a rollback',
    channel: 'lts/x',
    prepare: async (home) => {
      await publish(home, 'one', 'lts/x');
      await publish(home, 'two', 'lts/x');
    },
    act: (home, fileSystem) => rollback(home, 'lts/x', undefined, { fileSystem }),
    old: '../bundles/two',
    new: '../bundles/one',
  },
  {
    name: 'a publish that writes a checkpoint into the journal',
    channel: 'lts/x',
    prepare: (home) => publishAtLength(home, 'one'),
    act: (home, fs) => publish(home, 'two', 'lts/x', fs),
    old: '../bundles/one',
    new: '../bundles/two',
  },
  {
    name: 'a rollback that starts from a checkpoint, and writes one',
    channel: 'lts/x',
    prepare: async (home) => {
      await publishAtLength(home, 'one');
      await publishAtLength(home, 'two');
    },
    act: (home, fileSystem) => rollback(home, 'lts/x', 1, { fileSystem }),
    old: '../bundles/two',
    new: '../bundles/one',
  },
];

/** A home where a scenario begins. */
export async function prepared(scenario: Scenario): Promise<Home> {
  const { home } = await homeWith('one', 'two');
  await scenario.prepare(home);
  return home;
}

/** A copy of a home, to be broken. */
export function copyOf(home: Home): Home {
  const copy = homeAt(freshDirectory('copy'));
  cpSync(home.root, copy.root, { recursive: true, verbatimSymlinks: true });
  return copy;
}

/**
 * After the change was cut short: the link is the old one or the new one, the history agrees with it, and
 * once the rest is cleared away every byte of everything verifies. Then the change goes through.
 */
export async function expectWhole(home: Home, scenario: Scenario): Promise<void> {
  const link = await readlinkIfAny(linkPath(home, scenario.channel));
  expect([scenario.old, scenario.new]).toContain(link);
  const before = await readChannel(home, scenario.channel);
  await recover(disk, home);
  const record = await readChannel(home, scenario.channel);
  expect(record).toEqual(before);
  expect(await readState(home, scenario.channel)).toEqual(record === undefined ? undefined : stateOf(record));
  expect(record?.current?.bundle).toBe(link?.split('/').at(-1));
  await expectClean(home);
  if (link === scenario.old) {
    await scenario.act(home, disk);
    expect(await readlinkIfAny(linkPath(home, scenario.channel))).toBe(scenario.new);
    await expectClean(home);
  }
}

/** Every byte of every bundle, every channel and link, and nothing left over. */
export async function expectClean(home: Home): Promise<void> {
  expect(await findFaults(home)).toEqual([]);
}

/** The scenario of a name, for child processes. */
export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`there is no scenario ${name}`);
  return found;
}
