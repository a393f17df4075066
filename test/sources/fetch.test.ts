import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fetchSource } from '../../src/sources/index.ts';
import { storePath } from '../../src/sources/store.ts';
import { bytesAt, discard, failure, hex, noise, recording, scratch, spec } from './fixture.ts';

let home = '';
let cache = '';
const release = noise(3000);
const sha256 = hex('sha256', release);

beforeEach(async () => {
  home = await scratch();
  cache = join(home, 'cache');
});
afterEach(() => discard(home));

/** Puts a file of that name into a directory below the home. */
async function put(directory: string, name: string, content: Buffer = release): Promise<string> {
  await mkdir(join(home, directory), { recursive: true });
  await writeFile(join(home, directory, name), content);
  return join(home, directory, name);
}

describe('the places of a source', () => {
  test('a relative path starts where the recipe stands', async () => {
    await put('recipes/sample', 'a.patch');
    const source = await fetchSource(
      spec(['sample/a.patch'], { baseDirectory: join(home, 'recipes') }),
      recording(cache),
    );
    expect(source).toMatchObject({
      sha256,
      size: 3000,
      fileName: 'a.patch',
      kind: 'file',
      substituted: false,
    });
    expect(await bytesAt(source.path)).toEqual(release);
  });

  test('a file: URL is read, percent escapes and all', async () => {
    const path = await put('with space', 'a b.patch');
    const source = await fetchSource(spec([pathToFileURL(path).href]), recording(cache));
    expect(source).toMatchObject({ sha256, fileName: 'a b.patch', from: path });
  });

  test('URLs are tried in order until one has the file', async () => {
    const path = await put('there', 'a.patch');
    const options = recording(cache);
    const source = await fetchSource(spec([join(home, 'nowhere/a.patch'), path]), options);
    expect(source.from).toBe(path);
    expect(options.events).toContainEqual(
      expect.objectContaining({ status: 'unavailable', reason: 'no such file' }),
    );
  });

  test('a mirror directory is searched by file name before any URL', async () => {
    const path = await put('mirror', 'linux-2.4.99.tar.bz2');
    const source = await fetchSource(
      spec(['https://kernel.invalid/v2.4/linux-2.4.99.tar.bz2'], { sha256 }),
      recording(cache, { mirrors: [join(home, 'mirror')] }),
    );
    expect(source.from).toBe(path);
  });

  test('a damaged file in the mirror directory does not hide a good one behind a URL', async () => {
    await put('mirror', 'a.patch', noise(3000));
    const good = await put('upstream', 'a.patch');
    const source = await fetchSource(
      spec([good], { sha256 }),
      recording(cache, { mirrors: [join(home, 'mirror')] }),
    );
    expect(source.from).toBe(good);
  });

  test('what is in the store is not looked for elsewhere', async () => {
    const path = await put('there', 'a.patch');
    await fetchSource(spec([path]), recording(cache));
    const options = recording(cache);
    const source = await fetchSource(
      spec(['http://kernel.invalid/a.patch'], { locked: { size: 3000, sha256 } }),
      options,
    );
    expect(source).toMatchObject({ from: 'cache', sha256 });
    expect(options.events.map((event) => event.status)).toEqual(['cached', 'verified']);
  });

  test('what a killed process had half copied is swept away, what a living one is copying is not', async () => {
    const path = await put('there', 'a.patch');
    const gone = spawnSync('true').pid;
    const dead = await put('cache/sources/partial', `${hostname()}.${gone}.0123abcd.tmp`);
    const alive = await put('cache/sources/partial', `${hostname()}.${process.pid}.0123abcd.tmp`);
    const elsewhere = await put('cache/sources/partial', `other.${gone}.0123abcd.tmp`);
    await fetchSource(spec([path]), recording(cache));
    expect([dead, alive, elsewhere].map((file) => existsSync(file))).toEqual([false, true, true]);
  });

  test('files in the store are read-only', async () => {
    const source = await fetchSource(spec([await put('there', 'a.patch')]), recording(cache));
    expect((await stat(source.path)).mode & 0o777).toBe(0o444);
    expect(source.path).toBe(storePath(cache, sha256));
  });
});

