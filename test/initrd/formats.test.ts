import { mkdir, readdir, readFile, statfs, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assertReadable, makeInitrd } from '../../src/initrd/index.ts';
import type { InitrdFormat } from '../../src/initrd/readable.ts';
import { writeRomfs } from '../../src/initrd/romfs.ts';
import { type DirectoryNode, loadTree } from '../../src/initrd/tree.ts';
import { sha256 } from '../../src/platform/digest.ts';
import { baseEnvironment, output, run } from '../../src/platform/process.ts';
import { bytes, discard, EPOCH, MODULES, moduleTree, RELEASE, request, scratch } from './fixture.ts';

const PACKED: readonly InitrdFormat[] = ['cramfs', 'romfs', 'cpio'];
const isRoot = process.getuid?.() === 0;
/** A memory file system lists names in the order opposite to that of their making. */
const TMPFS = 0x01021994;
const hasTmpfs = (await statfs('/dev/shm').catch(() => undefined))?.type === TMPFS;
const environment = { ...baseEnvironment(), PATH: `${baseEnvironment().PATH}:/usr/sbin:/sbin` };

let home = '';
beforeEach(async () => {
  home = await scratch();
});
afterEach(() => discard(home));

/** Makes an image with the modules of the fixture, and unpacks it from gzip. */
async function image(format: InitrdFormat, more: Parameters<typeof request>[1] = {}): Promise<string> {
  const modulesRoot = await moduleTree(join(home, 'modules'));
  const made = await makeInitrd(request(join(home, 'work'), { modulesRoot, format, ...more }));
  const path = join(home, `image.${format}`);
  await writeFile(path, gunzipSync(await readFile(made.image)));
  return path;
}

/** Runs a program in the test's directory; both of its streams must hold no more than what is returned. */
function say(program: string, ...args: string[]): Promise<string> {
  return output(program, args, { cwd: home, env: environment });
}

describe.each(PACKED)('%s', (format) => {
  test('the same modules give the same bytes from another directory, order, mode and date', async () => {
    const one = await moduleTree(join(home, 'one'));
    const two = await moduleTree(join(home, 'far/two'), { order: 'backward', mode: 0o640, time: 1e9 });
    const first = await makeInitrd(request(join(home, 'w1'), { modulesRoot: one, format }));
    const second = await makeInitrd(request(join(home, 'w2'), { modulesRoot: two, format }));
    expect(sha256(await readFile(second.image))).toBe(sha256(await readFile(first.image)));
  });

  test('a size or number of inodes that is too few fails with what is needed, and that is enough', async () => {
    const modulesRoot = await moduleTree(join(home, 'modules'));
    const asked = { modulesRoot, format, sizeKiB: 1, inodes: 3 };
    const failure = await makeInitrd(request(join(home, 'w'), asked)).catch(String);
    expect(failure).toMatch(/the initrd needs \d+ KiB and \d+ inodes, and is given 1 KiB and 3 inodes$/);
    const [sizeKiB = 0, inodes = 0] = (String(failure).match(/\d+/g) ?? []).map(Number);
    const made = await makeInitrd(request(join(home, 'w'), { modulesRoot, format, sizeKiB, inodes }));
    expect(made).toMatchObject({ format, sizeKiB, inodes });
  });
});

