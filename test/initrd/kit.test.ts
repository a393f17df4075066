import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { kitEntries, makeInitrd } from '../../src/initrd/index.ts';
import { listIfAny } from '../../src/platform/files.ts';
import { output } from '../../src/platform/process.ts';
import { type TarEntry, tarOf } from '../sources/tarBytes.ts';
import { discard, moduleTree, RELEASE, request, scratch } from './fixture.ts';

let home = '';
beforeEach(async () => {
  home = await scratch();
});
afterEach(() => discard(home));

/** A kit in LTSP's shape: a script that is for root, and the tree of the initrd beside it. */
const LTSP: readonly TarEntry[] = [
  { name: 'ltsp_initrd_kit/', type: '5', mode: 0o755 },
  { name: 'ltsp_initrd_kit/buildk', content: '#!/bin/sh\ntouch buildk-was-run\n', mode: 0o755 },
  { name: 'ltsp_initrd_kit/root/', type: '5', mode: 0o755 },
  { name: 'ltsp_initrd_kit/root/linuxrc', content: '#!/bin/sh\n', mode: 0o755 },
  { name: 'ltsp_initrd_kit/root/bin/', type: '5', mode: 0o755 },
  { name: 'ltsp_initrd_kit/root/bin/busybox', content: 'binary', mode: 0o4755 },
  { name: 'ltsp_initrd_kit/root/bin/insmod', type: '1', linkname: 'ltsp_initrd_kit/root/bin/busybox' },
  { name: 'ltsp_initrd_kit/root/bin/sh', type: '2', linkname: '/bin/busybox' },
  { name: 'ltsp_initrd_kit/root/dev/', type: '5', mode: 0o755 },
  { name: 'ltsp_initrd_kit/root/dev/console', type: '3', device: [5, 1], mode: 0o622 },
  { name: 'ltsp_initrd_kit/root/etc/', type: '5', mode: 0o755 },
  { name: 'ltsp_initrd_kit/root/etc/niclist', content: 'of the kit\n' },
];

async function tarball(entries: readonly TarEntry[]): Promise<string> {
  const path = join(home, 'kit.tgz');
  await writeFile(path, gzipSync(tarOf(...entries)));
  return path;
}

const read = (path: string, more: { root?: string; kind?: 'file' | 'directory' } = {}) =>
  kitEntries({ path, kind: 'file', called: 'kit.tgz', workDirectory: join(home, 'work'), ...more });

test("LTSP's kit becomes the base: its own linuxrc, modes and devices kept, its buildk neither taken nor run", async () => {
  const kit = await read(await tarball(LTSP));
  const modulesRoot = await moduleTree(join(home, 'modules'));
  await writeFile(join(home, 'niclist'), '10ec:8139 8139too\n');
  const asked = { kit, modulesRoot, niclist: join(home, 'niclist'), format: 'cpio' as const };
  const made = await makeInitrd(request(join(home, 'work'), asked));
  const image = join(home, 'initrd');
  await writeFile(image, gunzipSync(await readFile(made.image)));
  const listed = (
    await output('cpio', ['-itv', '--numeric-uid-gid', '--quiet'], { input: await readFile(image) })
  )
    .split('\n')
    .map((line) => line.replace(/ +/g, ' '));
  const line = (name: string) => listed.find((one) => one.includes(` 2003 ${name}`));
  expect(line('linuxrc')).toMatch(/^-rwxr-xr-x 1 0 0 10 /);
  expect(line('bin/busybox')).toMatch(/^-rwsr-xr-x 1 0 0 6 /);
  expect(line('bin/insmod')).toMatch(/ 0 0 6 /);
  expect(line('bin/sh')).toMatch(/-> \/bin\/busybox$/);
  expect(line('dev/console')).toMatch(/^crw--w--w- 1 0 0 5, 1 /);
  expect(line('dev/null')).toMatch(/^crw-rw-rw- 1 0 0 1, 3 /);
  expect(line(`lib/modules/${RELEASE}/kernel/net/big.o`)).toBeDefined();
  expect(line('sbin/init')).toBeUndefined();
  expect(listed.join('\n')).not.toContain('buildk');
  expect(await listIfAny(join(home, 'work'))).not.toContain('init');
  const niclist = await output('bsdtar', ['-xOf', image, 'etc/niclist']);
  expect(niclist).toBe('10ec:8139 8139too\n');
});

