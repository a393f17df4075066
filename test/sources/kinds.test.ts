import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestTree, fetchSource, readPatchBytes, unpackTree } from '../../src/sources/index.ts';
import { discard, failure, hex, recording, scratch, spec } from './fixture.ts';
import { bzip2, gzip, xz, zstd } from './pack.ts';
import { cpio, rpm } from './rpmBytes.ts';
import { smallTree, tarOf } from './tarBytes.ts';

const rpmbuild = spawnSync('rpmbuild', ['--version']).error === undefined;

let home = '';
beforeEach(async () => {
  home = await scratch();
});
afterEach(() => discard(home));

const patch = Buffer.from('--- a/Makefile\n+++ b/Makefile\n@@ -1 +1 @@\n-a\n+b\n');

async function stored(name: string, bytes: Buffer): Promise<string> {
  const path = join(home, name);
  await writeFile(path, bytes);
  return path;
}

const sourceRpm = (pack: (bytes: Buffer) => Buffer = gzip) =>
  rpm(
    pack(
      cpio({
        'kernel.spec': Buffer.from('Name: kernel\n'),
        'linux-2.4.18.tar.gz': gzip(tarOf(...smallTree('linux'))),
        'openMosix-2.4.18-4.gz': gzip(patch),
      }),
    ),
  );

describe('an RPM', () => {
  test.each([
    ['gz', gzip],
    ['bz2', bzip2],
    ['xz', xz],
    ['zst', zstd],
    ['nothing', (bytes: Buffer) => bytes],
  ])('with its payload packed as %s gives a patch by its name', async (_, pack) => {
    const path = await stored('a.src.rpm', sourceRpm(pack));
    expect(await readPatchBytes(path, { member: 'openMosix-2.4.18-4.gz' })).toEqual(patch);
    expect(await readPatchBytes(path, { member: './openMosix-2.4.18-4.gz' })).toEqual(patch);
  });

  test('gives a tree that unpacks to linux/', async () => {
    await stored('a.src.rpm', sourceRpm());
    const source = await fetchSource(
      spec(['a.src.rpm'], { baseDirectory: home }),
      recording(join(home, 'cache')),
    );
    await unpackTree(source, join(home, 'tree'), { member: 'linux-2.4.18.tar.gz' });
    expect(await readFile(join(home, 'tree/Makefile'), 'utf8')).toContain('SUBLEVEL = 99');
  });

  test('names its files when the member is not one of them', async () => {
    const error = await failure(
      readPatchBytes(await stored('a.src.rpm', sourceRpm()), { member: 'openMosix' }),
    );
    expect(error).toMatchObject({
      kind: 'invalid',
      lines: expect.arrayContaining(['linux-2.4.18.tar.gz']) as unknown,
    });
  });

  test('without a member is refused', async () => {
    const error = await failure(readPatchBytes(await stored('a.src.rpm', sourceRpm())));
    expect(error).toMatchObject({ kind: 'invalid', hint: expect.stringContaining('member:') as unknown });
  });

  test('cut anywhere before its last member is refused, and never read beyond its end', async () => {
    const whole = rpm(cpio({ a: patch, b: Buffer.from('second') }));
    for (let length = 4; length < whole.length - 124; length += 7) {
      const path = await stored('cut.rpm', whole.subarray(0, length));
      await expect(failure(readPatchBytes(path, { member: 'b' }))).resolves.toMatchObject({
        kind: 'integrity',
      });
    }
  });

  test.each([
    ['a header that claims more than there is', rpm(Buffer.from('x'), 0xffff)],
    ['a header beyond all limits', rpm(Buffer.from('x'), 0xffffffff)],
    ['a payload that is no archive', rpm(gzip(Buffer.from('not an archive')))],
    ['a payload that is damaged', rpm(Buffer.concat([gzip(cpio({ a: patch })).subarray(0, 60)]))],
    [
      'a member that claims more than there is',
      rpm(
        Buffer.from(
          cpio({ a: patch })
            .toString('latin1')
            .replace(/^(.{54})[0-9a-f]{8}/s, '$1ffffffff'),
          'latin1',
        ),
      ),
    ],
  ])('with %s is refused', async (_, bytes) => {
    const error = await failure(readPatchBytes(await stored('bad.rpm', bytes), { member: 'a' }));
    expect(error.kind).toBe('integrity');
  });

  test('with a name that climbs out gives its bytes to who names it and writes nothing by it', async () => {
    const path = await stored('up.rpm', rpm(cpio({ '../../escaped': patch })));
    expect(await readPatchBytes(path, { member: '../../escaped' })).toEqual(patch);
    expect(spawnSync('find', ['/tmp', '-maxdepth', '2', '-name', 'escaped']).stdout.toString()).toBe('');
  });

  test.skipIf(!rpmbuild)(`of rpmbuild's is read${rpmbuild ? '' : ' (skipped: no rpmbuild)'}`, async () => {
    await mkdir(join(home, 'SOURCES'));
    await writeFile(join(home, 'SOURCES/fix.patch'), patch);
    const fields = ['Name: k', 'Version: 1', 'Release: 1', 'Summary: k', 'License: GPL', 'Patch0: fix.patch'];
    await writeFile(join(home, 'k.spec'), `${fields.join('\n')}\n%description\nk\n`);
    execFileSync('rpmbuild', ['-bs', '--define', `_topdir ${home}`, join(home, 'k.spec')], { stdio: 'pipe' });
    expect(await readPatchBytes(join(home, 'SRPMS/k-1-1.src.rpm'), { member: 'fix.patch' })).toEqual(patch);
  });
});

