import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BootRequest, bootBundle, findQemu } from '../../src/boot/index.ts';
import { findIpxe } from '../../src/boot/qemu.ts';
import { bootConfigs, makeInitrd } from '../../src/initrd/index.ts';
import { sha256 } from '../../src/platform/digest.ts';
import { output } from '../../src/platform/process.ts';
import { BOOT_FILE, discard, LIMIT_MS, tftpRoot } from './fixture.ts';

const TARBALL = join(import.meta.dirname, '../../recipes/sample/linux-2.4.99.tar.bz2');

const qemu = await findQemu();
const ipxe = await findIpxe();
const withQemu = qemu === undefined ? ' (skipped: no QEMU)' : '';
const withIpxe = ipxe === undefined ? ' (skipped: no ipxe.lkrn)' : '';

let work = '';
let root = '';
let request: BootRequest;

/** Builds the sample kernel as it comes, and stages it with an initrd as a bundle named `one`. */
beforeAll(async () => {
  if (qemu === undefined) return;
  work = await mkdtemp(join(tmpdir(), 'kiln-sample-'));
  const tree = join(work, 'linux-2.4.99');
  await output('tar', ['-C', work, '-xf', TARBALL]);
  for (const target of ['oldconfig', 'dep', 'bzImage']) {
    await output('make', ['-C', tree, target]);
  }
  const initrd = await makeInitrd({
    workDirectory: join(work, 'initrd'),
    format: 'ext2',
    compiler: 'gcc',
    release: '2.4.99',
    sizeKiB: 2000,
    inodes: 200,
    epoch: 1061769600,
  });
  const image = await readFile(initrd.image);
  const configs = bootConfigs({
    id: 'one',
    files: { kernel: 'vmlinuz', initrd: 'initrd.gz' },
    cmdline: 'console=ttyS0 root=/dev/ram0 kiln.then=poweroff',
    label: 'sample:rtl8139',
  });
  const vmlinuz = await readFile(join(tree, 'arch/i386/boot/bzImage'));
  root = await tftpRoot({ vmlinuz, 'initrd.gz': image, ...configs });
  request = {
    tftpRoot: root,
    bootFile: BOOT_FILE,
    nic: 'rtl8139',
    expect: [
      'sample: Linux version 2.4.99',
      'sample: command line: console=ttyS0 root=/dev/ram0 kiln.then=poweroff',
      `sample: initrd ${image.length} bytes sha256:${sha256(image)}`,
    ],
    timeoutMs: LIMIT_MS,
    consoleLog: join(root, 'console.log'),
  };
});
afterAll(async () => {
  await discard(root);
  await rm(work, { recursive: true, force: true });
});

describe.skipIf(qemu === undefined)(`the sample kernel${withQemu}`, () => {
  test('is started by iPXE from immutable paths, with the initrd that was made', async () => {
    expect(await bootBundle(request)).toMatchObject({
      status: 'passed',
      loader: 'pxe',
      loaded: [BOOT_FILE, 'bundles/one/vmlinuz', 'bundles/one/initrd.gz'],
    });
  });

  test('is started by QEMU itself from what the script names, when TFTP is not asked for', async () => {
    expect(await bootBundle({ ...request, loader: 'kernel' })).toMatchObject({
      status: 'passed',
      loader: 'kernel',
      loaded: [],
    });
  });

  test('with another initrd fails the boot that expects this one', async () => {
    const other = { ...request, expect: [{ line: /initrd 1 bytes/, instead: /^sample: initrd / }] };
    expect(await bootBundle(other)).toMatchObject({ status: 'failed', reason: 'mismatch' });
  });

  test.skipIf(ipxe === undefined)(
    `is booted over TFTP on a card that has no ROM in QEMU${withIpxe}`,
    async () => {
      expect(await bootBundle({ ...request, nic: 'tulip' })).toMatchObject({
        status: 'passed',
        loader: 'ipxe',
        loaded: [BOOT_FILE, 'bundles/one/vmlinuz', 'bundles/one/initrd.gz'],
      });
    },
  );
});
