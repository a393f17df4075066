import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { commitBundle, findBundle } from '../../src/bundle/index.ts';
import { readlinkIfAny } from '../../src/platform/files.ts';
import { disk, type FileSystem } from '../../src/platform/filesystem.ts';
import { type Home, homeAt } from '../../src/platform/home.ts';
import { linkPath, publishBundle, readChannel, readState, rollback } from '../../src/publish/index.ts';
import { stateOf } from '../../src/publish/journal.ts';
import { recover } from '../../src/publish/recover.ts';
import { freshDirectory } from '../support/kiln.ts';
import { findFaults } from './findFaults.ts';
import { homeWith, manifestFor, moduleArchive, storeBundle } from './fixture.ts';

/** A change to a channel that something is going to cut short. */
export interface Scenario {
  readonly name: string;
  readonly channel: string;
  /** Brings a home with the bundles one and two to where the change begins. */
  prepare(home: Home): Promise<void>;
  /** What the builder does before it: not Kiln's to explain when it fails, but the power may be cut in it. */
  stage?(home: Home, fileSystem: FileSystem): Promise<void>;
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
  {
    name: 'a bundle that is made, stored and published',
    channel: 'lts/x',
    prepare: async (home) => {
      await publish(home, 'one', 'lts/x');
    },
    stage: async (home, fs) => {
      const staged = join(home.root, 'staged');
      rmSync(staged, { recursive: true, force: true });
      await fs.makeDirectory(staged);
      await fs.createFile(join(staged, 'vmlinuz'), Buffer.from('three'), 0o644);
    },
    act: async (home, fs) => {
      const staged = join(home.root, 'staged');
      const bundle = await commitBundle(home, staged, await manifestFor(staged, 'three'), fs);
      await publishBundle(home, bundle, 'lts/x', { fileSystem: fs });
    },
    old: '../bundles/one',
    new: '../bundles/three',
  },
  {
    name: 'a publish of a bundle from outside of the store',
    channel: 'lts/x',
    prepare: async (home) => {
      await publish(home, 'one', 'lts/x');
      const bundle = await storeBundle(home, 'three', { bare: true, files: { vmlinuz: 'three' } });
      renameSync(bundle.directory, join(home.root, 'outside'));
    },
    act: (home, fs) => publish(home, join(home.root, 'outside'), 'lts/x', fs),
    old: '../bundles/one',
    new: '../bundles/three',
  },
  {
    name: 'a publish that puts modules below an NFS root first',
    channel: 'lts/x',
    prepare: async (home) => {
      await publish(home, 'one', 'lts/x');
      const root = join(home.root, 'nfs');
      mkdirSync(root);
      writeFileSync(join(home.root, 'kiln.yaml'), `nfs-roots: ${root}\n`);
      const modules = await moduleArchive('three', { 'modules.dep': 'whole' });
      await storeBundle(home, 'three', {
        bare: true,
        files: { vmlinuz: 'three', 'modules.tar.gz': modules },
      });
    },
    act: (home, fs) => publish(home, 'three', 'lts/x', fs),
    old: '../bundles/one',
    new: '../bundles/three',
  },
];

/** All of a scenario. */
export async function perform(scenario: Scenario, home: Home, fs: FileSystem): Promise<void> {
  await scenario.stage?.(home, fs);
  await scenario.act(home, fs);
}

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
  const settings = join(copy.root, 'kiln.yaml');
  if (existsSync(settings)) {
    writeFileSync(settings, readFileSync(settings, 'utf8').replaceAll(home.root, copy.root));
  }
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
    await perform(scenario, home, disk);
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
