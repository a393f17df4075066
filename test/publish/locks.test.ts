import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { publishBundle, rollback } from '../../src/publish/index.ts';
import { CHECKOUT, kiln } from '../support/kiln.ts';
import { homeWith } from './fixture.ts';
import { expectClean } from './scenarios.ts';

/** A process that takes a home's publish lock and keeps it until it is killed. */
async function holder(lock: string) {
  const source = `
    import { lock } from ${JSON.stringify(join(CHECKOUT, 'src/platform/lock.ts'))};
    lock(${JSON.stringify(lock)}, 'kiln publish elsewhere');
    console.log('held');
    setInterval(() => {}, 1000);
  `;
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', source],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  for await (const line of createInterface({ input: child.stdout })) if (line === 'held') break;
  return child;
}

describe('several Kilns on one home', () => {
  it('wait for each other a while; then the one that can not publish exits 5 and says who holds the lock since when', async () => {
    const { home, bundles } = await homeWith('one');
    const child = await holder(`${home.locks}/publish.lock`);
    const refused = await kiln(['publish', 'one', '--channel', 'lts/x', '--home', home.root]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(refused.code).toBe(5);
    expect(refused.stderr).toMatch(
      new RegExp(`held by process ${child.pid} \\(kiln publish elsewhere, since 20\\d\\d-\\d\\d-\\d\\dT`),
    );
    // The lock went with its process, though its note is still there.
    expect(await publishBundle(home, bundles[0], 'lts/x')).toMatchObject({ flipped: true });
  });

  it('that publish, roll back and collect garbage at once leave numbered generations and nothing broken', async () => {
    const { home, bundles } = await homeWith('one', 'two', 'three');
    await publishBundle(home, bundles[0], 'lts/x');
    const run = (...args: string[]) => kiln([...args, '--home', home.root]);
    const ran = await Promise.all([
      run('publish', 'two', '--channel', 'lts/x'),
      run('publish', 'three', '--channel', 'lts/x'),
      run('rollback', 'lts/x', '--to', '1'),
      run('gc', '--dry-run'),
      run('publish', 'two', '--channel', 'lts/y'),
    ]);
    expect(ran.map(({ code, stderr }) => [code, stderr])).toEqual(ran.map(() => [0, '']));
    const shown = JSON.parse((await run('channels', 'lts/x', '--json')).stdout) as {
      channels: { history: { generation: number }[] }[];
    };
    expect(shown.channels[0]?.history.map(({ generation }) => generation)).toEqual([1, 2, 3]);
    await rollback(home, 'lts/x', 1);
    await expectClean(home);
  });
});