describe('nothing unverified is used', () => {
  test.each([
    ['sha256', { sha256: 'ab'.repeat(32) }, /sha256 is [0-9a-f]{64}, expected abab/],
    ['sha1', { sha1: 'ab'.repeat(20) }, /sha1 is [0-9a-f]{40}, expected abab/],
    ['md5', { md5: 'ab'.repeat(16) }, /md5 is [0-9a-f]{32}, expected abab/],
    ['size', { size: 2999 }, /size is 3000 bytes, expected 2999 bytes/],
    ['lock', { locked: { size: 3000, sha256: 'ab'.repeat(32) } }, /sha256 is [0-9a-f]{64}, expected abab/],
  ])('a file with another %s than pinned is refused, and kept out of the store', async (_, pins, words) => {
    const path = await put('there', 'a.patch');
    const error = await failure(fetchSource(spec([path], pins), recording(cache)));
    expect(error).toMatchObject({ kind: 'integrity', exitCode: 4 });
    expect(error.message).toMatch(words);
    expect(error.message).toContain(path);
    expect(error.hint).toContain('another mirror');
    expect(await readdir(join(cache, 'sources')).catch(() => [])).not.toContain('sha256');
  });

  test('pins in capitals are the same pins', async () => {
    const path = await put('there', 'a.patch');
    const pins = { sha256: sha256.toUpperCase(), md5: hex('md5', release).toUpperCase() };
    expect(await fetchSource(spec([path], pins), recording(cache))).toMatchObject({ sha256 });
  });

  test('a recipe that contradicts its lock file is refused before anything is looked for', async () => {
    const options = recording(cache);
    const error = await failure(
      fetchSource(
        spec(['a'], {
          sha256: 'ab'.repeat(32),
          locked: { size: 3000, sha256 },
          place: { file: 'r.yaml', line: 7 },
        }),
        options,
      ),
    );
    expect(error).toMatchObject({ kind: 'integrity', place: { file: 'r.yaml', line: 7 } });
    expect(error.hint).toContain('lock file');
    expect(options.events).toEqual([]);
  });

  test('an md5 that was added to the recipe is checked though the file is in the store', async () => {
    const path = await put('there', 'a.patch');
    await fetchSource(spec([path]), recording(cache));
    const pins = { locked: { size: 3000, sha256 }, md5: 'ab'.repeat(16) };
    const error = await failure(fetchSource(spec([path], pins), recording(cache)));
    expect(error).toMatchObject({ kind: 'integrity' });
    expect(error.message).toContain('md5');
  });

  test('a damaged file in the store is found, dropped and fetched again', async () => {
    const path = await put('there', 'a.patch');
    const first = await fetchSource(spec([path]), recording(cache));
    const damaged = Buffer.from(release);
    damaged[1500] = (damaged[1500] ?? 0) ^ 1;
    await chmod(first.path, 0o644);
    await writeFile(first.path, damaged);
    const options = recording(cache);
    const second = await fetchSource(spec([path], { sha256 }), options);
    expect(options.events[0]).toMatchObject({ status: 'damaged', path: first.path });
    expect(second.from).toBe(path);
    expect(await bytesAt(second.path)).toEqual(release);
  });

  test('a symlink in the store is not followed', async () => {
    const path = await put('there', 'a.patch');
    await mkdir(join(storePath(cache, sha256), '..'), { recursive: true });
    await symlink(path, storePath(cache, sha256));
    const options = recording(cache);
    const source = await fetchSource(spec([path], { sha256 }), options);
    expect(options.events[0]).toMatchObject({ status: 'damaged', reason: 'is not a regular file' });
    expect((await stat(source.path)).mode & 0o777).toBe(0o444);
    expect(await bytesAt(path)).toEqual(release);
  });

  test('the digests that the recipe gives are reported', async () => {
    const path = await put('there', 'a.patch');
    const md5 = hex('md5', release);
    const sha1 = hex('sha1', release);
    expect(await fetchSource(spec([path], { md5, sha1 }), recording(cache))).toMatchObject({ md5, sha1 });
  });
});

