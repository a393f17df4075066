import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  bundleDirectory,
  findBundle,
  inspectBundle,
  listBundles,
  trustedKeys,
} from '../../src/bundle/index.ts';
import { homeAt } from '../../src/platform/home.ts';
import {
  addCanaries,
  checkChannelName,
  linkPath,
  linkTarget,
  listChannels,
  pinChannel,
  publishBundle,
  readChannel,
  rollback,
  unpinChannel,
} from '../../src/publish/index.ts';
import { freshDirectory, kiln } from '../support/kiln.ts';
import { homeWith, storeBundle } from './fixture.ts';

describe('a channel', () => {
  it('is a relative symlink to the immutable boot files of its bundle, inside the TFTP root', async () => {
    const { home, bundles } = await homeWith('one');
    const published = await publishBundle(home, bundles[0], 'lts/demo-a');
    expect(published).toEqual({ channel: 'lts/demo-a', generation: 1, bundle: 'one', flipped: true });
    expect(readlinkSync(join(home.tftp, 'lts/demo-a'))).toBe('../bundles/one');
    expect(readFileSync(join(home.tftp, 'lts/demo-a/vmlinuz'), 'utf8')).toBe('vmlinuz of one\n');
    expect(existsSync(join(home.tftp, 'lts/demo-a/config'))).toBe(false);
  });

  it('counts its generations, and publishing what it points to already makes none', async () => {
    const { home, bundles } = await homeWith('one', 'two');
    for (const bundle of [...bundles, ...bundles.slice(1)])
      await publishBundle(home, bundle, 'lts/x', { reason: 'test' });
    const record = await readChannel(home, 'lts/x');
    expect(record?.generations.map(({ generation, bundle }) => [generation, bundle])).toEqual([
      [1, 'one'],
      [2, 'two'],
    ]);
    expect(record?.current?.generation).toBe(2);
    expect(record?.flips.map(({ from, to, reason }) => [from, to, reason])).toEqual([
      [null, 1, 'test'],
      [1, 2, 'test'],
    ]);
  });

  it('rolls back to the generation before, and forward again by number, without a rebuild', async () => {
    const { home, bundles } = await homeWith('one', 'two', 'three');
    for (const bundle of bundles) await publishBundle(home, bundle, 'lts/x');
    expect(await rollback(home, 'lts/x', undefined)).toMatchObject({
      generation: 2,
      bundle: 'two',
      flipped: true,
    });
    expect(await rollback(home, 'lts/x', undefined)).toMatchObject({ generation: 1, bundle: 'one' });
    await expect(rollback(home, 'lts/x', undefined)).rejects.toMatchObject({ kind: 'usage' });
    expect(await rollback(home, 'lts/x', 3)).toMatchObject({ generation: 3, bundle: 'three' });
    expect(readlinkSync(linkPath(home, 'lts/x'))).toBe('../bundles/three');
    await expect(rollback(home, 'lts/x', 9)).rejects.toThrow(/no generation 9/);
    await expect(rollback(home, 'lts/none', undefined)).rejects.toThrow(/no channel lts\/none/);
  });

  it('does not roll back to a bundle that is damaged, and stays where it is', async () => {
    const { home, bundles } = await homeWith('one', 'two');
    for (const bundle of bundles) await publishBundle(home, bundle, 'lts/x');
    const damaged = join(bundles[0].directory, 'vmlinuz');
    rmSync(damaged);
    writeFileSync(damaged, 'something else');
    await expect(rollback(home, 'lts/x', 1)).rejects.toMatchObject({ kind: 'integrity' });
    expect(readlinkSync(linkPath(home, 'lts/x'))).toBe('../bundles/two');
    rmSync(bundles[0].directory, { recursive: true });
    await expect(rollback(home, 'lts/x', 1)).rejects.toThrow(/is gone/);
    expect((await readChannel(home, 'lts/x'))?.current?.bundle).toBe('two');
  });

  it('never takes the place of something that Kiln did not put there', async () => {
    const { home, bundles } = await homeWith('one');
    mkdirSync(join(home.tftp, 'lts/x'), { recursive: true });
    await expect(publishBundle(home, bundles[0], 'lts/x')).rejects.toThrow(/is a directory, not a symlink/);
    expect(lstatSync(join(home.tftp, 'lts/x')).isDirectory()).toBe(true);
    expect(await listChannels(home)).toEqual([]);
  });

  it('whose symlink was removed by hand gets it back with the next publish', async () => {
    const { home, bundles } = await homeWith('one');
    await publishBundle(home, bundles[0], 'lts/x');
    rmSync(linkPath(home, 'lts/x'));
    expect(await publishBundle(home, bundles[0], 'lts/x')).toMatchObject({ generation: 1, flipped: false });
    expect(readlinkSync(linkPath(home, 'lts/x'))).toBe('../bundles/one');
  });

  it('serves files that are world-readable and never written to: a damaged one is replaced', async () => {
    const { home, bundles } = await homeWith('one');
    await publishBundle(home, bundles[0], 'lts/x');
    const served = join(home.tftp, 'bundles/one/vmlinuz');
    expect(statSync(served).mode & 0o777).toBe(0o444);
    expect(statSync(served).ino).toBe(statSync(join(bundles[0].directory, 'vmlinuz')).ino);
    rmSync(served);
    writeFileSync(served, 'torn');
    await publishBundle(home, bundles[0], 'lts/x');
    expect(readFileSync(served, 'utf8')).toBe('vmlinuz of one\n');
  });

  it.each(['../x', '/x', 'bundles/x', 'a//b', '.x', 'a b', 'a/..', ''])('may not be called %j', (name) => {
    expect(() => checkChannelName(name)).toThrow(/is not a channel's name/);
  });

  it('at any depth points to the bundle by a relative path', () => {
    expect(linkTarget('x', 'id')).toBe('bundles/id');
    expect(linkTarget('a/b/c', 'id')).toBe('../../bundles/id');
  });
});

it('a channel that there is not is refused, and nothing is written for it', async () => {
  const home = homeAt(join(freshDirectory('none'), 'home'));
  const none = /there is no channel lts\/none/;
  await expect(rollback(home, 'lts/none', undefined)).rejects.toThrow(none);
  await expect(pinChannel(home, 'lts/none')).rejects.toThrow(none);
  await expect(unpinChannel(home, 'lts/none')).rejects.toThrow(none);
  await expect(addCanaries(home, 'lts/none', ['52:54:00:12:34:56'])).rejects.toThrow(none);
  expect(existsSync(home.root)).toBe(false);
});

describe('a bundle', () => {
  it('that is in the store whole is not replaced, and one that is damaged is', async () => {
    const { home, bundles } = await homeWith('one');
    const inode = statSync(bundles[0].directory).ino;
    await storeBundle(home, 'one');
    expect(statSync(bundles[0].directory).ino).toBe(inode);
    rmSync(join(bundles[0].directory, 'vmlinuz'));
    await storeBundle(home, 'one');
    expect(statSync(bundles[0].directory).ino).not.toBe(inode);
    expect(existsSync(join(bundleDirectory(home, 'demo', 'a', 'one'), 'vmlinuz'))).toBe(true);
    expect(dirname(bundles[0].directory)).toBe(join(home.bundles, 'demo/a'));
  });

  it('from outside is copied into the store as it is, so that a rollback finds it when the outside is gone', async () => {
    const { home, bundles } = await homeWith('one');
    const { home: other, bundles: others } = await homeWith('two');
    await publishBundle(home, others[0], 'lts/x');
    await publishBundle(home, bundles[0], 'lts/x');
    rmSync(other.root, { recursive: true });
    expect(await rollback(home, 'lts/x', undefined)).toMatchObject({ bundle: 'two' });
    const [fault] = await inspectBundle(await findBundle(home, 'two'), await trustedKeys(home));
    expect(fault?.sentence).toMatch(/by the key [0-9A-F]+, which is not trusted here/);
  });

  it('from outside that is damaged, or has names that leave its directory, never gets into the store', async () => {
    const { home } = await homeWith();
    const { bundles } = await homeWith('two', 'three', 'four');
    const [damaged, hostile, led] = bundles.map(({ directory }) => directory) as [string, string, string];
    rmSync(join(damaged, 'vmlinuz'));
    writeFileSync(join(damaged, 'vmlinuz'), 'other');
    const edit = (directory: string, from: string, to: string) => {
      const file = join(directory, 'manifest.json');
      const manifest = readFileSync(file, 'utf8');
      rmSync(file);
      writeFileSync(file, manifest.replace(from, to));
    };
    edit(hostile, '"id": "three"', '"id": "../../three"');
    // Where kiln boot would make the channel's link.
    edit(led, '"id": "four"', '"id": "four", "channel": "../../x"');
    for (const [directory, sentence] of [
      [damaged, /bundle two is damaged/],
      [hostile, /has a name that is no file's: "\.\.\/\.\.\/three"/],
      [led, /has a name that is no file's: "\.\.\/\.\.\/x"/],
    ] as const) {
      const ran = await kiln(['publish', directory, '--channel', 'lts/x', '--home', home.root]);
      expect([ran.code, ran.stderr]).toEqual([4, expect.stringMatching(sentence)]);
    }
    expect(await listBundles(home)).toEqual([]);
    expect(existsSync(join(home.tftp, 'lts/x'))).toBe(false);
  });
});
