import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findQemu } from '../../src/boot/index.ts';
import { makeFloppy, makeInitrd, makeIso, makeNbi } from '../../src/initrd/index.ts';
import { sha256 } from '../../src/platform/digest.ts';
import { findCommand } from '../../src/platform/hosttools.ts';
import { output } from '../../src/platform/process.ts';
import { consoleOf } from '../support/machine.ts';
import { discard, EPOCH, request, scratch } from './fixture.ts';
import { compileLoader, loaderArguments } from './nbi/loader.ts';
import { parseNbi } from './nbi/parse.ts';

const CHECKOUT = join(import.meta.dirname, '../..');
const CMDLINE = 'console=ttyS0 root=/dev/ram0 kiln.then=poweroff';
const qemu = await findQemu();
const unlessQemu = qemu === undefined ? ' (skipped: no QEMU)' : '';
const wraplinux = await findCommand('wraplinux');

let work = '';
let initrdLine = '';
const paths = { kernel: '', initrd: '', systemMap: '' };

/** Builds the sample kernel, which says on the console what it was given. */
beforeAll(async () => {
  work = await scratch();
  const tree = join(work, 'linux-2.4.99');
  await output('tar', ['-C', work, '-xf', join(CHECKOUT, 'recipes/sample/linux-2.4.99.tar.bz2')]);
  for (const target of ['oldconfig', 'dep', 'bzImage']) {
    await output('make', ['-C', tree, target]);
  }
  const initrd = await makeInitrd(request(join(work, 'initrd'), { release: '2.4.99' }));
  paths.kernel = join(tree, 'arch/i386/boot/bzImage');
  paths.systemMap = join(tree, 'System.map');
  paths.initrd = initrd.image;
  const bytes = await readFile(initrd.image);
  initrdLine = `sample: initrd ${bytes.length} bytes sha256:${sha256(bytes)}`;
});
afterAll(() => discard(work));

const medium = () => ({
  ...paths,
  workDirectory: join(work, 'medium'),
  cmdline: CMDLINE,
  label: 'sample',
  epoch: EPOCH,
});

describe.each(['mknbi', 'linear'] as const)('an NBI in the layout %s', (layout) => {
  const image = () => join(work, `${layout}.nbi`);
  const make = (target: string) =>
    makeNbi(target, { ...paths, workDirectory: work, compiler: 'gcc', cmdline: CMDLINE, layout });

  test('is what a strict reader of the proposal takes, with kernel, initrd and command line whole', async () => {
    await make(image());
    const parsed = parseNbi(await readFile(image()));
    const kernel = await readFile(paths.kernel);
    const initrd = await readFile(paths.initrd);
    const setup = 512 * (1 + kernel.readUInt8(0x1f1));
    const at = (address: number) => parsed.segments.find((segment) => segment.address === address);
    const protectedMode = at(0x100000)?.data.subarray(0, kernel.length - setup);
    expect(protectedMode?.equals(kernel.subarray(setup))).toBe(true);
    const ramdisk = parsed.segments.at(-1);
    expect(ramdisk?.data.subarray(0, initrd.length).equals(initrd)).toBe(true);
    const line = at(layout === 'mknbi' ? 0x93400 : 0x1f000);
    expect(line?.data.toString('latin1').replace(/\0+$/, '')).toBe(CMDLINE);
    expect(line?.memory).toBe(2048);
  });

  test('is the same bytes each time', async () => {
    await make(image());
    await make(`${image()}.again`);
    expect(sha256(await readFile(image()))).toBe(sha256(await readFile(`${image()}.again`)));
  });

  test.skipIf(qemu === undefined)(
    `boots from a strict loader: kernel and initrd as they are, option 129 behind the command line${unlessQemu}`,
    async () => {
      await make(image());
      const said = await consoleOf(loaderArguments(await compileLoader(work), image()));
      expect(said).toContain('loader: entering\n');
      expect(said).toContain(`sample: command line: ${CMDLINE} kiln.option129=yes\n`);
      expect(said).toContain(initrdLine);
    },
  );
});

test("an NBI in mknbi's layout has its vendor, tags and addresses", async () => {
  const image = join(work, 'tags.nbi');
  await makeNbi(image, { ...paths, workDirectory: work, compiler: 'gcc', cmdline: CMDLINE, layout: 'mknbi' });
  const { vendor, header, entry, segments } = parseNbi(await readFile(image));
  expect(vendor).toMatch(/^mknbi-linux-/);
  expect(header).toBe(0x93200);
  expect(entry).toEqual({ kind: 'real', segment: 0x9220, offset: 0 });
  expect(segments.map(({ tag }) => tag)).toEqual([16, 17, 18, 19, 20, 21]);
  expect(segments.slice(0, 5).map(({ address }) => address)).toEqual([
    0x92200, 0x93400, 0x90000, 0x90200, 0x100000,
  ]);
  expect(segments.slice(0, 5).filter(({ data }) => data.length % 512 !== 0)).toEqual([]);
  expect((segments[5]?.data.length ?? 1) % 4096).toBe(0);
});