describe('a source that is not to be had', () => {
  test('the error names the file, every place tried, and the mirror directory to put it in', async () => {
    const mirror = join(home, 'mirror');
    const error = await failure(
      fetchSource(
        spec(['ftp://kernel.invalid/linux-2.4.99.tar.bz2', '/nowhere/linux-2.4.99.tar.bz2', 'http://'], {
          place: { file: 'recipes/x.yaml', line: 5 },
        }),
        recording(cache, { mirrors: [mirror] }),
      ),
    );
    expect(error).toMatchObject({ kind: 'failed', exitCode: 1, place: { file: 'recipes/x.yaml', line: 5 } });
    expect(error.message).toContain('linux-2.4.99.tar.bz2 (source kernel)');
    expect(error.lines).toEqual([
      `${mirror}/linux-2.4.99.tar.bz2: no such file`,
      "ftp://kernel.invalid/linux-2.4.99.tar.bz2: ftp: can't be fetched; use http, https, file: or a path",
      '/nowhere/linux-2.4.99.tar.bz2: no such file',
      'http://: is not a valid URL',
    ]);
    expect(error.hint).toContain(`put linux-2.4.99.tar.bz2 into ${mirror}`);
    expect(error.hint).toContain('--mirror');
    expect(error.hint).toContain('$KILN_MIRROR');
  });

  test('without a mirror directory the hint says how to name one', async () => {
    const error = await failure(fetchSource(spec(['/nowhere/a.patch']), recording(cache)));
    expect(error.hint).toBe('put a.patch into a directory and name that with --mirror DIR or $KILN_MIRROR');
  });

  test('the same release in another packing is not taken, but pointed out', async () => {
    const bare = await put('mirror', 'linux-2.4.99.tar');
    const error = await failure(
      fetchSource(
        spec(['/nowhere/linux-2.4.99.tar.bz2']),
        recording(cache, { mirrors: [join(home, 'mirror')] }),
      ),
    );
    expect(error.lines.join('\n')).toContain(`--source kernel=${bare}`);
  });

  test('a directory in a mirror is no file, whatever its name', async () => {
    const mirror = join(home, 'mirror');
    await mkdir(join(mirror, 'linux-2.4.99.tar'), { recursive: true });
    const wanted = spec(['/nowhere/linux-2.4.99.tar']);
    const error = await failure(fetchSource(wanted, recording(cache, { mirrors: [mirror] })));
    expect(error.lines[0]).toBe(`${join(mirror, 'linux-2.4.99.tar')}: is not a file`);
  });
});

describe('--source puts another input in place', () => {
  test('a file is used whatever the pins say, and kept in the store', async () => {
    const path = await put('mine', 'my.tar');
    const pins = { sha256: 'ab'.repeat(32), size: 1 };
    const options = recording(cache, { substitute: path });
    const source = await fetchSource(spec(['/nowhere'], pins), options);
    expect(source).toMatchObject({ substituted: true, kind: 'file', sha256, fileName: 'my.tar', from: path });
    expect(source.path).toBe(storePath(cache, sha256));
    expect(options.events).toEqual([{ type: 'source', source: 'kernel', status: 'substituted', path }]);
  });

  test('a directory is used where it stands', async () => {
    await put('tree', 'Makefile');
    const source = await fetchSource(
      spec(['/nowhere']),
      recording(cache, { substitute: join(home, 'tree') }),
    );
    expect(source).toMatchObject({
      substituted: true,
      kind: 'directory',
      path: join(home, 'tree'),
      size: 3000,
    });
  });

  test('a path where there is nothing is a usage error', async () => {
    const error = await failure(fetchSource(spec(['x']), recording(cache, { substitute: '/nowhere/x.tar' })));
    expect(error).toMatchObject({ kind: 'usage', exitCode: 2 });
    expect(error.message).toContain('/nowhere/x.tar');
  });
});
