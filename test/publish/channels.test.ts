import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packReproducibly } from '../../src/bundle/index.ts';
import { disk } from '../../src/platform/filesystem.ts';
import {
  addCanaries,
  pinChannel,
  promote,
  publishBundle,
  readChannel,
  removeCanaries,
  rollback,
  unpinChannel,
} from '../../src/publish/index.ts';
import { inspectServing } from '../../src/publish/inspect.ts';
import { recover } from '../../src/publish/recover.ts';
import { freshDirectory } from '../support/kiln.ts';
import { watched } from './faults.ts';
import { homeWith, storeBundle } from './fixture.ts';
import { expectClean } from './scenarios.ts';

describe('promotion', () => {
  it('gives a channel what another one points to, with where it came from as the reason', async () => {
    const { home, bundles } = await homeWith('one', 'two');
    for (const bundle of bundles) await publishBundle(home, bundle, 'lts/testing');
    await rollback(home, 'lts/testing', 1);
    expect(await promote(home, 'lts/testing', 'lts/stable')).toMatchObject({ generation: 1, bundle: 'one' });
    const record = await readChannel(home, 'lts/stable');
    expect(record?.generations[0]?.reason).toBe('promoted from lts/testing, generation 1');
    await expect(promote(home, 'lts/none', 'lts/stable')).rejects.toMatchObject({ kind: 'usage' });
  });
});

describe('a pinned channel', () => {
  it('refuses every flip and says who pinned it and why; with force it flips and stays pinned', async () => {
    const { home, bundles } = await homeWith('one', 'two');
    for (const bundle of bundles) await publishBundle(home, bundle, 'lts/x');
    await pinChannel(home, 'lts/x', { by: 'ada', reason: 'exam week' });
    const refusal = /pinned to generation 2 by ada since .*: exam week/;
    await expect(rollback(home, 'lts/x', 1)).rejects.toThrow(refusal);
    await expect(publishBundle(home, bundles[0], 'lts/x')).rejects.toThrow(refusal);
    expect(readlinkSync(join(home.tftp, 'lts/x'))).toBe('../bundles/two');
    await rollback(home, 'lts/x', 1, { force: true });
    await expect(rollback(home, 'lts/x', 2)).rejects.toThrow(refusal);
    expect(await unpinChannel(home, 'lts/x')).toMatchObject({ by: 'ada' });
    expect(await rollback(home, 'lts/x', 2)).toMatchObject({ generation: 2, flipped: true });
  });

  it('can be published what it points to already: nothing flips', async () => {
    const { home, bundles } = await homeWith('one');
    await publishBundle(home, bundles[0], 'lts/x');
    await pinChannel(home, 'lts/x');
    expect(await publishBundle(home, bundles[0], 'lts/x')).toMatchObject({ flipped: false });
  });
});

describe('a channel in the classic form', () => {
  it('is one file, an NBI image where there is one, and keeps its form', async () => {
    const { home, bundles } = await homeWith('one');
    const nbi = await storeBundle(home, 'two', { files: { 'vmlinuz.nbi': 'NBI of two\n' } });
    const name = 'lts/vmlinuz-openmosix';
    await publishBundle(home, bundles[0], name, { singleFile: true });
    expect(readFileSync(join(home.tftp, name), 'utf8')).toBe('vmlinuz of one\n');
    await publishBundle(home, nbi, name);
    expect(readlinkSync(join(home.tftp, name))).toBe('../bundles/two/vmlinuz.nbi');
    await rollback(home, name, undefined);
    expect(readlinkSync(join(home.tftp, name))).toBe('../bundles/one/vmlinuz');
    await expectClean(home);
  });
});

describe('a channel whose parent is a channel', () => {
  it('is refused: its link would land inside of a bundle', async () => {
    const { home, bundles } = await homeWith('one');
    await publishBundle(home, bundles[0], 'lts');
    await expect(publishBundle(home, bundles[0], 'lts/x')).rejects.toThrow(
      /lts is a symlink, not a directory/,
    );
    expect(readdirSync(join(home.tftp, 'bundles/one'))).not.toContain('x');
  });
});

