import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { digestOf } from '../../src/platform/digest.ts';
import { readTextIfAny, removeTree, temporaryDirectory, writeFileAtomic } from '../../src/platform/files.ts';
import { disk, makeDirectories, pointLink } from '../../src/platform/filesystem.ts';
import { isLocked, lock, tryLock } from '../../src/platform/lock.ts';
import { baseEnvironment, output, run } from '../../src/platform/process.ts';
import { freshDirectory } from '../support/kiln.ts';

describe('a file that is written whole', () => {
  it('takes the place of the old one by rename: who has the old one open keeps it', async () => {
    const file = join(freshDirectory('whole'), 'below/file');
    await writeFileAtomic(file, 'old');
    const inode = statSync(file).ino;
    await writeFileAtomic(file, 'new', 0o600);
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(statSync(file).ino).not.toBe(inode);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(file, '..'))).toEqual(['file']);
  });

  it('leaves nothing behind when it can not take its place', async () => {
    const directory = freshDirectory('whole');
    mkdirSync(join(directory, 'taken/full'), { recursive: true });
    await expect(writeFileAtomic(join(directory, 'taken'), 'x')).rejects.toMatchObject({ code: 'EISDIR' });
    expect(readdirSync(directory)).toEqual(['taken']);
  });
});

describe('a temporary directory', () => {
  const { TMPDIR } = process.env;
  afterEach(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });

  it('that a killed process has left is removed by the next, and nothing else is', async () => {
    const parent = freshDirectory('temporary');
    process.env.TMPDIR = parent;
    const own = await temporaryDirectory('kiln-test');
    const script = `const { temporaryDirectory } = await import(process.argv[1]);
      await temporaryDirectory('kiln-test');
      process.kill(process.pid, 'SIGKILL');`;
    const files = join(import.meta.dirname, '../../src/platform/files.ts');
    const env = { ...baseEnvironment(), TMPDIR: parent };
    await run(process.execPath, ['--input-type=module', '-e', script, files], { env });
    expect(readdirSync(parent)).toHaveLength(2);
    writeFileSync(join(parent, 'kiln-test-of-somebody'), '');
    const next = await temporaryDirectory('kiln-test');
    expect(readdirSync(parent).sort()).toEqual(
      [basename(own), basename(next), 'kiln-test-of-somebody'].sort(),
    );
  });
});

describe('a directory that nodes are served from', () => {
  it.each([
    [0o077, 0o755],
    [0o022, 0o755],
    [0o002, 0o775],
  ])('may be listed by everybody under umask %o', async (umask, mode) => {
    const directory = freshDirectory('served');
    const before = process.umask(umask);
    try {
      await makeDirectories(disk, join(directory, 'tftp/lts'));
    } finally {
      process.umask(before);
    }
    expect(statSync(join(directory, 'tftp')).mode & 0o777).toBe(mode);
    expect(statSync(join(directory, 'tftp/lts')).mode & 0o777).toBe(mode);
  });
});

describe('a symlink that is replaced', () => {
  it('is there at every moment: a reader in another process never misses it', async () => {
    const directory = freshDirectory('flip');
    const link = join(directory, 'link');
    for (const name of ['a', 'b']) writeFileSync(join(directory, name), name);
    symlinkSync('a', link);
    let reads = 0;
    let isOver = false;
    const reader = run(
      'sh',
      ['-c', 'while [ ! -e "$1/stop" ]; do cat "$1/link" >/dev/null || exit 1; echo; done', 'sh', directory],
      { onLine: () => (reads += 1) },
    ).finally(() => {
      isOver = true;
    });
    // Flips that nobody reads meanwhile show nothing: the reader may get to work late.
    for (let flip = 0; !isOver && (flip < 200 || reads < 20 || flip % 2 === 1); flip += 1)
      await pointLink(disk, flip % 2 === 0 ? 'b' : 'a', link);
    writeFileSync(join(directory, 'stop'), '');
    expect(await reader).toMatchObject({ exitCode: 0 });
    expect(readlinkSync(link)).toBe('a');
  });

  it('does not replace a directory, and leaves no temporary link', async () => {
    const directory = freshDirectory('flip');
    mkdirSync(join(directory, 'real/below'), { recursive: true });
    await expect(pointLink(disk, 'x', join(directory, 'real'))).rejects.toThrow();
    expect(readdirSync(directory)).toEqual(['real']);
  });
});

describe('small things', () => {
  it('a file that is not there has no text', async () => {
    expect(await readTextIfAny('/nowhere/at/all')).toBeUndefined();
  });

  it('a tree whose directories can not be written to is removed all the same', async () => {
    const directory = freshDirectory('stubborn');
    mkdirSync(join(directory, 'a/b'), { recursive: true, mode: 0o755 });
    await output('chmod', ['-R', '555', directory]);
    await removeTree(directory);
    expect(await readTextIfAny(directory)).toBeUndefined();
  });

  it('a digest of a value does not depend on the order of its keys', () => {
    expect(digestOf({ a: 1, b: [{ c: 2, d: undefined }] })).toBe(digestOf({ b: [{ c: 2 }], a: 1 }));
    expect(digestOf({ a: '1' })).not.toBe(digestOf({ a: 1 }));
  });
});

describe('a lock', () => {
  const module = join(import.meta.dirname, '../../src/platform/lock.ts');

  it('says who holds it and since when, and goes with its release', () => {
    const file = join(freshDirectory('lock'), 'lock');
    const held = lock(file, 'kiln build x');
    expect(tryLock(file, 'another')).toMatchObject({ heldBy: { pid: process.pid, what: 'kiln build x' } });
    expect(() => lock(file, 'another')).toThrow(/held by process \d+ \(kiln build x, since \d{4}-/);
    held.release();
    lock(file, 'another').release();
  });

  it('is looked at by several at once, none of whom takes another for its holder', async () => {
    const file = join(freshDirectory('lock'), 'lock');
    const script = `const { isLocked } = await import(${JSON.stringify(module)}); for (;;) {
      isLocked(${JSON.stringify(file)}); process.stdout.write('looked\\n'); }`;
    const other = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const ended = once(other, 'exit');
    onTestFinished(() => void other.kill('SIGKILL'));
    // When the other has looked it is about to look again.
    let seen = 0;
    for (let looks = 0; looks < 100; looks++) {
      await once(other.stdout, 'data');
      if (isLocked(file)) seen++;
    }
    expect(seen).toBe(0);
    other.kill('SIGKILL');
    await ended;
    const held = lock(file, 'kiln serve');
    expect(isLocked(file)).toBe(true);
    held.release();
  });

  it('goes with its process, however that ends', async () => {
    const file = join(freshDirectory('lock'), 'lock');
    const script = `const { lock } = await import(${JSON.stringify(module)}); lock(${JSON.stringify(file)}, 'dead'); process.kill(process.pid, 'SIGKILL');`;
    await output(process.execPath, ['--input-type=module', '-e', script]).catch(() => undefined);
    expect(await readTextIfAny(`${file}.holder`)).toContain('dead');
    lock(file, 'alive').release();
  });
});
