import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mountOverlay, mountRight, privateMounts } from '../../src/platform/mounts.ts';

/*
 * Starts itself with mounts of its own, lays an overlay over the directory `lower` of the directory that it is given,
 * puts a new directory in the place of one that it finds there, and prints what is in that.
 */

const [directory = ''] = process.argv.slice(2);
const at = (name: string) => join(directory, name);

if (mountRight() === undefined) {
  const mounts = await privateMounts();
  const [command = '', ...before] = [...(mounts?.prefix ?? []), process.execPath, ...process.execArgv];
  const { status } = spawnSync(command, [...before, ...process.argv.slice(1)], {
    env: { ...process.env, ...mounts?.env },
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} else {
  const layers = { lower: [at('lower')], upper: at('upper'), work: at('work'), at: at('at') };
  const refused = await mountOverlay(layers);
  if (refused !== undefined) throw new Error(refused);
  rmSync(at('at/found'), { recursive: true });
  mkdirSync(at('at/found'));
  console.log(JSON.stringify(readdirSync(at('at/found'))));
}
