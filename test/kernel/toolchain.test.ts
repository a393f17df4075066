import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { familyFor, findToolchain, makeVariables } from '../../src/kernel/index.ts';

function fakeCompiler(script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-cc-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'cc');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

test('the tools of this machine are found and identified', async () => {
  const toolchain = await findToolchain({ compiler: 'gcc' });
  expect(toolchain).toMatchObject({
    compiler: expect.stringMatching(/^\/.*gcc$/),
    compilerVersion: expect.stringMatching(/^gcc version \d+\.\d+/),
    binutilsVersion: expect.stringMatching(/^GNU ld/),
    makeVersion: expect.stringMatching(/^GNU Make/),
    fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test('the same tools have the same fingerprint', async () => {
  const [one, two] = await Promise.all([
    findToolchain({ compiler: 'gcc' }),
    findToolchain({ compiler: 'gcc' }),
  ]);
  expect(two.fingerprint).toBe(one.fingerprint);
});

test('a compiler that describes itself otherwise has another fingerprint', async () => {
  const real = await findToolchain({ compiler: 'gcc' });
  const other = fakeCompiler(`gcc "$@"; echo "Configured with: something else" >&2`);
  const toolchain = await findToolchain({ compiler: other });
  expect(toolchain.fingerprint).not.toBe(real.fingerprint);
});

test('a missing compiler is named with its package', async () => {
  await expect(findToolchain({ compiler: 'gcc-3' })).rejects.toMatchObject({
    kind: 'tool',
    message: 'gcc-3 is not installed',
    hint: 'apt-get install gcc-3',
  });
});

test('a compiler that is not GCC is refused', async () => {
  const other = fakeCompiler('echo "clang version 14.0.6"');
  await expect(findToolchain({ compiler: other })).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining('is not GCC'),
  });
});

test('a flag that the compiler does not know is left out', async () => {
  const older = fakeCompiler(
    'for flag; do case $flag in -fno-ipa-modref | -ffile-prefix-map=*) exit 1 ;; esac; done\nexec gcc "$@"',
  );
  const toolchain = await findToolchain({ compiler: older });
  expect(toolchain.lacks).toEqual(['-fno-ipa-modref', '-ffile-prefix-map=/a=/b']);
  const variables = makeVariables('/build/linux', familyFor('2.4.22'), toolchain).join(' ');
  expect(variables).not.toMatch(/-fno-ipa-modref|-ffile-prefix-map/);
  expect(variables).toContain('-fno-ipa-icf');
});

test('make is told of a shell unless it has that one by itself: for its own it runs a program as it is', async () => {
  const toolchain = await findToolchain({ compiler: 'gcc' });
  const shells = (options?: { sh: string }) =>
    makeVariables('/build/linux', familyFor('2.4.22'), toolchain, options).filter((one) =>
      one.startsWith('SHELL='),
    );
  expect(shells()).toEqual(['SHELL=/bin/bash']);
  expect(shells({ sh: '/bin/dash' })).toEqual(['SHELL=/bin/bash']);
  expect(shells({ sh: '/bin/bash' })).toEqual([]);
});

test("today's compiler knows every flag", async () => {
  const { lacks } = await findToolchain({ compiler: 'gcc' });
  expect(lacks).toEqual([]);
});
