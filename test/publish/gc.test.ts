import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listBundles, packReproducibly } from '../../src/bundle/index.ts';
import { KilnError } from '../../src/platform/errors.ts';
import { disk, type FileSystem } from '../../src/platform/filesystem.ts';
import type { Home } from '../../src/platform/home.ts';
import { lock } from '../../src/platform/lock.ts';
import { journalPath } from '../../src/publish/channels.ts';
import {
  type ChannelRecord,
  collectGarbage,
  type GcOptions,
  pinChannel,
  publishBundle,
  rollback,
} from '../../src/publish/index.ts';
import { neededByChannels } from '../../src/publish/needed.ts';
import { recover } from '../../src/publish/recover.ts';
import { freshDirectory } from '../support/kiln.ts';
import { errno, watched } from './faults.ts';
import { homeWith, moduleArchive, storeBundle } from './fixture.ts';
import { copyOf, expectClean } from './scenarios.ts';

const DAY = 86_400_000;

/** Retention in a year's time: nothing is recent any more. */
function later(changes: Partial<GcOptions> = {}): GcOptions {
  return {
    keep: 1,
    graceMs: DAY,
    cacheAgeMs: 30 * DAY,
    cacheBytes: undefined,
    now: new Date(Date.now() + 365 * DAY),
    dryRun: false,
    ...changes,
  };
}

async function idsIn(home: Home): Promise<string[]> {
  return (await listBundles(home)).map(({ manifest }) => manifest.id).sort();
}

/** A home whose channel lts/x has had the bundles a to e. */
async function fiveGenerations() {
  const { home, bundles } = await homeWith('a', 'b', 'c', 'd', 'e');
  for (const bundle of bundles) await publishBundle(home, bundle, 'lts/x');
  return { home, bundles };
}

describe('what channels need', () => {
  const at = '2026-01-01T00:00:00Z';
  const generations = [1, 2, 3, 4, 5].map((generation) => ({
    generation,
    bundle: `bundle-${generation}`,
    recipe: 'r',
    variant: 'v',
    at,
    by: 'me',
    reason: 'test',
  }));
  const moved = { at, by: 'me', reason: 'test', from: 3, to: 2 };
  const record: ChannelRecord = {
    name: 'lts/x',
    current: generations[1] ?? null,
    latest: 5,
    moved,
    generations,
    flips: [moved],
    pin: { at, by: 'me', reason: 'test', generation: 1 },
  };
  const needed = (keep: number, now: string) =>
    [...neededByChannels([record], { keep, graceMs: DAY, now: new Date(now) }).keys()].sort();

  it('is what they point to, were pinned to, their newest generations, and what they left a while ago', () => {
    expect(needed(1, '2026-01-01T12:00:00Z')).toEqual(['bundle-1', 'bundle-2', 'bundle-3', 'bundle-5']);
    expect(needed(1, '2026-01-03T00:00:00Z')).toEqual(['bundle-1', 'bundle-2', 'bundle-5']);
    expect(needed(2, '2026-01-03T00:00:00Z')).toEqual(['bundle-1', 'bundle-2', 'bundle-4', 'bundle-5']);
  });
});