test('GNU cpio and bsdtar list a cpio image alike: owners, modes, device numbers, the one time', async () => {
  const path = await image('cpio');
  const environmentOfCpio = { cwd: home, env: environment, input: await readFile(path) };
  const listed = (await output('cpio', ['-itv', '--numeric-uid-gid', '--quiet'], environmentOfCpio)).split(
    '\n',
  );
  const line = (name: string) =>
    listed.find((one) => one.includes(` ${name}`) && !one.includes(`> ${name}`))?.replace(/ +/g, ' ');
  expect(line('sbin/init')).toMatch(/^-rwxr-xr-x 1 0 0 \d+ Aug 25 2003 sbin\/init$/);
  expect(line('linuxrc ->')).toBe('lrwxrwxrwx 1 0 0 9 Aug 25 2003 linuxrc -> sbin/init');
  expect(line('dev/console')).toBe('crw------- 1 0 0 5, 1 Aug 25 2003 dev/console');
  expect(line('dev/ram0')).toBe('brw------- 1 0 0 1, 0 Aug 25 2003 dev/ram0');
  expect(line('lib/modules')).toBe('drwxr-xr-x 2 0 0 0 Aug 25 2003 lib/modules');
  const names = (await say('bsdtar', '-tf', path)).trim().split('\n');
  const theirs = (await output('cpio', ['-it', '--quiet'], environmentOfCpio)).trim().split('\n');
  expect(names.map((name) => name.replace(/\/$/, ''))).toEqual(theirs);
});

test('files come out of a cpio image as they went in', async () => {
  const path = await image('cpio');
  const member = `lib/modules/${RELEASE}/kernel/net/big.o`;
  const back = await output('sh', ['-c', `bsdtar -xOf ${path} ${member} | sha256sum`], { env: environment });
  expect(back.slice(0, 64)).toBe(sha256(bytes('kernel/net/big.o', MODULES['kernel/net/big.o'])));
});

test("fsck.cramfs finds a cramfs image's checksum right, and of a damaged one wrong", async () => {
  const path = await image('cramfs');
  expect(await say('fsck.cramfs', '-v', path)).toMatch(/OK$/m);
  const damaged = await readFile(path);
  damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] ?? 0) ^ 1;
  await writeFile(path, damaged);
  expect((await run('fsck.cramfs', [path], { env: environment })).exitCode).not.toBe(0);
});

test.skipIf(!isRoot)(
  isRoot
    ? 'fsck.cramfs unpacks a cramfs image to what went in, with owners, modes and device numbers'
    : 'skipped: only root can unpack device nodes',
  async () => {
    const path = await image('cramfs');
    const listed = await say('fsck.cramfs', '-v', `--extract=${join(home, 'out')}`, path);
    expect(listed).toMatch(/^d 0755 .* 0:0 .*\/dev$/m);
    expect(listed).toMatch(/^c 0600 +5, +1 .* 0:0 .*\/dev\/console$/m);
    expect(listed).toMatch(/^f 0755 .* 0:0 .*\/sbin\/init$/m);
    for (const [name, size] of Object.entries(MODULES)) {
      const back = await readFile(join(home, 'out/lib/modules', RELEASE, name));
      expect(back.equals(bytes(name, size)), name).toBe(true);
    }
  },
);

test('a cramfs is about as large as that of mkfs.cramfs, and counts as it does', async () => {
  const tree = join(home, 'tree');
  await plainTree(tree);
  await say('mkfs.cramfs', '-n', 'kiln', tree, join(home, 'theirs'));
  const theirs = await readFile(join(home, 'theirs'));
  const { writeCramfs } = await import('../../src/initrd/cramfs.ts');
  const ours = await writeCramfs(await treeOf(tree), { workDirectory: join(home, 'w') });
  // Magic, flags, signature; blocks, files and name. The size may differ by a page: another compressor.
  expect(ours.subarray(0, 4)).toEqual(theirs.subarray(0, 4));
  expect(ours.subarray(8, 32)).toEqual(theirs.subarray(8, 32));
  expect(ours.subarray(40, 64)).toEqual(theirs.subarray(40, 64));
  expect(Math.abs(ours.length - theirs.length)).toBeLessThanOrEqual(4096);
});

test.skipIf(!hasTmpfs)(
  hasTmpfs ? 'a romfs is what genromfs makes, byte for byte' : 'skipped: no memory file system at /dev/shm',
  async () => {
    const tree = join('/dev/shm', `kiln-romfs-${process.pid}`);
    try {
      await plainTree(tree);
      await say('genromfs', '-d', tree, '-f', join(home, 'theirs'), '-V', 'kiln');
      expect(writeRomfs(await treeOf(tree)).equals(await readFile(join(home, 'theirs')))).toBe(true);
    } finally {
      await discard(tree);
    }
  },
);

