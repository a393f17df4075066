import { chmod, chown, mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeInitrd } from '../../src/initrd/index.ts';
import { sha256 } from '../../src/platform/digest.ts';
import { listIfAny } from '../../src/platform/files.ts';
import { run } from '../../src/platform/process.ts';
import { discard, EPOCH, e2fs, inodes, moduleTree, RELEASE, request, scratch, unpacked } from './fixture.ts';

const NOBODY = 65534;
const MAKE_AS = join(import.meta.dirname, 'makeAs.ts');
const asNobody = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath];
const canBeNobody =
  process.getuid?.() === 0 &&
  (await run('setpriv', [...asNobody, '-e', `require('fs').readFileSync(${JSON.stringify(MAKE_AS)})`]))
    .exitCode === 0;

let home = '';
beforeEach(async () => {
  home = await scratch();
});
afterEach(() => discard(home));

test('the same modules give the same bytes from another directory, order, mode and date', async () => {
  const one = await moduleTree(join(home, 'one'));
  const two = await moduleTree(join(home, 'far/away/two'), { order: 'backward', mode: 0o640, time: 1e9 });
  const first = await makeInitrd(request(join(home, 'w1'), { modulesRoot: one }));
  const second = await makeInitrd(request(join(home, 'elsewhere/w2'), { modulesRoot: two }));
  expect(sha256(await readFile(second.image))).toBe(sha256(await readFile(first.image)));
});

test.skipIf(!canBeNobody)(
  canBeNobody ? 'root and nobody make the same bytes' : 'skipped: only root can build as nobody',
  async () => {
    const modulesRoot = await moduleTree(join(home, 'modules'));
    const mine = await makeInitrd(request(join(home, 'mine'), { modulesRoot }));
    const theirs = join(home, 'theirs');
    await mkdir(theirs);
    await chown(theirs, NOBODY, NOBODY);
    const asked = JSON.stringify(request(theirs, { modulesRoot }));
    const result = await run('setpriv', [...asNobody, MAKE_AS, asked]);
    expect(result.tail.join('\n')).toContain(`"image":"${theirs}/initrd.gz"`);
    expect(sha256(await readFile(join(theirs, 'initrd.gz')))).toBe(sha256(await readFile(mine.image)));
  },
);

test('no time but the epoch is anywhere in the image', async () => {
  const modulesRoot = await moduleTree(join(home, 'modules'), { time: 1e9 });
  const made = await makeInitrd(request(join(home, 'w'), { modulesRoot }));
  const image = await unpacked(made.image);
  const stamp = `0x${EPOCH.toString(16)}`;
  for (const { path } of await inodes(image)) {
    const times = (await e2fs('debugfs', '-R', `stat ${path}`, image)).match(/^[acm]time: 0x[0-9a-f]+/gm);
    expect(times, path).toEqual([`ctime: ${stamp}`, `atime: ${stamp}`, `mtime: ${stamp}`]);
  }
  const summary = await e2fs('dumpe2fs', '-h', image);
  const dates = summary.match(/^(Filesystem created|Last write time|Last checked): .*/gm) ?? [];
  expect(dates).toHaveLength(3);
  for (const date of dates) expect(date).toMatch(/Mon Aug 25 00:00:00 2003$/);
  // RFC 1952, 2.3.1: MTIME is 0 for none; FLG 0: no name.
  const compressed = await readFile(made.image);
  expect([...compressed.subarray(3, 8)]).toEqual([0, 0, 0, 0, 0]);
});

test('e2fsck finds nothing to mend, in one block group or in many', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 150 }, (_, index) => [`kernel/drivers/net/card-${index}.o`, 1 + index * 700]),
  );
  const modulesRoot = await moduleTree(join(home, 'modules'), { files });
  const small = await unpacked((await makeInitrd(request(join(home, 's'), { modulesRoot }))).image);
  const large = await makeInitrd(request(join(home, 'l'), { modulesRoot, sizeKiB: 30_000, inodes: 3000 }));
  expect(await e2fs('e2fsck', '-f', '-n', small)).toContain('Pass 5');
  expect(await e2fs('e2fsck', '-f', '-n', await unpacked(large.image))).toContain('Pass 5');
  expect(large.sizeKiB).toBe(30_000);
});

test('everything belongs to root, with the modes that a node needs, whoever owns the modules', async () => {
  const modulesRoot = await moduleTree(join(home, 'modules'), { mode: 0o600 });
  await chmod(join(modulesRoot, 'lib/modules', RELEASE, 'kernel/drivers'), 0o700);
  const made = await makeInitrd(request(join(home, 'w'), { modulesRoot }));
  const found = await inodes(await unpacked(made.image));
  expect(found.filter(({ uid, gid }) => uid !== 0 || gid !== 0)).toEqual([]);
  const modes = Object.fromEntries(found.map(({ path, mode }) => [path, mode.toString(8)]));
  expect(modes).toMatchObject({
    '/': '40755',
    '/sbin/init': '100755',
    '/linuxrc': '120777',
    '/init': '120777',
    '/dev/console': '20600',
    '/dev/null': '20666',
    '/dev/ram0': '60600',
    [`/lib/modules/${RELEASE}/kernel/drivers`]: '40755',
    [`/lib/modules/${RELEASE}/kernel/drivers/net/8139too.o`]: '100644',
  });
});