test('a patch is read out of a tar in a packed tar', async () => {
  const inner = tarOf({ name: 'patches.2.2.17', content: patch });
  const path = await stored(
    'MOSIX.tar.gz',
    gzip(tarOf({ name: 'README' }, { name: 'kernel.tar', content: inner })),
  );
  expect(await readPatchBytes(path, { member: ['kernel.tar', 'patches.2.2.17'] })).toEqual(patch);
  const error = await failure(readPatchBytes(path, { member: ['kernel.tar', 'patches'] }));
  expect(error.message).toContain('MOSIX.tar.gz, kernel.tar has no file patches in it');
});

describe('a git repository', () => {
  async function repository(): Promise<{ url: string; commit: string }> {
    const directory = join(home, 'linux.git');
    await mkdir(directory);
    const git = (...words: string[]) =>
      execFileSync('git', ['-C', directory, ...words], { stdio: 'pipe' })
        .toString()
        .trim();
    git('init', '-q');
    await writeFile(join(directory, 'Makefile'), 'VERSION = 2\nPATCHLEVEL = 4\nSUBLEVEL = 99\n');
    git('add', '.');
    git('-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '-qm', 'one');
    git('tag', 'v2.4.99');
    return { url: `git+file://${directory}`, commit: git('rev-parse', 'HEAD') };
  }

  test('gives the tree of a tag, the same bytes each time', async () => {
    const { url } = await repository();
    const wanted = spec([`${url}#v2.4.99`]);
    const one = await fetchSource(wanted, recording(join(home, 'one')));
    const other = await fetchSource(wanted, recording(join(home, 'other')));
    expect(one).toMatchObject({ fileName: 'linux-v2.4.99.tar', sha256: other.sha256, kind: 'file' });
    await unpackTree(one, join(home, 'tree'));
    expect(readFileSync(join(home, 'tree/Makefile'), 'utf8')).toContain('SUBLEVEL = 99');
  });

  test('that has moved a tag is refused by the digest of the lock', async () => {
    const { url } = await repository();
    const pins = { sha256: hex('sha256', Buffer.from('another')) };
    const error = await failure(fetchSource(spec([`${url}#v2.4.99`], pins), recording(join(home, 'cache'))));
    expect(error.kind).toBe('integrity');
  });

  test.each(['', '#', '#--upload-pack=touch', '#a..b', '#a b'])(
    'with %j behind it is refused before git runs',
    async (ref) => {
      const error = await failure(
        fetchSource(spec([`git+https://example.org/linux.git${ref}`]), recording(join(home, 'cache'))),
      );
      expect(error.lines.join('\n')).toMatch(/names no tag|is no name of a tag/);
    },
  );
});

test('a directory is a source where it is, by the digest of its tree', async () => {
  await mkdir(join(home, 'linux'));
  await writeFile(join(home, 'linux/Makefile'), 'VERSION = 2\n');
  const source = await fetchSource(spec(['linux'], { baseDirectory: home }), recording(join(home, 'cache')));
  const { sha256 } = await digestTree(join(home, 'linux'));
  expect(source).toMatchObject({ kind: 'directory', sha256, substituted: false });
  await unpackTree(source, join(home, 'tree'));
  expect(await readFile(join(home, 'tree/Makefile'), 'utf8')).toBe('VERSION = 2\n');
});
