import { execFileSync } from 'node:child_process';
import { mkdir, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { fetchSource, MAX_PATCH_BYTES, readPatchBytes } from '../../src/sources/index.ts';
import { discard, failure, recording, scratch, spec } from './fixture.ts';
import { bzip2, gzip, xz, zstd } from './pack.ts';

let home = '';
const patch = Buffer.from('--- a/Makefile\n+++ b/Makefile\n@@ -1 +1 @@\n-a \xe4\n+b\n', 'latin1');

beforeEach(async () => {
  home = await scratch();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await discard(home);
});

test.each([
  ['bare', (bytes: Buffer) => bytes],
  ['gz', gzip],
  ['bz2', bzip2],
  ['xz', xz],
  ['zst', zstd],
])('a patch packed as %s is read by its content, not by its name', async (_, packed) => {
  const path = join(home, 'openMosix-2.4.22-2');
  await writeFile(path, packed(patch));
  expect(await readPatchBytes(path)).toEqual(patch);
});

test('a fetched patch is read, and nothing of it is left in the temporary directory', async () => {
  await mkdir(join(home, 'tmp'));
  vi.stubEnv('TMPDIR', join(home, 'tmp'));
  await writeFile(join(home, 'a.bz2'), bzip2(patch));
  const source = await fetchSource(spec(['a.bz2'], { baseDirectory: home }), recording(join(home, 'cache')));
  expect(await readPatchBytes(source)).toEqual(patch);
  expect(await readdir(join(home, 'tmp'))).toEqual([]);
});

test('an empty patch has no bytes', async () => {
  await writeFile(join(home, 'empty'), '');
  expect(await readPatchBytes(join(home, 'empty'))).toHaveLength(0);
});

test('a truncated patch is refused', async () => {
  const packed = gzip(patch);
  await writeFile(join(home, 'a.gz'), packed.subarray(0, packed.length - 10));
  expect(await failure(readPatchBytes(join(home, 'a.gz')))).toMatchObject({ kind: 'integrity' });
});

test.each([
  ['xz', xz],
  ['gz', gzip],
])('a small %s that unpacks to more than any patch is refused', async (_, packed) => {
  await writeFile(join(home, 'bomb'), packed(Buffer.alloc(MAX_PATCH_BYTES + 1)));
  const error = await failure(readPatchBytes(join(home, 'bomb')));
  expect(error.kind).toBe('integrity');
  expect(error.message).toContain(`unpacks to more than ${MAX_PATCH_BYTES} bytes`);
});

test('a bare file larger than any patch is refused unread', async () => {
  await writeFile(join(home, 'huge'), '');
  await truncate(join(home, 'huge'), MAX_PATCH_BYTES + 1);
  expect(await failure(readPatchBytes(join(home, 'huge')))).toMatchObject({ kind: 'integrity' });
});

test('a directory is no patch', async () => {
  expect(await failure(readPatchBytes(home))).toMatchObject({ kind: 'invalid', exitCode: 2 });
});

/** A tar of files in the home, by GNU tar. */
async function tarOf(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const top = join(home, 'tarred');
  await mkdir(join(top, 'patches'), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(top, name), bytes);
  return execFileSync('tar', ['-c', '-C', top, '.']);
}

test.each([
  ['in a bare tar', (bytes: Buffer) => bytes],
  ['in a tar.gz', gzip],
  ['in a tar.bz2', bzip2],
])('a patch %s is taken out by its name, packed or not', async (_, packed) => {
  const path = join(home, 'MOSIX');
  await writeFile(path, packed(await tarOf({ 'patches/one.gz': gzip(patch), README: Buffer.from('read') })));
  expect(await readPatchBytes(path, { member: 'patches/one.gz' })).toEqual(patch);
  expect((await readPatchBytes(path, { member: 'README' })).toString()).toBe('read');
});

test('a tar without a member, and a member that is not there, are refused with the names that are', async () => {
  const path = join(home, 'all.tar.gz');
  await writeFile(path, gzip(await tarOf({ 'patches/one': patch })));
  const refused = { kind: 'invalid', lines: expect.arrayContaining(['./patches/one']) };
  await expect(readPatchBytes(path)).rejects.toMatchObject(refused);
  await expect(readPatchBytes(path, { member: 'patches' })).rejects.toMatchObject(refused);
  const bare = join(home, 'bare');
  await writeFile(bare, patch);
  await expect(readPatchBytes(bare, { member: 'x' })).rejects.toMatchObject({
    lines: ['it is neither a tar nor an RPM'],
  });
});
