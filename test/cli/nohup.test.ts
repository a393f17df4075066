import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { baseEnvironment } from '../../src/platform/process.ts';
import { CHECKOUT, freshDirectory } from '../support/kiln.ts';

/** How `kiln watch` ends that is told of a closed terminal, and asked to stop after that. */
async function endOf(before: string): Promise<unknown[]> {
  const script = `${before} exec "$0" watch sample --home "$1"`;
  const args = ['-c', script, join(CHECKOUT, 'kiln'), freshDirectory('nohup')];
  const stdio = ['ignore', 'ignore', 'pipe'] as const;
  const watching = spawn('/bin/sh', args, { env: baseEnvironment(), stdio: [...stdio] });
  const ended = once(watching, 'exit');
  if (watching.stderr === null) throw new Error('its stderr is a pipe');
  for await (const line of createInterface({ input: watching.stderr }))
    if (line.startsWith('watching')) break;
  watching.kill('SIGHUP');
  watching.kill('SIGTERM');
  return ended;
}

it('what was started with nohup outlives its terminal, and nothing else does', async () => {
  expect(await endOf('trap "" HUP;')).toEqual([143, null]);
  expect(await endOf('')).toEqual([null, 'SIGHUP']);
});
