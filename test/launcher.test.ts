import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { baseEnvironment, run } from '../src/platform/process.ts';
import { CHECKOUT, freshDirectory } from './support/kiln.ts';

/*
 * A checkout of nothing but the launcher, with a command line that says where it is, and an npm on the PATH that does
 * no more than a test asks for: what it is called with, and what becomes of what it leaves, is the launcher's affair.
 */

let checkout: string;
let bin: string;
beforeEach(() => {
  const directory = freshDirectory('launcher');
  checkout = join(directory, 'checkout');
  bin = join(directory, 'bin');
  for (const name of ['kiln', 'src/launcher', 'package.json', 'package-lock.json']) {
    cpSync(join(CHECKOUT, name), join(checkout, name), { recursive: true });
  }
  mkdirSync(join(checkout, 'src/cli'));
  writeFileSync(join(checkout, 'src/cli/main.ts'), 'console.log(import.meta.dirname);\n');
  mkdirSync(bin);
  npmDoes(`mkdir -p "${dirname(node())}" && ln -s "${process.execPath}" "${node()}"`);
});

/** Where the launcher expects Node. */
function node(): string {
  const machine = process.arch === 'x64' ? 'x64' : 'arm64';
  return join(checkout, `node_modules/node-linux-${machine}/bin/node`);
}

function npmDoes(script: string): void {
  writeFileSync(join(bin, 'npm'), `#!/bin/sh\necho "$@" >>"${bin}/called"\n${script}\n`);
  chmodSync(join(bin, 'npm'), 0o755);
}

const calls = () => readFileSync(join(bin, 'called'), 'utf8').trim().split('\n');

function launch(command: string, env: Readonly<Record<string, string>> = {}, cwd = '/') {
  const base = baseEnvironment();
  return run('/bin/sh', ['-c', command], { cwd, env: { ...base, PATH: `${bin}:${base.PATH}`, ...env } });
}

describe('a first run', () => {
  it('installs once, however many there are at the same time', async () => {
    const line = join(checkout, 'kiln');
    const ran = await Promise.all([launch(line), launch(line), launch(line)]);
    expect(ran.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(calls()).toHaveLength(1);
  });

  it('after one whose npm has failed half-way installs anew', async () => {
    npmDoes('mkdir -p node_modules; echo "no network" >&2; exit 1');
    const first = await launch(join(checkout, 'kiln'));
    expect(first.exitCode).toBe(1);
    expect(first.tail.slice(-2)).toEqual(['no network', 'kiln: npm ci failed; what it said is above']);
    npmDoes(`mkdir -p "${dirname(node())}" && ln -s "${process.execPath}" "${node()}"`);
    expect((await launch(join(checkout, 'kiln'))).exitCode).toBe(0);
  });

  it('does not take for done what has brought no Node to run on', async () => {
    npmDoes('mkdir -p node_modules; echo "added 76 packages"');
    const ran = await launch(join(checkout, 'kiln'));
    expect(ran.exitCode).toBe(1);
    expect(ran.tail.at(-1)).toContain(`npm ci has not installed ${node()}`);
    expect(existsSync(join(checkout, 'node_modules/.kiln-lock'))).toBe(false);
  });

  it("installs for tests what tests need, whatever NODE_ENV and npm's settings say", async () => {
    const install = `${checkout}/src/launcher/install.sh ${checkout} development`;
    await launch(install, { NODE_ENV: 'production', npm_config_omit: 'dev' });
    expect(calls()[0]).toMatch(/^ci --include=dev --include=optional /);
  });
});

describe('the launcher', () => {
  it.each([
    ['by its path', (path: string) => path],
    ['by a link', (path: string) => join(dirname(path), 'link')],
    [
      'from elsewhere, relatively',
      (path: string) => `cd ${dirname(dirname(path))}; ${basename(dirname(path))}/kiln`,
    ],
  ])(
    'runs its own checkout when it is called %s, though CDPATH has another of that name',
    async (_how, called) => {
      const elsewhere = freshDirectory('elsewhere');
      symlinkSync('kiln', join(checkout, 'link'));
      cpSync(checkout, join(elsewhere, 'checkout'), { recursive: true });
      const ran = await launch(called(join(checkout, 'kiln')), { CDPATH: elsewhere });
      expect(ran.tail.at(-1)).toBe(join(checkout, 'src/cli'));
    },
  );
});
