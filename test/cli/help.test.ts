import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { baseEnvironment, run } from '../../src/platform/process.ts';
import { CHECKOUT, freshDirectory, kiln, pathWithout } from '../support/kiln.ts';

const COMMANDS = (await createProgram()).commands.map((command) => command.name());

describe('help', () => {
  it('lists every command with what it does, and the exit codes', async () => {
    const ran = await kiln(['--help']);
    expect(ran.code).toBe(0);
    for (const name of COMMANDS) expect(ran.stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
    expect(ran.stdout).toContain('5  another process holds the lock');
  });

  it.each(COMMANDS)('of %s says how it is used', async (name) => {
    const ran = await kiln([name, '--help']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(new RegExp(`^Usage: kiln ${name}`));
    expect(ran.stdout).toContain('--home');
    expect((await kiln(['help', name])).stdout).toBe(ran.stdout);
  });

  it.each(COMMANDS)('of %s is the same where nothing else is loaded', async (name) => {
    const own = (await createProgram(name)).commands.find((command) => command.name() === name);
    const all = (await createProgram()).commands.find((command) => command.name() === name);
    expect(own?.helpInformation()).toBe(all?.helpInformation());
  });

  it('is what a command line without a command gets, as an error', async () => {
    const ran = await kiln([]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('Usage: kiln');
  });
});

describe('wrong usage with --json', () => {
  it.each([
    ['frob --json', "unknown command 'frob'", 'kiln --help'],
    ['--json queue', 'kiln queue is no command by itself', 'kiln queue --help'],
    ['diff one --json', "missing required argument 'BUNDLE'", 'kiln diff --help'],
    ['plan --no-such --json', "unknown option '--no-such'", 'kiln plan --help'],
  ])('`kiln %s` prints what is wrong as a document, and exits 2', async (line, message, hint) => {
    const ran = await kiln(line.split(' '));
    expect(ran.code).toBe(2);
    expect(JSON.parse(ran.stdout)).toEqual({ error: { kind: 'usage', exit: 2, message, hint, lines: [] } });
  });
});

describe('output that nobody reads to its end', () => {
  it('is no error', () => {
    const shown = execFileSync(
      'bash',
      ['-c', 'set -o pipefail; "$0" show linux-2.4.22 | head -n 1', join(CHECKOUT, 'kiln')],
      {
        encoding: 'utf8',
      },
    );
    expect(shown).toBe('# recipes/linux-2.4.22.yaml, expanded\n');
  });

  it.each(['build none', 'build none --json'])(
    'hides no failure: kiln %s exits as it does elsewhere',
    async (line) => {
      const script = `"$0" ${line} 2>&1 | true; exit "\${PIPESTATUS[0]}"`;
      const { exitCode } = await run('bash', ['-c', script, join(CHECKOUT, 'kiln')]);
      expect(exitCode).toBe(2);
    },
  );

  it('stops no build: it goes on without an audience, and publishes', async () => {
    const home = freshDirectory('unread');
    // Without a boot: that would take most of the time.
    const env = { ...baseEnvironment(), PATH: pathWithout((name) => name.startsWith('qemu-system')) };
    const script = `"$0" build --home "$1" sample:ne2k 2>&1 | head -n 1 >/dev/null; exit "\${PIPESTATUS[0]}"`;
    const { exitCode } = await run('bash', ['-c', script, join(CHECKOUT, 'kiln'), home], { env });
    expect(exitCode).toBe(0);
    expect(existsSync(join(home, 'tftp/sample/ne2k/vmlinuz'))).toBe(true);
  });
});

describe('output that a full disk swallows', () => {
  it('is an error where results are lost, and none where progress is', async () => {
    const kilnTo = (redirection: string) =>
      run('/bin/sh', ['-c', `"$0" recipes ${redirection}`, join(CHECKOUT, 'kiln')]);
    const lost = await kilnTo('>/dev/full');
    expect(lost.exitCode).toBe(1);
    expect(lost.tail).toEqual([expect.stringMatching(/^error: standard output can't be written to: ENOSPC/)]);
    expect((await kilnTo('2>/dev/full')).exitCode).toBe(0);
  });
});

describe('a command', () => {
  it('leaves nothing in the directory of temporary files, and takes no code from there', async () => {
    const TMPDIR = freshDirectory('tmp');
    expect((await kiln(['recipes'], { TMPDIR })).code).toBe(0);
    expect(readdirSync(TMPDIR)).toEqual([]);
  });
});

describe('kiln doctor', () => {
  it('lists the tools with versions, packages and what each is for', async () => {
    const ran = await kiln(['doctor']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/^gcc\s+\d+\.\d+\S*\s+gcc\s+needed\s+compiles kernels/m);
    expect(ran.stdout).toMatch(/qemu-system-i386/);
  });

  it('exits 3 where one that builds need is missing, and names the command that installs it', async () => {
    const PATH = pathWithout((name) => name === 'mke2fs');
    const ran = await kiln(['doctor'], { PATH });
    // /usr/sbin is looked at as well, whatever the PATH says.
    const json = JSON.parse((await kiln(['doctor', '--json'], { PATH })).stdout) as {
      tools: { name: string; path: string | null }[];
    };
    expect(json.tools.find(({ name }) => name === 'mke2fs')?.path).toMatch(/sbin/);
    expect(ran.code).toBe(0);
    const without = pathWithout((name) => /^(gcc|make)$/.test(name));
    const broken = await kiln(['doctor'], { PATH: without });
    expect(broken.code).toBe(3);
    expect(broken.stdout).toMatch(/apt-get install -y --no-install-recommends gcc make/);
    const build = await kiln(['build'], { PATH: without });
    expect(build.code).toBe(3);
    expect(build.stderr).toMatch(/missing on this machine: gcc, make[\s\S]*apt-get install/);
  });
});

describe('settings', () => {
  it('come from flag, environment, kiln.yaml, default, in this order', async () => {
    const origin = async (args: string[], env: Record<string, string>) => {
      const ran = await kiln(['config', '--json', ...args], env);
      const { settings } = JSON.parse(ran.stdout) as {
        settings: { name: string; value: string; origin: string }[];
      };
      return settings.find(({ name }) => name === 'progress');
    };
    expect(await origin(['--progress', 'none'], { KILN_PROGRESS: 'plain' })).toMatchObject({
      value: 'none',
      origin: 'flag',
    });
    expect(await origin([], { KILN_PROGRESS: 'plain' })).toMatchObject({
      value: 'plain',
      origin: 'environment',
    });
    expect(await origin([], {})).toMatchObject({ value: 'auto', origin: 'default' });
  });
});
