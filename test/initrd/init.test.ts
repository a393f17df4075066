import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { getPriority, release } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compileInit } from '../../src/initrd/init.ts';
import { run } from '../../src/platform/process.ts';
import { discard, scratch } from './fixture.ts';

let home = '';
let root = '';
let init = '';

/** Process 1 of namespaces of its own: no network interface but lo, a root with nothing but init. */
const namespaces = ['--user', '--map-root-user', '--mount', '--net', '--pid', '--fork'];
const canRunInit =
  process.arch === 'x64' &&
  (await run('unshare', [...namespaces, '--mount-proc', 'true']).then(
    (result) => result.exitCode === 0,
    () => false,
  ));
const inNamespaces = canRunInit ? '' : ' (skipped: no user namespaces on an x86-64 here)';

beforeAll(async () => {
  home = await scratch();
  root = join(home, 'root');
  for (const directory of ['proc', 'dev', 'sbin']) await mkdir(join(root, directory), { recursive: true });
  init = join(root, 'sbin/init');
  await compileInit({ compiler: 'gcc', output: init });
});
afterAll(() => discard(home));

const boot = (input: string) => run('unshare', [...namespaces, `--root=${root}`, '/sbin/init'], { input });

test('init is a static i386 program below 40 KiB, without a writable segment', async () => {
  const program = await readFile(init);
  expect(program.length).toBeLessThan(40 * 1024);
  // ELF header (System V ABI): class 32, little-endian, EXEC, EM_386.
  expect([...program.subarray(4, 6)]).toEqual([1, 1]);
  expect([program.readUInt16LE(16), program.readUInt16LE(18)]).toEqual([2, 3]);
  const [at, size, count] = [program.readUInt32LE(28), program.readUInt16LE(42), program.readUInt16LE(44)];
  const headers = Array.from({ length: count }, (_, index) => program.subarray(at + index * size));
  const types = headers.map((header) => header.readUInt32LE(0));
  // PT_LOAD and PT_GNU_STACK: no PT_INTERP, no PT_DYNAMIC. 2.4 leaves part of a .bss unmapped that has
  // no bytes in the file before it, so there is none.
  expect(types).toEqual([1, 0x6474e551]);
  expect(headers[0]?.readUInt32LE(24)).toBe(5);
});

test('the same sources give the same program in another place', async () => {
  await compileInit({ compiler: 'gcc', output: join(home, 'other') });
  expect((await readFile(join(home, 'other'))).equals(await readFile(init))).toBe(true);
});

test('sources that do not compile fail with the messages of the compiler', async () => {
  const compiler = join(home, 'failing-gcc');
  await writeFile(compiler, '#!/bin/sh\necho "init.c:1: error: unknown CPU" >&2\nexit 1\n');
  await chmod(compiler, 0o755);
  await expect(compileInit({ compiler, output: join(home, 'none') })).rejects.toMatchObject({
    kind: 'failed',
    lines: ['init.c:1: error: unknown CPU'],
  });
});

test.each([
  [false, 0],
  [true, 10],
])('gives way to others only where nobody waits for it: %s', async (givesWay, more) => {
  const compiler = join(home, 'gcc-of-some-niceness');
  await writeFile(compiler, '#!/bin/sh\nnice\nexit 1\n', { mode: 0o755 });
  await expect(compileInit({ compiler, output: join(home, 'none'), givesWay })).rejects.toMatchObject({
    lines: [String(Math.min(19, getPriority() + more))],
  });
});

test('a compiler that is not there is a missing tool', async () => {
  await expect(compileInit({ compiler: 'no-such-gcc', output: join(home, 'none') })).rejects.toMatchObject({
    kind: 'tool',
    message: 'no-such-gcc is not installed',
  });
});

test('started by hand on a running system, init touches nothing and says so', async () => {
  const result = await run(init, []);
  expect(result.tail).toEqual(["kiln: this is a node's init, to be started by its kernel"]);
  expect(result.exitCode).toBe(1);
});

test.skipIf(!canRunInit)(`init tells release, command line and that it is ready${inNamespaces}`, async () => {
  const { tail } = await boot('');
  expect(tail[0]).toBe(`kiln: release ${release()}`);
  expect(tail[1]).toBe(
    'kiln: no driver for a network card: neither in the kernel, nor in /etc/niclist, nor by NIC=',
  );
  expect(tail[2]).toBe(`kiln: cmdline ${(await readFile('/proc/cmdline', 'utf8')).trim()}`);
  expect(tail.slice(3, 5)).toEqual([`kiln: down ${release()} no address`, 'kiln: ready']);
});

test.skipIf(!canRunInit)(`a console at its end halts init, which does not spin${inNamespaces}`, async () => {
  const { tail } = await boot('');
  expect(tail.slice(5, 9)).toEqual([
    'kiln: help lists what this prompt knows',
    'kiln# kiln: nobody at the console',
    'kiln: halting',
    ...(tail.length > 8 ? ['kiln: halted'] : []),
  ]);
});

test.skipIf(!canRunInit)(`the prompt lists a directory${inNamespaces}`, async () => {
  const { tail } = await boot('ls /\n');
  expect(tail.map((line) => line.replace(/^kiln# /, ''))).toEqual(
    expect.arrayContaining(['proc', 'dev', 'sbin']),
  );
});

test.skipIf(!canRunInit)(
  `the prompt shows a file of the /proc that init mounted${inNamespaces}`,
  async () => {
    const { tail } = await boot('cat /proc/sys/kernel/osrelease\n');
    expect(tail).toContain(`kiln# ${release()}`);
  },
);

test.skipIf(!canRunInit)(`the prompt names what it can't do${inNamespaces}`, async () => {
  const { tail } = await boot('fly /away\n');
  expect(tail).toContain('kiln# no such command; try help');
});