/** Without devices, for users who aren't root; made backwards, so that a memory file system lists it sorted. */
async function plainTree(tree: string): Promise<void> {
  await mkdir(join(tree, 'sub/deep'), { recursive: true });
  await writeFile(join(tree, 'sub/deep/large'), bytes('large', 50_000));
  await writeFile(join(tree, 'sub/a-name-of-more-than-sixteen-characters'), 'text');
  await symlink('sub/deep', join(tree, 'link'));
  await mkdir(join(tree, 'hollow'));
  await writeFile(join(tree, 'empty'), '');
  await mkdir(join(tree, 'bin'));
  await writeFile(join(tree, 'bin/program'), bytes('program', 700), { mode: 0o755 });
}

async function treeOf(directory: string): Promise<DirectoryNode> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const entries = names.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const relative = path.slice(directory.length + 1);
    if (entry.isDirectory()) return { type: 'directory' as const, path: relative, mode: 0o755 };
    if (entry.isSymbolicLink()) return { type: 'symlink' as const, path: relative, target: 'sub/deep' };
    const mode = entry.name === 'program' ? 0o755 : 0o644;
    return { type: 'file' as const, path: relative, mode, source: path };
  });
  return loadTree(entries.sort((one, other) => one.path.length - other.path.length));
}

test('cramfs refuses by name what it can not hold', async () => {
  const modulesRoot = await moduleTree(join(home, 'm'), { files: { 'kernel/huge.o': 16_777_216 } });
  await expect(makeInitrd(request(join(home, 'w'), { modulesRoot, format: 'cramfs' }))).rejects.toMatchObject(
    {
      kind: 'failed',
      message: expect.stringMatching(/kernel\/huge\.o can't go into a cramfs: it has 16777216 bytes/),
    },
  );
});

describe('a kernel that could not read its initrd', () => {
  const ready = 'CONFIG_BLK_DEV_RAM=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_EXT2_FS=y\n';
  test('is refused with the option that is missing', () => {
    expect(() => assertReadable('cramfs', '2.4.22', `${ready}CONFIG_CRAMFS=m\n`)).toThrow(
      'the kernel could not read its initrd (cramfs): CONFIG_CRAMFS is not built in',
    );
    expect(() => assertReadable('romfs', '2.4.22', '')).toThrow(
      'CONFIG_BLK_DEV_RAM, CONFIG_BLK_DEV_INITRD, CONFIG_ROMFS_FS are not built in',
    );
    expect(() =>
      assertReadable('cpio', '6.1.0', 'CONFIG_BLK_DEV_INITRD=y\n# CONFIG_RD_GZIP is not set\n'),
    ).toThrow('CONFIG_RD_GZIP is not built in');
  });
  test('is let through when it can', () => {
    expect(() => assertReadable('ext2', '2.4.22', ready)).not.toThrow();
    expect(() => assertReadable('cpio', '6.1.0', 'CONFIG_BLK_DEV_INITRD=y\n')).not.toThrow();
  });
  test('of 2.2 and 2.4 has no initramfs', () => {
    expect(() => assertReadable('cpio', '2.4.37', ready)).toThrow(
      "Linux 2.4.37 has no initramfs, so it can't read cpio",
    );
  });
});

test('no time but the epoch is in a cpio image', async () => {
  const path = await image('cpio', { epoch: EPOCH });
  const times = new Set((await readFile(path, 'latin1')).match(/(?<=070701[0-9A-F]{40})[0-9A-F]{8}/g));
  // The end's own header has none.
  expect(times).toEqual(new Set([EPOCH.toString(16).toUpperCase().padStart(8, '0'), '00000000']));
});
