import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { baseEnvironment, run } from '../../src/platform/process.ts';
import { CHECKOUT, freshDirectory, pathWithout } from '../support/kiln.ts';

// Somebody who is not root, and owns what root does.
const USER = 'unshare --user --map-user=1000';
const can = process.getuid?.() === 0 && (await run('/bin/sh', ['-c', `${USER} true`])).exitCode === 0;

/** A sudo that asks for a password on its terminal, and refuses where it has none, as the real one does. */
const SUDO = `#!/bin/sh
printf 'password: ' >/dev/tty || exit
read -r word </dev/tty && echo "$word $*" >>CALLED
`;

function machine() {
  const directory = freshDirectory('sudo');
  const PATH = pathWithout((name) => name === 'lbzip2' || name === 'sudo');
  const called = join(directory, 'called');
  rmSync(join(PATH, 'sudo'), { force: true });
  writeFileSync(join(PATH, 'sudo'), SUDO.replace('CALLED', called));
  chmodSync(join(PATH, 'sudo'), 0o755);
  writeFileSync(called, '');
  const line = `${USER} ${join(CHECKOUT, 'kiln')} doctor --install-tools --home ${directory}`;
  return { env: { ...baseEnvironment(), PATH }, line, calls: () => readFileSync(called, 'utf8') };
}

it.skipIf(!can)('tools are installed by a sudo that asks for a password on the terminal', async () => {
  const { env, line, calls } = machine();
  const ran = await run('script', ['-qec', line, '/dev/null'], { env, input: 'secret\nsecret\n' });
  expect(calls(), ran.tail.join('\n')).toMatch(
    /^secret apt-get update -q\nsecret apt-get install -y .*\blbzip2\b/,
  );
});

it.skipIf(!can)('without a terminal nobody is asked: exit 3', async () => {
  const { env, line, calls } = machine();
  const ran = await run('/bin/sh', ['-c', line], { env });
  expect(ran.exitCode).toBe(3);
  expect(ran.tail.join('\n')).toMatch(/sudo apt-get update -q failed/);
  expect(calls()).toBe('');
});