describe('gc', () => {
  it('drops bundles and what is served of them, and leaves all that verifies', async () => {
    const { home } = await fiveGenerations();
    const report = await collectGarbage(home, later({ keep: 2 }));
    expect(await idsIn(home)).toEqual(['d', 'e']);
    expect(readdirSync(join(home.tftp, 'bundles')).sort()).toEqual(['d', 'e']);
    expect(report.garbage.filter(({ kind }) => kind === 'bundle')).toHaveLength(3);
    expect(report.bytes).toBeGreaterThan(0);
    await expectClean(home);
    expect(await rollback(home, 'lts/x', undefined)).toMatchObject({ bundle: 'd' });
    await expect(rollback(home, 'lts/x', 1)).rejects.toThrow(/bundle a of generation 1 is gone/);
  });

  it('says the same beforehand, and drops nothing then', async () => {
    const { home } = await fiveGenerations();
    const said = await collectGarbage(home, later({ dryRun: true }));
    expect(await idsIn(home)).toHaveLength(5);
    const options = later();
    const done = await collectGarbage(home, { ...options, now: options.now });
    expect(done.garbage).toEqual(said.garbage);
    expect(said.kept).toEqual([{ bundle: 'e', why: 'lts/x points to it' }]);
  });

  it('keeps what nodes may still run or load: what a channel left, and what was built, a while ago', async () => {
    const { home } = await fiveGenerations();
    await collectGarbage(home, later({ now: new Date() }));
    expect(await idsIn(home)).toHaveLength(5);
  });

  it('keeps what a pin, or any link in the TFTP root, leads to', async () => {
    const { home } = await fiveGenerations();
    await rollback(home, 'lts/x', 2);
    await pinChannel(home, 'lts/x');
    await rollback(home, 'lts/x', 5, { force: true });
    mkdirSync(join(home.tftp, 'pxelinux.cfg'));
    symlinkSync('../bundles/c/pxelinux.cfg', join(home.tftp, 'pxelinux.cfg/default'));
    await collectGarbage(home, later());
    expect(await idsIn(home)).toEqual(['b', 'c', 'e']);
  });

  it('leaves a bundle alone whose variant is being built', async () => {
    const { home } = await homeWith('a');
    const held = lock(`${home.locks}/build/demo/a.lock`, 'kiln build demo:a');
    // The lock is this process's own: another connection is refused all the same.
    const report = await collectGarbage(home, later());
    held.release();
    expect(report.kept).toEqual([{ bundle: 'a', why: 'its variant is being built' }]);
    expect(report.notes).toEqual(['the cache was left alone: kiln build demo:a is running']);
    await collectGarbage(home, later());
    expect(await idsIn(home)).toEqual([]);
  });

  it('drops nothing at all when a channel leads nowhere, or its history can not be read', async () => {
    const { home } = await fiveGenerations();
    const broken = copyOf(home);
    rmSync(join(broken.tftp, 'lts/x'));
    await expect(collectGarbage(broken, later())).rejects.toMatchObject({ kind: 'integrity' });
    expect(await idsIn(broken)).toHaveLength(5);
    const journal = journalPath(home, 'lts/x');
    writeFileSync(journal, readFileSync(journal, 'utf8').replace('"bundle":"a"', '"bundle":"x"'));
    await expect(collectGarbage(home, later())).rejects.toThrow(/history of the channel is damaged/);
    expect(await idsIn(home)).toHaveLength(5);
  });

  it('takes modules out of the NFS roots with their bundle, and not before', async () => {
    const { home } = await homeWith();
    const modules = freshDirectory('modules');
    const root = freshDirectory('nfs');
    writeFileSync(join(home.root, 'kiln.yaml'), `nfs-roots: ${root}\n`);
    for (const id of ['a', 'b']) {
      mkdirSync(join(modules, id, 'lib/modules', id), { recursive: true });
      writeFileSync(join(modules, id, 'lib/modules', id, 'm.o'), id);
      await packReproducibly(join(modules, id), join(modules, `${id}.tgz`), 0);
      const files = { 'modules.tar.gz': readFileSync(join(modules, `${id}.tgz`)) };
      await publishBundle(home, await storeBundle(home, id, { files }), 'lts/x');
    }
    mkdirSync(join(root, 'lib/modules/2.4.22-theirs'));
    await collectGarbage(home, later({ now: new Date() }));
    expect(readdirSync(join(root, 'lib/modules')).sort()).toEqual(['2.4.22-theirs', 'a', 'b']);
    await collectGarbage(home, later());
    expect(readdirSync(join(root, 'lib/modules')).sort()).toEqual(['2.4.22-theirs', 'b']);
  });

  it('keeps the modules of a pinned release that another bundle brought', async () => {
    const { home } = await homeWith();
    const root = freshDirectory('nfs');
    writeFileSync(join(home.root, 'kiln.yaml'), `nfs-roots: ${root}\n`);
    const files = { 'modules.tar.gz': await moduleArchive('2.4.22', { 'm.o': 'the same' }) };
    for (const id of ['a', 'b']) {
      const bundle = await storeBundle(home, id, { files, manifest: { release: '2.4.22' } });
      await publishBundle(home, bundle, 'lts/x');
    }
    await collectGarbage(home, later());
    expect(await idsIn(home)).toEqual(['b']);
    expect(readFileSync(join(root, 'lib/modules/2.4.22/m.o'), 'utf8')).toBe('the same');
    await expectClean(home);
  });

  it('stopped by an error at any operation has dropped whole things alone, and goes on the next time', async () => {
    const { home: original } = await fiveGenerations();
    for (let at = 0; ; at += 1) {
      const home = copyOf(original);
      let count = 0;
      const fileSystem = watched(disk, () => {
        count += 1;
        if (count > at) throw errno('EIO', 5);
      });
      const failed = await collectGarbage(home, later({ fileSystem })).catch((error: unknown) => error);
      await recover(disk, home);
      await expectClean(home);
      await collectGarbage(home, later());
      expect(await idsIn(home)).toEqual(['e']);
      expect(readdirSync(join(home.bundles, 'demo/a'))).toEqual(['e']);
      if (!(failed instanceof Error)) break;
      expect(failed).toBeInstanceOf(KilnError);
    }
  });
});

describe('gc of the cache', () => {
  function cacheEntry(home: Home, path: string, usedDaysAgo: number): string {
    const file = join(home.cache, path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, 'x'.repeat(1000));
    const used = new Date(Date.now() - usedDaysAgo * DAY);
    utimesSync(file, used, used);
    return file;
  }

  it('leaves alone what a build has used since it was looked at', async () => {
    const { home } = await homeWith();
    const [first, second] = ['first', 'second'].map((name) => join(home.cache, 'steps/tree', name));
    for (const path of [first, second]) mkdirSync(path ?? '', { recursive: true });
    const fileSystem: FileSystem = {
      ...disk,
      async removeTree(path) {
        const now = new Date('2101-01-01');
        if (existsSync(second ?? '')) utimesSync(second ?? '', now, now);
        await disk.removeTree(path);
      },
    };
    await collectGarbage(home, { ...later({ now: new Date('2100-01-01') }), fileSystem });
    expect([existsSync(first ?? ''), existsSync(second ?? '')]).toEqual([false, true]);
  });

  it('drops what was not used in a long time, and then what was used least until the rest fits', async () => {
    const { home } = await homeWith();
    rmSync(home.cache, { recursive: true, force: true });
    const old = cacheEntry(home, `sources/sha256/aa/${'a'.repeat(64)}`, 40);
    const note = cacheEntry(home, 'notes/digest-1.json', 40);
    const middle = cacheEntry(home, 'steps/tree/key-1', 20);
    const fresh = cacheEntry(home, 'steps/config/key-2', 1);
    const dead = cacheEntry(home, 'work/.sample-a.999999999.0123abcd.tmp', 1);
    const live = cacheEntry(home, `work/.sample-a.${process.pid}.0123abcd.tmp`, 40);
    const now = new Date();
    await collectGarbage(home, later({ now }));
    expect(existsSync(note)).toBe(false);
    expect([old, middle, fresh, dead, live].map(existsSync)).toEqual([false, true, true, false, true]);
    await collectGarbage(home, later({ now, cacheBytes: 1500 }));
    expect([middle, fresh].map(existsSync)).toEqual([false, true]);
  });
});