test('a directory is a kit as well; what its owner may execute is 0755, and it gets the devices of a node', async () => {
  const tree = join(home, 'tree');
  await mkdir(join(tree, 'sbin'), { recursive: true });
  await writeFile(join(tree, 'sbin/init'), 'program', { mode: 0o700 });
  await symlink('sbin/init', join(tree, 'linuxrc'));
  const entries = await read(tree, { kind: 'directory' });
  expect(entries).toContainEqual({
    type: 'file',
    path: 'sbin/init',
    mode: 0o755,
    source: join(tree, 'sbin/init'),
  });
  expect(entries).toContainEqual({ type: 'symlink', path: 'linuxrc', target: 'sbin/init' });
  expect(entries).toContainEqual(
    expect.objectContaining({ type: 'device', path: 'dev/console', major: 5, minor: 1 }),
  );
});

test('root: names another directory of the kit as the tree', async () => {
  const path = await tarball([...LTSP, { name: 'other/init', content: 'program', mode: 0o755 }]);
  const entries = await read(path, { root: 'other' });
  expect(entries.filter(({ type }) => type === 'file').map((entry) => entry.path)).toEqual(['init']);
});

test('a kit with nothing to start is refused', async () => {
  const path = await tarball([{ name: 'README', content: 'text' }]);
  await expect(read(path)).rejects.toMatchObject({
    kind: 'failed',
    message: 'kit.tgz has no /linuxrc, /init or /sbin/init',
  });
});

describe('hostile members are refused, and nothing is written outside', () => {
  const start: TarEntry = { name: 'linuxrc', content: 'x', mode: 0o755 };
  test.each<[string, TarEntry[], RegExp]>([
    ['a name that climbs out', [{ name: '../out', content: 'x' }], /"\.\.\/out" has a name that climbs out/],
    ['an absolute name', [{ name: '/etc/out', content: 'x' }], /has an absolute name/],
    [
      'a member below a symlink',
      [
        { name: 'etc', type: '2', linkname: '/tmp' },
        { name: 'etc/out', content: 'x' },
      ],
      /"etc\/out" goes through the symlink etc/,
    ],
    [
      'a hard link to what is no member',
      [{ name: 'a', type: '1', linkname: '/etc/passwd' }],
      /is a hard link to no file/,
    ],
    ['a fifo', [{ name: 'pipe', type: '6' }], /is of type FIFO/],
    [
      'one name for two things',
      [
        { name: 'a', content: 'x' },
        { name: 'a', type: '5' },
      ],
      /comes twice: as a file and as a directory/,
    ],
  ])('%s', async (_words, entries, reason) => {
    const refused = read(await tarball([start, ...entries]));
    await expect(refused).rejects.toMatchObject({
      kind: 'integrity',
      message: expect.stringMatching(reason),
    });
    expect(await listIfAny(home)).toEqual(['kit.tgz', 'work']);
  });

  test('an archive that is damaged before its last megabyte, and nothing but that fails', async () => {
    const path = join(home, 'kit.tgz');
    const archive = tarOf(start, { name: 'large', content: 'x'.repeat(3_000_000) });
    // In the name, which the checksum covers.
    archive[1024] = 0x41;
    await writeFile(path, archive);
    await expect(read(path)).rejects.toMatchObject({ kind: 'integrity' });
  });

  test('an archive that is cut short', async () => {
    const path = join(home, 'kit.tgz');
    await writeFile(path, tarOf(start).subarray(0, 700));
    await expect(read(path)).rejects.toMatchObject({ kind: 'integrity' });
  });
});
