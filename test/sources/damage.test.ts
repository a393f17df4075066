import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decompress } from '../../src/sources/compression.ts';
import { digestTree, fetchSource, unpackTree } from '../../src/sources/index.ts';
import { discard, failure, hex, recording, scratch, spec } from './fixture.ts';
import { bzip2 } from './pack.ts';
import { smallTree, tarOf } from './tarBytes.ts';

let home = '';
let serial = 0;
beforeAll(async () => {
  home = await scratch();
});
afterAll(() => discard(home));

/** A directory of its own for each example. */
async function fresh(): Promise<string> {
  const directory = join(home, String(serial++));
  await mkdir(directory);
  return directory;
}

/** Ways to damage a file: cut it, or flip one bit. */
function damages(bytes: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: bytes.length - 1 });
  const cut = at.map((length) => bytes.subarray(0, length));
  const flip = fc.tuple(at, fc.nat({ max: 7 })).map(([index, bit]) => {
    const copy = Buffer.from(bytes);
    copy[index] = (copy[index] ?? 0) ^ (1 << bit);
    return copy;
  });
  return fc.oneof(cut, flip);
}

const archive = tarOf(...smallTree());

test('a damaged archive whose digest is known is never unpacked', async () => {
  await fc.assert(
    fc.asyncProperty(damages(archive), async (damaged) => {
      const directory = await fresh();
      await writeFile(join(directory, 'a.tar'), damaged);
      const pinned = spec(['a.tar'], { baseDirectory: directory, sha256: hex('sha256', archive) });
      const error = await failure(fetchSource(pinned, recording(join(directory, 'cache'))));
      expect(error.kind).toBe('integrity');
      expect(await readdir(join(directory, 'cache/sources')).catch(() => [])).not.toContain('sha256');
    }),
    { numRuns: 100 },
  );
});

test('a damaged .tar.bz2 is refused, or unpacks to the same tree', async () => {
  const packed = bzip2(archive);
  const whole = await fresh();
  await writeFile(join(whole, 'a'), packed);
  const source = await fetchSource(spec(['a'], { baseDirectory: whole }), recording(join(whole, 'cache')));
  await unpackTree(source, join(whole, 'tree'));
  const { sha256 } = await digestTree(join(whole, 'tree'));
  await fc.assert(
    fc.asyncProperty(damages(packed), async (damaged) => {
      const directory = await fresh();
      await writeFile(join(directory, 'a'), damaged);
      const bad = await fetchSource(
        spec(['a'], { baseDirectory: directory }),
        recording(join(directory, 'cache')),
      );
      const unpacked = await unpackTree(bad, join(directory, 'out/tree')).then(
        () => true,
        (error: unknown) => {
          expect(error).toMatchObject({ kind: 'integrity' });
          return false;
        },
      );
      if (unpacked) expect((await digestTree(join(directory, 'out/tree'))).sha256).toBe(sha256);
      else expect(await readdir(join(directory, 'out'))).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test('a full disk is not taken for a damaged file', async () => {
  const path = join(await fresh(), 'archive.tar.bz2');
  await writeFile(path, await bzip2(archive));
  await expect(
    decompress(path, '/dev/full', 'bz2', { called: 'archive.tar.bz2', limit: 2 ** 20 }),
  ).rejects.toMatchObject({ kind: 'failed', message: expect.stringContaining('No space left on device') });
});
