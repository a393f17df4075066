import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { SHELLS } from '../../src/cli/shells.ts';
import { allCommands, describeTree } from '../../src/cli/tree.ts';
import { CHECKOUT, freshDirectory, kiln } from '../support/kiln.ts';

const ROOT = describeTree(await createProgram());
const scripts = new Map<string, string>();

/** What a shell offers at the end of a line; `kiln` there is the checkout's. */
type Offer = (line: string) => string[];

const OFFERS: Readonly<Record<string, Offer>> = {
  bash: (line) =>
    run('bash', [
      '-c',
      `compopt() { :; }
       source "$1"; COMP_LINE=$2; COMP_POINT=\${#2}; _kiln; printf "%s\\n" "\${COMPREPLY[@]}"`,
      'bash',
      scripts.get('bash') ?? '',
      line,
    ]),
  fish: (line) =>
    run('fish', ['--no-config', '-c', `source ${scripts.get('fish')}; complete -C '${line}'`]).map(
      (offer) => offer.split('\t')[0] ?? '',
    ),
  // Outside of a terminal zsh completes nothing: what the function would offer is taken from it instead.
  zsh: (line) =>
    run('zsh', [
      '-f',
      '-c',
      `compdef() { :; }
       _describe() { print -l -- "\${(@)\${(@P)@[-1]}%%:*}"; }
       compadd() { print -l -- "\${(@P)2}"; }
       source "$1"; words=("\${(@s: :)2}"); CURRENT=$#words; _kiln`,
      'zsh',
      scripts.get('zsh') ?? '',
      line,
    ]),
};

function run(command: string, args: string[]): string[] {
  const PATH = `${CHECKOUT}:${process.env.PATH}`;
  const text = execFileSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH, NO_COLOR: '1' },
  });
  return text.split('\n').filter((word) => word !== '');
}

function has(shell: string): boolean {
  return ['/bin', '/usr/bin'].some((directory) => existsSync(join(directory, shell)));
}

beforeAll(() => {
  const directory = freshDirectory('completion');
  for (const [shell, write] of Object.entries(SHELLS)) {
    const file = join(directory, shell);
    writeFileSync(file, write(ROOT));
    scripts.set(shell, file);
  }
});

describe.each(Object.keys(SHELLS))('completion by %s', (shell) => {
  const offer = OFFERS[shell] ?? (() => []);
  const test = it.skipIf(!has(shell));

  test('offers the commands', () => {
    expect(offer('kiln r')).toEqual(expect.arrayContaining(['recipes', 'rollback']));
    expect(offer('kiln queue ')).toEqual(expect.arrayContaining(['add', 'list', 'cancel']));
  });

  test('offers the options of a command, and those that all have', () => {
    const offered = offer('kiln build --');
    expect(offered).toEqual(expect.arrayContaining(['--no-publish', '--channel', '--home']));
    expect(offered).not.toContain('--grace');
  });

  test("offers an option's choices", () => {
    expect(offer('kiln build --sandbox ')).toEqual(expect.arrayContaining(['auto', 'off']));
  });

  test('offers recipes and their variants, after options with values too', () => {
    expect(offer('kiln --progress plain build ')).toEqual(
      expect.arrayContaining(['sample', 'linux-2.4.37.11']),
    );
  });

  test('takes names from the home that the line says', () => {
    const home = freshDirectory('home');
    mkdirSync(join(home, 'channels/lts/stable'), { recursive: true });
    writeFileSync(join(home, 'channels/lts/stable/journal'), '');
    expect(offer(`kiln --home ${home} rollback `)).toEqual(expect.arrayContaining(['lts/stable']));
  });
});

describe('completion by bash', () => {
  it('completes behind the colon at which bash breaks words', () => {
    expect(OFFERS.bash?.('kiln build sample:ne')).toEqual(['ne2k']);
  });
});

describe('kiln completion', () => {
  it('knows every command', () => {
    for (const write of Object.values(SHELLS)) {
      const script = write(ROOT);
      for (const { path } of allCommands(ROOT)) expect(script).toContain(`'${path}'`);
    }
  });

  it('refuses another shell', async () => {
    const ran = await kiln(['completion', 'tcsh']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('bash, zsh, fish');
  });
});

describe('kiln man', () => {
  it('is a page that groff has nothing against, with every command and option', async () => {
    const { stdout } = await kiln(['man']);
    const shown = execFileSync('groff', ['-man', '-ww', '-Tutf8', '-P-c', '-rLL=200n'], {
      input: stdout,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const text = shown.replace(/.\x08/g, '').replaceAll('‐', '-').replaceAll('−', '-');
    for (const { path, options } of allCommands(ROOT)) {
      expect(text).toContain(path);
      for (const { flags } of options) expect(text).toContain(flags);
    }
    expect(text).toContain('kiln publish 2.4.22-om2-1f2e3d4c5b --channel lts/testing');
  });
});
