import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addCanaries, inspectServing, publishBundle, rollback } from '../../src/publish/index.ts';
import { configName, pointPxelinux } from '../../src/publish/pxelinux.ts';
import { homeWith, storeBundle } from './fixture.ts';

const LOADER = '/usr/lib/PXELINUX/pxelinux.0';
const without = existsSync(LOADER) ? '' : ' (skipped: no PXELINUX)';

describe.skipIf(!existsSync(LOADER))(`the TFTP root of nodes that load PXELINUX${without}`, () => {
  it('has the loader, and configurations for all and for single nodes by way of their channels', async () => {
    const { home, bundles } = await homeWith('one', 'two');
    await publishBundle(home, bundles[0], 'lts/stable');
    await publishBundle(home, bundles[1] ?? bundles[0], 'lts/testing');
    await pointPxelinux(home, 'lts/stable', ['default']);
    await pointPxelinux(home, 'lts/testing', ['192.168.1.20']);
    await addCanaries(home, 'lts/testing', ['52:54:00:12:34:56']);
    expect(readFileSync(join(home.tftp, 'pxelinux.0')).equals(readFileSync(LOADER))).toBe(true);
    expect(existsSync(join(home.tftp, 'ldlinux.c32'))).toBe(true);
    const text = (name: string) => readFileSync(join(home.tftp, 'pxelinux.cfg', name), 'utf8');
    expect(text('default')).toBe('pxelinux.cfg of one\n');
    expect(text('C0A80114')).toBe('pxelinux.cfg of two\n');
    expect(text('01-52-54-00-12-34-56')).toBe('pxelinux.cfg of two\n');
    expect(readlinkSync(join(home.tftp, 'pxelinux.cfg/default'))).toBe('../lts/stable/pxelinux.cfg');
  });

  it('follows a flip of the channel', async () => {
    const { home, bundles } = await homeWith('one', 'two');
    await publishBundle(home, bundles[0], 'lts/stable');
    await pointPxelinux(home, 'lts/stable', ['default']);
    await publishBundle(home, bundles[1] ?? bundles[0], 'lts/stable');
    expect(readFileSync(join(home.tftp, 'pxelinux.cfg/default'), 'utf8')).toBe('pxelinux.cfg of two\n');
  });

  it('is not left without a configuration by what has none', async () => {
    const { home, bundles } = await homeWith('one');
    const files = { vmlinuz: 'of none\n', 'boot.ipxe': 'of none\n' };
    const bare = await storeBundle(home, 'bare', { bare: true, files });
    await publishBundle(home, bare, 'lts/stable');
    await publishBundle(home, bundles[0], 'lts/stable');
    await pointPxelinux(home, 'lts/stable', ['default']);
    await addCanaries(home, 'lts/stable', ['52:54:00:12:34:56']);
    const refused = {
      kind: 'failed',
      message: expect.stringMatching(/01-52-54-00-12-34-56, pxelinux.cfg\/default/),
    };
    await expect(publishBundle(home, bare, 'lts/stable')).rejects.toMatchObject(refused);
    await expect(rollback(home, 'lts/stable', 1)).rejects.toMatchObject(refused);
    await expect(publishBundle(home, bundles[0], 'lts/stable', { singleFile: true })).rejects.toMatchObject(
      refused,
    );
    expect(readFileSync(join(home.tftp, 'pxelinux.cfg/default'), 'utf8')).toBe('pxelinux.cfg of one\n');
  });

  it('is refused a channel that there is not, and a node that is none', async () => {
    const { home } = await homeWith('one');
    await expect(pointPxelinux(home, 'lts/none', ['default'])).rejects.toMatchObject({ kind: 'usage' });
    await expect(pointPxelinux(home, 'lts/none', ['10.0.0.256'])).rejects.toThrow(/neither `default` nor/);
  });
});

it('a canary on a channel for iPXE alone is no fault', async () => {
  const { home } = await homeWith();
  const bare = await storeBundle(home, 'bare', { bare: true, files: { 'boot.ipxe': 'of bare\n' } });
  await publishBundle(home, bare, 'lts/x');
  await addCanaries(home, 'lts/x', ['52:54:00:12:34:56']);
  expect((await inspectServing(home)).faults).toEqual([]);
});

it('an address has the name that PXELINUX asks for', () => {
  expect(configName('192.168.2.91')).toBe('C0A8025B');
  expect(configName('10.0.0.1')).toBe('0A000001');
});
