import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  commitBundle,
  diffBundles,
  findBundle,
  type StoredBundle,
  surveyBundles,
} from '../../src/bundle/index.ts';
import type { Home } from '../../src/platform/home.ts';
import { collectGarbage, inspectServing, publishBundle, repair, rollback } from '../../src/publish/index.ts';
import { CHECKOUT, kiln } from '../support/kiln.ts';
import { homeWith, manifestFor, storeBundle } from './fixture.ts';
import { expectClean } from './scenarios.ts';

/** A home with a channel that has been through two bundles. */
async function twoGenerations() {
  const { home, bundles } = await homeWith('one', 'two');
  const [one, two] = bundles as unknown as [StoredBundle, StoredBundle];
  await publishBundle(home, one, 'lts/x');
  await publishBundle(home, two, 'lts/x');
  return { home, one, two };
}

const inTurn = { keep: 1, graceMs: 0, now: new Date('2100-01-01'), cacheAgeMs: 1e12, cacheBytes: undefined };

describe('a bundle in the store', () => {
  it.each<[string, (file: string) => void, RegExp]>([
    ['a directory', (file) => mkdirSync(file), /vmlinuz is a directory, not a file/],
    [
      'a symlink to the same bytes',
      (file) => {
        writeFileSync(`${file}.away`, 'vmlinuz of one\n');
        renameSync(`${file}.away`, join(file, '../../../vmlinuz'));
        symlinkSync('../../vmlinuz', file);
      },
      /vmlinuz is a symlink, not a file/,
    ],
  ])('is damaged when a file of it is %s, and is published nowhere', async (_name, put, sentence) => {
    const { home, one } = await twoGenerations();
    rmSync(join(one.directory, 'vmlinuz'));
    put(join(one.directory, 'vmlinuz'));
    await expect(rollback(home, 'lts/x', 1)).rejects.toMatchObject({
      kind: 'integrity',
      message: expect.stringMatching(sentence),
    });
    const { code, stdout } = await kiln(['verify', 'one', '--home', home.root]);
    expect(code).toBe(4);
    expect(stdout).toMatch(sentence);
  });

  it.each<[string, (directory: string) => void, RegExp]>([
    ['cut short', (directory) => truncateSync(join(directory, 'manifest.json'), 50), /is not the manifest/],
    ['missing', (directory) => rmSync(join(directory, 'manifest.json')), /manifest\.json is missing/],
    [
      'a directory',
      (directory) => {
        rmSync(join(directory, 'manifest.json'));
        mkdirSync(join(directory, 'manifest.json'));
      },
      /manifest\.json is no file/,
    ],
  ])('whose manifest is %s keeps nobody from verifying and mending the others', async (_name, put, is) => {
    const { home, one } = await twoGenerations();
    chmodSync(join(one.directory, 'manifest.json'), 0o644);
    put(one.directory);
    rmSync(join(home.tftp, 'lts/x'));
    const { code, stdout } = await kiln(['verify', '--repair', '--home', home.root]);
    expect(code).toBe(4);
    expect(stdout).toMatch(is);
    expect(stdout).toMatch(/repaired: pointed lts\/x to \.\.\/bundles\/two/);
    expect((await kiln(['bundles', '--home', home.root])).stdout).toMatch(/^two /m);
    await expect(collectGarbage(home, { ...inTurn, dryRun: false })).rejects.toMatchObject({
      kind: 'integrity',
    });
  });

  it('whose bytes are others is neither booted nor held against another', async () => {
    const { home, one } = await twoGenerations();
    rmSync(join(one.directory, 'config'));
    writeFileSync(join(one.directory, 'config'), 'CONFIG_OTHER=y\n');
    const damaged = { kind: 'integrity', message: expect.stringMatching(/bundle one is damaged: config/) };
    await expect(findBundle(home, 'two').then((two) => diffBundles(one, two))).rejects.toMatchObject(damaged);
    const { code, stderr } = await kiln(['boot', 'one', '--home', home.root]);
    expect([code, stderr]).toEqual([4, expect.stringMatching(/bundle one is damaged: config/)]);
  });

  it('in the place of another is neither published as that nor taken for it by a build', async () => {
    const { home, one, two } = await twoGenerations();
    renameSync(one.directory, `${home.root}/one`);
    cpSync(two.directory, one.directory, { recursive: true });
    await expect(findBundle(home, 'one')).rejects.toThrow(/in the place of demo:a one is bundle demo:a two/);
    await expect(rollback(home, 'lts/x', 1)).rejects.toMatchObject({ kind: 'integrity' });
    expect((await surveyBundles(home)).unreadable).toHaveLength(1);
    const staged = join(home.cache, 'again');
    cpSync(`${home.root}/one`, staged, { recursive: true });
    const made = await commitBundle(home, staged, await manifestFor(staged, 'one'));
    expect(made.manifest.id).toBe('one');
  });
});

