import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, vi } from 'vitest';
import { disk, type FileSystem } from '../../src/platform/filesystem.ts';
import { collectGarbage, publishBundle, rollback } from '../../src/publish/index.ts';
import { CHECKOUT, kiln, sampleHome } from '../support/kiln.ts';
import { homeWith } from './fixture.ts';
import { expectClean } from './scenarios.ts';

/** A process that takes a lock and keeps it until it is killed. */
async function holder(lock: string, what = 'kiln publish elsewhere') {
  const source = `
    import { lock } from ${JSON.stringify(join(CHECKOUT, 'src/platform/lock.ts'))};
    lock(${JSON.stringify(lock)}, ${JSON.stringify(what)});
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

  it('build once a gc has let go of the variant, and not beside another build of it', async () => {
    const home = await sampleHome();
    const lock = join(home, 'locks/build/sample/ne2k.lock');
    const build = () => kiln(['build', 'sample:ne2k', '--home', home]);
    const rival = await holder(lock, 'kiln build sample:ne2k');
    expect((await build()).code).toBe(5);
    rival.kill('SIGKILL');
    await once(rival, 'exit');
    const gc = await holder(lock, 'kiln gc');
    const logs = () => readdirSync(join(home, 'logs/sample/ne2k')).length;
    const before = logs();
    const built = build();
    // A log is begun just before the lock is asked for.
    await vi.waitFor(() => expect(logs()).toBeGreaterThan(before), 120_000);
    gc.kill('SIGKILL');
    expect((await built).code).toBe(0);
  });

  it('roll back while a gc clears the cache', async () => {
    const { home, bundles } = await homeWith('one', 'two');
    await publishBundle(home, bundles[0], 'lts/x');
    const old = join(home.cache, 'steps/tree/old');
    mkdirSync(old, { recursive: true });
    writeFileSync(join(old, 'file'), 'of a tree');
    const published: boolean[] = [];
    const fileSystem: FileSystem = {
      ...disk,
      async removeTree(path) {
        // What takes minutes where there are gigabytes.
        if (path.includes('/steps/'))
          published.push((await publishBundle(home, bundles[0], 'lts/y')).flipped);
        await disk.removeTree(path);
      },
    };
    const now = new Date('2100-01-01');
    const limits = { keep: 1, graceMs: 1e15, now, dryRun: false, cacheAgeMs: 1000, cacheBytes: undefined };
    await collectGarbage(home, { ...limits, fileSystem });
    expect(published).toEqual([true]);
    expect(existsSync(old)).toBe(false);
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