describe('a canary', () => {
  const mac = '52-54-00-12-34-56';

  it('follows its own channel by PXELINUX and iPXE, through flips, until it is taken off the list', async () => {
    const { home, bundles } = await homeWith('one', 'two');
    await publishBundle(home, bundles[0], 'lts/testing');
    await addCanaries(home, 'lts/testing', ['52:54:00:12:34:56'.toUpperCase()]);
    const served = () =>
      [`pxelinux.cfg/01-${mac}`, `nodes/${mac}/boot.ipxe`].map((name) =>
        readFileSync(join(home.tftp, name), 'utf8'),
      );
    expect(served()).toEqual(['pxelinux.cfg of one\n', 'boot.ipxe of one\n']);
    await publishBundle(home, bundles[1] ?? bundles[0], 'lts/testing');
    expect(served()).toEqual(['pxelinux.cfg of two\n', 'boot.ipxe of two\n']);
    await expectClean(home);
    await removeCanaries(home, [mac]);
    expect(existsSync(join(home.tftp, 'nodes', mac))).toBe(false);
    expect(existsSync(join(home.tftp, `pxelinux.cfg/01-${mac}`))).toBe(false);
    await expectClean(home);
  });

  it('leaves the configurations that others put there alone', async () => {
    const { home, bundles } = await homeWith('one');
    await publishBundle(home, bundles[0], 'lts/testing');
    mkdirSync(join(home.tftp, 'pxelinux.cfg'));
    symlinkSync('../lts/testing/pxelinux.cfg', join(home.tftp, 'pxelinux.cfg/default'));
    writeFileSync(join(home.tftp, 'pxelinux.cfg/01-00-11-22-33-44-55'), 'theirs');
    await addCanaries(home, 'lts/testing', [mac]);
    await removeCanaries(home, [mac]);
    expect(readdirSync(join(home.tftp, 'pxelinux.cfg'))).toEqual(['01-00-11-22-33-44-55', 'default']);
    expect((await inspectServing(home)).foreign).toEqual([
      'pxelinux.cfg/01-00-11-22-33-44-55',
      'pxelinux.cfg/default',
    ]);
    await expect(addCanaries(home, 'lts/testing', ['nonsense'])).rejects.toThrow(/no MAC address/);
    await expect(addCanaries(home, 'lts/none', [mac])).rejects.toThrow(/no channel/);
  });

  it('that was cut short at any operation is on the list or not, and its links agree once that is settled', async () => {
    for (let at = 0; ; at += 1) {
      const { home, bundles } = await homeWith('one');
      await publishBundle(home, bundles[0], 'lts/testing');
      let count = 0;
      const failing = watched(disk, () => {
        count += 1;
        if (count > at) throw Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 });
      });
      const failed = await addCanaries(home, 'lts/testing', [mac], { fileSystem: failing }).catch(() => true);
      await recover(disk, home);
      await expectClean(home);
      if (failed !== true) break;
    }
  });
});

describe('the modules of a bundle', () => {
  async function bundleWithModules() {
    const { home } = await homeWith();
    const modules = freshDirectory('modules');
    mkdirSync(join(modules, 'lib/modules/two/kernel/net'), { recursive: true });
    writeFileSync(join(modules, 'lib/modules/two/kernel/net/8139too.o'), 'module');
    symlinkSync('/usr/src/linux', join(modules, 'lib/modules/two/build'));
    const archive = join(modules, 'modules.tar.gz');
    await packReproducibly(join(modules), archive, 0);
    const bundle = await storeBundle(home, 'two', { files: { 'modules.tar.gz': readFileSync(archive) } });
    const roots = [freshDirectory('nfs'), freshDirectory('nfs')];
    writeFileSync(join(home.root, 'kiln.yaml'), `nfs-roots: ${JSON.stringify(roots)}\n`);
    return { home, bundle, roots: roots as [string, string] };
  }

  it('are in every NFS root before the channel flips, and not at all when one of them fails', async () => {
    const { home, bundle, roots } = await bundleWithModules();
    let ready = false;
    const watching = watched(disk, ({ name, args }) => {
      if (name !== 'rename' || !String(args[1]).endsWith('/tftp/lts/x')) return;
      ready = roots.every((root) => existsSync(join(root, 'lib/modules/two/kernel/net/8139too.o')));
    });
    await publishBundle(home, bundle, 'lts/x', { fileSystem: watching });
    expect(ready).toBe(true);
    expect(readlinkSync(join(roots[1], 'lib/modules/two/build'))).toBe('/usr/src/linux');
    writeFileSync(join(home.root, 'kiln.yaml'), 'nfs-roots: [/nowhere/at/all]\n');
    await expect(publishBundle(home, bundle, 'lts/y')).rejects.toThrow(/no NFS root/);
    expect(existsSync(join(home.tftp, 'lts/y'))).toBe(false);
  });

  it('are refused when one of them lies below a symlink, which may lead out of the NFS root', async () => {
    const { home } = await homeWith();
    const root = freshDirectory('nfs');
    const away = freshDirectory('away');
    writeFileSync(join(home.root, 'kiln.yaml'), `nfs-roots: ${root}\n`);
    const archive = join(away, 'modules.tar.gz');
    const link = 'lib/modules/one/kernel';
    const file = `${link}/m.o`;
    mkdirSync(join(away, 'a', dirname(link)), { recursive: true });
    symlinkSync(away, join(away, 'a', link));
    mkdirSync(join(away, 'b', dirname(file)), { recursive: true });
    writeFileSync(join(away, 'b', file), 'evil');
    execFileSync('tar', ['-C', join(away, 'a'), '-cf', archive, link]);
    execFileSync('tar', ['-C', join(away, 'b'), '-rf', archive, file]);
    execFileSync('gzip', ['-f', archive]);
    const files = { 'modules.tar.gz': readFileSync(`${archive}.gz`) };
    const bundle = await storeBundle(home, 'one', { files });
    await expect(publishBundle(home, bundle, 'lts/x')).rejects.toMatchObject({ kind: 'integrity' });
    expect(existsSync(join(away, 'm.o'))).toBe(false);
    expect(existsSync(join(root, 'lib/modules/one'))).toBe(false);
  });

  it('never take the place of what Kiln did not put there', async () => {
    const { home, bundle, roots } = await bundleWithModules();
    mkdirSync(join(roots[0], 'lib/modules/two'), { recursive: true });
    await expect(publishBundle(home, bundle, 'lts/x')).rejects.toThrow(/not put there by Kiln/);
    expect(readdirSync(join(roots[0], 'lib/modules/two'))).toEqual([]);
  });
});