test.skipIf(wraplinux === undefined)(
  wraplinux === undefined ? 'skipped: no wraplinux' : "wraplinux's image passes the same strict reader",
  async () => {
    const image = join(work, 'wraplinux.nbi');
    await output('wraplinux', ['-N', '-o', image, paths.kernel, '-i', paths.initrd, '-p', CMDLINE]);
    const { entry, segments } = parseNbi(await readFile(image));
    expect(entry.kind).toBe('linear');
    expect(segments.at(-1)?.address).toBe(0x100000);
  },
);

test.skipIf(qemu === undefined)(`the strict loader refuses a damaged NBI${unlessQemu}`, async () => {
  const image = join(work, 'damaged.nbi');
  await makeNbi(image, { ...paths, workDirectory: work, compiler: 'gcc', cmdline: CMDLINE, layout: 'mknbi' });
  await writeFile(image, (await readFile(image)).subarray(0, -1));
  const said = await consoleOf(loaderArguments(await compileLoader(work), image));
  expect(said).toBe('loader: refused: the file is cut short\n');
});

describe('a floppy', () => {
  const image = () => join(work, 'floppy.img');

  test('is a file system that mtools reads, with kernel and initrd whole', async () => {
    expect(await makeFloppy(image(), { ...medium(), size: 'auto' })).toBe(1440);
    expect((await stat(image())).size).toBe(1440 * 1024);
    const listed = await output('mdir', ['-b', '-a', '-i', image(), '::']);
    expect(listed.toLowerCase().trim().split('\n').sort()).toEqual([
      '::/initrd.gz',
      '::/ldlinux.c32',
      '::/ldlinux.sys',
      '::/syslinux.cfg',
      '::/vmlinuz',
    ]);
    const back = join(work, 'back');
    await output('mcopy', ['-n', '-o', '-i', image(), '::vmlinuz', back]);
    expect((await readFile(back)).equals(await readFile(paths.kernel))).toBe(true);
  });

  test('is the same bytes each time', async () => {
    await makeFloppy(image(), { ...medium(), size: 2880 });
    const first = sha256(await readFile(image()));
    await makeFloppy(image(), { ...medium(), size: 2880 });
    expect(sha256(await readFile(image()))).toBe(first);
  });

  test('that is too small is refused with the sizes', async () => {
    const large = join(work, 'large');
    await writeFile(large, Buffer.alloc(2_000_000, 7));
    await expect(makeFloppy(image(), { ...medium(), initrd: large, size: 1440 })).rejects.toMatchObject({
      kind: 'failed',
      message: expect.stringMatching(
        /^kernel \(\d+ bytes\) and initrd \(2000000\) do not fit on a floppy disk of 1440 KiB \(1474560 bytes\)$/,
      ),
    });
    expect(await makeFloppy(image(), { ...medium(), initrd: large, size: 'auto' })).toBe(2880);
  });

  test('that only the loader is too much for is refused as well', async () => {
    const large = join(work, 'large');
    await writeFile(large, Buffer.alloc(1440 * 1024 - (await stat(paths.kernel)).size - 20_000, 7));
    await expect(makeFloppy(image(), { ...medium(), initrd: large, size: 1440 })).rejects.toThrow(
      'kernel, initrd and SYSLINUX together do not fit on a floppy disk of 1440 KiB',
    );
  });

  test.skipIf(qemu === undefined)(`boots${unlessQemu}`, async () => {
    await makeFloppy(image(), { ...medium(), size: 'auto' });
    expect(await consoleOf(['-drive', `if=floppy,format=raw,file=${image()}`, '-boot', 'a'])).toContain(
      initrdLine,
    );
  });
});

describe('an ISO', () => {
  const image = () => join(work, 'boot.iso');

  test('is a file system that xorriso and bsdtar read, with kernel and initrd whole', async () => {
    await makeIso(image(), medium());
    const names = (await output('bsdtar', ['-tf', image()])).toLowerCase().trim().split('\n').sort();
    expect(names).toEqual([
      '.',
      'boot.cat',
      'initrd.gz',
      'isolinux.bin',
      'isolinux.cfg',
      'ldlinux.c32',
      'vmlinuz',
    ]);
    const back = await output('sh', ['-c', `bsdtar -xOf ${image()} vmlinuz | sha256sum`]);
    expect(back.slice(0, 64)).toBe(sha256(await readFile(paths.kernel)));
  });

  test('is the same bytes each time', async () => {
    await makeIso(image(), medium());
    const first = sha256(await readFile(image()));
    await makeIso(image(), { ...medium(), workDirectory: join(work, 'elsewhere') });
    expect(sha256(await readFile(image()))).toBe(first);
  });

  test.skipIf(qemu === undefined)(`boots${unlessQemu}`, async () => {
    await makeIso(image(), medium());
    expect(await consoleOf(['-cdrom', image(), '-boot', 'd'])).toContain(initrdLine);
  });
});