test('device nodes have the numbers of Documentation/devices.txt', async () => {
  const image = await unpacked((await makeInitrd(request(join(home, 'w')))).image);
  const numbers = async (name: string) =>
    /Device major\/minor number: (\d+:\d+)/.exec(
      await e2fs('debugfs', '-R', `stat /dev/${name}`, image),
    )?.[1];
  expect(await numbers('console')).toBe('05:01');
  expect(await numbers('null')).toBe('01:03');
  expect(await numbers('tty0')).toBe('04:00');
  expect(await numbers('ttyS0')).toBe('04:64');
  expect(await numbers('ram0')).toBe('01:00');
});

test('modules arrive byte for byte, without the link to the build tree', async () => {
  const modulesRoot = await moduleTree(join(home, 'modules'));
  const image = await unpacked((await makeInitrd(request(join(home, 'w'), { modulesRoot }))).image);
  const module = `/lib/modules/${RELEASE}/kernel/net/big.o`;
  await e2fs('debugfs', '-R', `dump ${module} ${join(home, 'back.o')}`, image);
  const back = await readFile(join(home, 'back.o'));
  expect(back.equals(await readFile(join(modulesRoot, module)))).toBe(true);
  expect((await inodes(image)).map(({ path }) => path)).not.toContain(`/lib/modules/${RELEASE}/build`);
});

test('a link among the modules that a node could not follow is refused', async () => {
  const modulesRoot = await moduleTree(join(home, 'modules'));
  await symlink('/usr/src/x.o', join(modulesRoot, 'lib/modules', RELEASE, 'kernel/x.o'));
  await expect(makeInitrd(request(join(home, 'w'), { modulesRoot }))).rejects.toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('kernel/x.o is a link to /usr/src/x.o'),
  });
});

test('modules of another release are not taken for those of this one', async () => {
  const modulesRoot = await moduleTree(join(home, 'modules'));
  const made = makeInitrd(request(join(home, 'w'), { modulesRoot, release: '2.4.22' }));
  await expect(made).rejects.toMatchObject({ kind: 'failed', message: expect.stringContaining('2.4.22') });
});

test('size and inodes that are too few fail with what is needed, and exactly that is enough', async () => {
  const modulesRoot = await moduleTree(join(home, 'modules'));
  const tooSmall = await makeInitrd(
    request(join(home, 'w'), { modulesRoot, sizeKiB: 100, inodes: 20 }),
  ).catch((error: unknown) => error);
  expect(tooSmall).toMatchObject({
    kind: 'failed',
    message: expect.stringMatching(
      /^the initrd needs \d+ KiB and \d+ inodes, and is given 100 KiB and 20 inodes$/,
    ),
  });
  const [sizeKiB = 0, inodeCount = 0] = (String(tooSmall).match(/\d+/g) ?? []).map(Number);
  const asked = { modulesRoot, sizeKiB, inodes: inodeCount };
  const made = await makeInitrd(request(join(home, 'w'), asked));
  expect(made.usedKiB).toBe(sizeKiB);
  await expect(
    makeInitrd(request(join(home, 'w'), { ...asked, sizeKiB: sizeKiB - 1 })),
  ).rejects.toMatchObject({ kind: 'failed' });
  await expect(
    makeInitrd(request(join(home, 'w'), { ...asked, inodes: inodeCount - 1 })),
  ).rejects.toMatchObject({ kind: 'failed' });
});

test('size and inodes given by the recipe are what the file system has', async () => {
  const made = await makeInitrd(request(join(home, 'w'), { sizeKiB: 2000, inodes: 200 }));
  const summary = await e2fs('dumpe2fs', '-h', await unpacked(made.image));
  expect(summary).toMatch(/^Block count: +2000$/m);
  expect(summary).toMatch(/^Inode count: +200$/m);
  expect(summary).toMatch(/^Filesystem revision #: +1 \(dynamic\)$/m);
  expect(summary).toMatch(/^Filesystem features: +\(none\)$/m);
  expect(made).toMatchObject({ sizeKiB: 2000, inodes: 200 });
});

test('nothing but init and the image is left in the work directory', async () => {
  await makeInitrd(request(join(home, 'w')));
  expect(await listIfAny(join(home, 'w'))).toEqual(['init', 'initrd.gz']);
});

test('a compiler that is not there is a missing tool', async () => {
  const made = makeInitrd(request(join(home, 'w'), { compiler: join(home, 'no-such-gcc') }));
  await expect(made).rejects.toMatchObject({ kind: 'tool' });
});
