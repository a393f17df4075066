import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  keepShippedFiles,
  kernelRelease,
  readKernelVersion,
  restoreExecutableBits,
  setExtraversion,
} from '../../src/kernel/tree.ts';

const MAKEFILE = 'VERSION = 2\nPATCHLEVEL = 4\nSUBLEVEL = 37\nEXTRAVERSION = .11\n\nall:\n\ttrue\n';

let tree: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'kiln-tree-'));
  mkdirSync(join(tree, 'include/linux'), { recursive: true });
  writeFileSync(join(tree, 'Makefile'), MAKEFILE);
  writeFileSync(join(tree, 'include/linux/version.h'), '#define UTS_RELEASE "2.4.37.11"\n');
});

afterEach(() => {
  rmSync(tree, { recursive: true, force: true });
});

describe('the version of a tree', () => {
  test('is what its Makefile says', () => {
    const version = readKernelVersion(tree);
    expect(version).toEqual({ version: 2, patchlevel: 4, sublevel: 37, extraversion: '.11' });
    expect(kernelRelease(version)).toBe('2.4.37.11');
  });

  test('has an empty extraversion where the Makefile leaves it empty', () => {
    writeFileSync(join(tree, 'Makefile'), MAKEFILE.replace(' .11', ''));
    expect(kernelRelease(readKernelVersion(tree))).toBe('2.4.37');
  });

  test('is asked of a kernel tree alone', () => {
    writeFileSync(join(tree, 'Makefile'), 'all:\n');
    expect(() => readKernelVersion(tree)).toThrow(/Makefile sets no VERSION/);
    expect(() => readKernelVersion(join(tree, 'nowhere'))).toThrow(/Makefile does not exist/);
  });
});

describe('setting the extraversion', () => {
  test('rewrites that line alone and drops the generated header', async () => {
    expect(kernelRelease(await setExtraversion(tree, '-om2-1a2b3c4d'))).toBe('2.4.37-om2-1a2b3c4d');
    expect(readFileSync(join(tree, 'Makefile'), 'utf8')).toBe(MAKEFILE.replace('.11', '-om2-1a2b3c4d'));
    expect(existsSync(join(tree, 'include/linux/version.h'))).toBe(false);
  });

  test('touches nothing where it is set already', async () => {
    const before = statSync(join(tree, 'Makefile')).mtimeMs;
    await setExtraversion(tree, '.11');
    expect(statSync(join(tree, 'Makefile')).mtimeMs).toBe(before);
    expect(existsSync(join(tree, 'include/linux/version.h'))).toBe(true);
  });

  test('can empty it', async () => {
    expect(kernelRelease(await setExtraversion(tree, ''))).toBe('2.4.37');
    expect(kernelRelease(readKernelVersion(tree))).toBe('2.4.37');
  });

  test('allows a release of 64 characters and not one more', async () => {
    await expect(setExtraversion(tree, '-'.padEnd(58, 'x'))).resolves.toBeDefined();
    await expect(setExtraversion(tree, '-'.padEnd(59, 'x'))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('65 characters'),
    });
  });

  test.each(['-a b', '-$(x)', '-a/b', '-a\nb'])('refuses %j', async (value) => {
    await expect(setExtraversion(tree, value)).rejects.toMatchObject({ kind: 'invalid' });
    expect(readFileSync(join(tree, 'Makefile'), 'utf8')).toBe(MAKEFILE);
  });
});

test('scripts get their executable bit back, other files do not', () => {
  mkdirSync(join(tree, 'scripts'));
  writeFileSync(join(tree, 'scripts/run'), '#!/bin/sh\n', { mode: 0o644 });
  writeFileSync(join(tree, 'scripts/data'), 'x\n', { mode: 0o644 });
  writeFileSync(join(tree, 'scripts/done'), '#!/bin/sh\n');
  chmodSync(join(tree, 'scripts/done'), 0o755);
  expect(restoreExecutableBits(tree)).toEqual(['scripts/run']);
  expect(statSync(join(tree, 'scripts/run')).mode & 0o777).toBe(0o755);
});

test('a shipped file becomes newer than what make would generate it from', () => {
  for (const name of ['map.c', 'map.txt']) writeFileSync(join(tree, name), name);
  const time = new Date('2003-08-25T00:00:00Z');
  for (const name of ['map.c', 'map.txt']) utimesSync(join(tree, name), time, time);
  keepShippedFiles(tree, [
    { file: 'map.c', madeFrom: 'map.txt' },
    { file: 'gone.c', madeFrom: 'gone.txt' },
  ]);
  expect(statSync(join(tree, 'map.c')).mtimeMs).toBeGreaterThan(statSync(join(tree, 'map.txt')).mtimeMs);
});
