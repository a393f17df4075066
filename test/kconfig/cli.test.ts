import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { baseEnvironment, run } from '../../src/platform/process.ts';

const TREE = join(import.meta.dirname, '../../recipes/sample/linux');
let directory = '';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kiln-kconfig-cli-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function fragment(text: string): Promise<string> {
  const file = join(directory, `f${Math.random().toString(36).slice(2)}.config`);
  await writeFile(file, text);
  return file;
}

async function kiln(
  ...args: string[]
): Promise<{ exitCode: number | undefined; stdout: string; tail: string }> {
  const script = join(import.meta.dirname, 'kconfigChild.ts');
  const env = { ...baseEnvironment(), KILN_HOME: directory };
  const result = await run(process.execPath, [script, ...args], { capture: true, env });
  return {
    exitCode: result.exitCode,
    stdout: result.stdout.toString('latin1'),
    tail: result.tail.join('\n'),
  };
}

test('merge prints the .config that the tree makes of it and exits 0', async () => {
  const file = await fragment('CONFIG_NET_ETHERNET=y\nCONFIG_NET_PCI=y\nCONFIG_NE2K_PCI=m\n');
  const result = await kiln('kconfig', 'merge', '--tree', TREE, '--fragment', file);
  expect(result).toMatchObject({ exitCode: 0 });
  expect(result.stdout).toContain('\nCONFIG_NE2K_PCI=m\n');
});

test('merge writes to a file when told', async () => {
  const output = join(directory, 'out.config');
  const file = await fragment('CONFIG_NET=y\n');
  expect(
    await kiln('kconfig', 'merge', '--tree', TREE, '--fragment', file, '--output', output),
  ).toMatchObject({
    exitCode: 0,
    stdout: '',
  });
  expect(await readFile(output, 'latin1')).toContain('CONFIG_NET=y\n');
});

test('audit --json tells every request, and exits 1 when one did not come true', async () => {
  const file = await fragment('CONFIG_BLK_DEV_RAM=m\nCONFIG_BLK_DEV_INITRD=y\n');
  const result = await kiln('--json', 'kconfig', 'audit', '--tree', TREE, '--fragment', file);
  expect(result.exitCode).toBe(1);
  const report = JSON.parse(result.stdout) as {
    requested: { symbol: string; status: string }[];
    ok: boolean;
  };
  expect(report.ok).toBe(false);
  for (const entry of report.requested) {
    expect(Object.keys(entry)).toEqual(['symbol', 'want', 'got', 'fragment', 'line', 'status', 'why']);
  }
});

test('a fragment that is not valid exits 2 with its place, as two that contradict each other do', async () => {
  const broken = await fragment('CONFIG_A=maybe\n');
  expect(await kiln('kconfig', 'audit', '--tree', TREE, '--fragment', broken)).toMatchObject({
    exitCode: 2,
    tail: expect.stringContaining(`${broken}:1:`) as string,
  });
  const one = await fragment('CONFIG_NET=y\n');
  const other = await fragment('# CONFIG_NET is not set\n');
  expect(
    await kiln('kconfig', 'merge', '--tree', TREE, '--fragment', one, '--fragment', other),
  ).toMatchObject({
    exitCode: 2,
    tail: expect.stringMatching(/CONFIG_NET: y asked by .*:1, n by .*:1/) as string,
  });
});

test('a Config.in that is not valid exits 2 with its place', async () => {
  const tree = join(directory, 'tree');
  await run('mkdir', ['-p', join(tree, 'arch/i386')]);
  await writeFile(join(tree, 'arch/i386/config.in'), "bool 'A' CONFIG_A\nreboot\n");
  const file = await fragment('CONFIG_A=y\n');
  expect(await kiln('kconfig', 'merge', '--tree', tree, '--fragment', file)).toMatchObject({
    exitCode: 2,
    tail: expect.stringContaining('arch/i386/config.in:2:') as string,
  });
});

test('a Config.in that a symlink leads out of the tree exits 4', async () => {
  const tree = join(directory, 'linked');
  await run('mkdir', ['-p', join(tree, 'arch/i386')]);
  await run('ln', ['-s', '/etc/passwd', join(tree, 'arch/i386/config.in')]);
  const file = await fragment('CONFIG_A=y\n');
  expect(await kiln('kconfig', 'merge', '--tree', tree, '--fragment', file)).toMatchObject({ exitCode: 4 });
});

test('explain, diff and solve answer on stdout', async () => {
  const explained = await kiln('kconfig', 'explain', '--tree', TREE, 'NE2K_PCI');
  expect(explained.stdout).toContain('dep_tristate at drivers/net/Config.in:');
  const base = await fragment('');
  const file = await fragment('CONFIG_BLK_DEV_INITRD=y\n');
  const solved = await kiln('kconfig', 'solve', '--tree', TREE, '--base', base, '--fragment', file);
  expect(solved.stdout).toBe('CONFIG_BLK_DEV_RAM=y\n');
  const one = await fragment('CONFIG_A=y\n');
  const other = await fragment('CONFIG_A=m\n');
  expect((await kiln('kconfig', 'diff', one, other)).stdout).toMatch(/CONFIG_A +y +m\n/);
});

test('a fragment keeps its bytes, in whatever encoding, and a directory of its name does not hide one of kconfig/', async () => {
  const file = join(directory, 'latin1.config');
  await writeFile(file, Buffer.from('CONFIG_CMDLINE="caf\xe9"\n', 'latin1'));
  const { stdout } = await kiln('--json', 'kconfig', 'audit', '--tree', TREE, '--fragment', file);
  expect(stdout).toContain(Buffer.from('caf\u00e9').toString('latin1'));
  await mkdir(join(directory, 'netboot'));
  const cwd = process.cwd();
  process.chdir(directory);
  try {
    const shipped = await kiln('--json', 'kconfig', 'audit', '--tree', TREE, '--fragment', 'netboot');
    expect(JSON.parse(shipped.stdout).requested[0]).toMatchObject({ fragment: 'kconfig/netboot.config' });
  } finally {
    process.chdir(cwd);
  }
});