describe('what is served', () => {
  it.each<[string, (path: string, stored: string) => void]>([
    ['a directory', (path) => mkdirSync(path)],
    [
      'a symlink to the store, which a server that chroots can not follow',
      (path, stored) => symlinkSync(stored, path),
    ],
    ['for its owner alone to read', (path) => writeFileSync(path, 'vmlinuz of two\n', { mode: 0o600 })],
  ])('is found and mended where a file is %s', async (_name, put) => {
    const { home, two } = await twoGenerations();
    const served = join(home.tftp, 'bundles/two/vmlinuz');
    rmSync(served);
    put(served, join(two.directory, 'vmlinuz'));
    expect((await inspectServing(home)).faults).toHaveLength(1);
    expect((await repair(home)).done).toEqual(['linked tftp/bundles/two/vmlinuz from the store']);
    expect(statSync(served).mode & 0o777).toBe(0o444);
    await expectClean(home);
  });

  it('takes the place of a symlink that leads out of the TFTP root', async () => {
    const { home, one } = await twoGenerations();
    renameSync(join(home.tftp, 'bundles/one'), join(home.root, 'away'));
    symlinkSync('../../away', join(home.tftp, 'bundles/one'));
    await publishBundle(home, one, 'lts/y');
    await expectClean(home);
  });

  it('can be read by every user, whatever the umask of who publishes', async () => {
    const { home } = await homeWith('one');
    execFileSync('sh', ['-c', `umask 077; exec ./kiln publish one --channel lts/x --home ${home.root}`], {
      cwd: CHECKOUT,
    });
    const modes = ['', 'lts', 'bundles', 'bundles/one'].map((name) => statSync(join(home.tftp, name)).mode);
    expect(modes.map((mode) => mode & 0o055)).toEqual([0o055, 0o055, 0o055, 0o055]);
  });

  it('is told when other users can not get to it', async () => {
    const { home } = await twoGenerations();
    chmodSync(join(home.tftp, 'lts'), 0o700);
    const { faults, notes } = await inspectServing(home);
    expect(faults).toEqual([]);
    expect(notes.join('\n')).toMatch(/can't enter .*tftp\/lts: chmod o\+x/);
  });
});

describe('a history', () => {
  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['all zeros', (bytes) => Buffer.alloc(bytes.length)],
    ['empty', () => Buffer.alloc(0)],
    ['zeros behind its first line', (bytes) => bytes.fill(0, bytes.indexOf(0x0a) + 1)],
    ['zeros behind its first generation', (bytes) => bytes.fill(0, bytes.indexOf('"two"') - 100)],
  ])(
    'that is %s is damaged, not new: nothing flips, and what it needs is not dropped',
    async (_name, damage) => {
      const { home, one } = await twoGenerations();
      const journal = join(home.channels, 'lts/x/journal');
      writeFileSync(journal, damage(readFileSync(journal)));
      const damaged = { kind: 'integrity', message: 'the history of the channel is damaged' };
      await expect(publishBundle(home, one, 'lts/x')).rejects.toMatchObject(damaged);
      await expect(collectGarbage(home, { ...inTurn, dryRun: false })).rejects.toMatchObject(damaged);
      expect((await repair(home)).failed).toHaveLength(1);
      expect(readlinkSync(join(home.tftp, 'lts/x'))).toBe('../bundles/two');
    },
  );
});

describe('one damaged thing', () => {
  it.each<[string, (home: Home) => void, RegExp]>([
    [
      'history',
      (home) => {
        const journal = join(home.channels, 'lts/x/journal');
        writeFileSync(journal, readFileSync(journal, 'utf8').replace('"bundle":"one"', '"bundle":"x"'));
      },
      /history of the channel is damaged/,
    ],
    [
      'list of canaries',
      (home) => writeFileSync(join(home.channels, '.canaries.json'), '{"format":"kiln-canaries/1"}'),
      /list of canary nodes is damaged/,
    ],
  ])('(a %s) is told, and the links of all other channels are mended', async (_name, damage, sentence) => {
    const { home, one } = await twoGenerations();
    await publishBundle(home, one, 'lts/y');
    damage(home);
    rmSync(join(home.tftp, 'lts/y'));
    const { done, failed } = await repair(home);
    expect(done).toContain('pointed lts/y to ../bundles/one');
    expect(failed.join('\n')).toMatch(sentence);
  });
});

describe('gc', () => {
  it('keeps what a link leads to by an absolute path, in the TFTP root or in the store', async () => {
    const { home, bundles } = await homeWith('one', 'two', 'three', 'four');
    const all = bundles as readonly StoredBundle[];
    await publishBundle(home, bundles[0], 'lts/x');
    await publishBundle(home, all[1] ?? bundles[0], 'lts/x');
    symlinkSync(join(home.tftp, 'bundles/one'), join(home.tftp, 'by-path'));
    symlinkSync(join(all[2]?.directory ?? '', 'vmlinuz'), join(home.tftp, 'from-the-store'));
    await storeBundle(home, 'five');
    await collectGarbage(home, { ...inTurn, dryRun: false });
    const ids = (await surveyBundles(home)).bundles.map(({ manifest }) => manifest.id);
    expect(ids.sort()).toEqual(['one', 'three', 'two']);
  });
});
