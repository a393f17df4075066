import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applySeries, checkSeries } from '../../src/patches/index.ts';
import { baseEnvironment, run } from '../../src/platform/process.ts';
import { contentOf, gnuDiff, numbered, patchOf, scratch, treeOf, writeFiles } from './support.ts';

const KILLED = join(import.meta.dirname, 'killed.ts');
const RUNNER = join(import.meta.dirname, 'runner.ts');

/** An old tree, a new one, and GNU diff's patch between them: files changed, made and removed. */
async function twoTrees(): Promise<{ old: string; now: string; patch: string }> {
  const directory = scratch();
  const [old, now, patch] = [join(directory, 'old'), join(directory, 'new'), join(directory, 'patch')];
  const common = { 'a.c': numbered(40), 'deep/down/b.c': numbered(30), 'keep.c': 'kept\n' };
  writeFiles(old, { ...common, 'gone/only.c': numbered(5) });
  writeFiles(now, {
    ...common,
    'a.c': numbered(40).replace('line 20\n', 'line twenty\n'),
    'deep/down/b.c': numbered(31),
    'made/new/c.c': 'fresh\n',
  });
  writeFileSync(patch, await gnuDiff(directory, ['-Nur', 'old', 'new']));
  return { old, now, patch };
}

async function same(one: string, other: string): Promise<boolean> {
  return (await run('diff', ['-r', one, other])).exitCode === 0;
}

const hopeless = patchOf('--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,2 @@\n-no such line\n+x\n line 2\n');

describe('a series that is killed', () => {
  test('in front of any call that changes the disk leaves, once Kiln looks again, all or nothing', async () => {
    const { old, now, patch } = await twoTrees();
    const seen = { untouched: 0, whole: 0, finishedLater: 0 };
    for (let calls = 1; ; calls++) {
      const tree = join(scratch(), 'tree');
      cpSync(old, tree, { recursive: true });
      const result = await run(process.execPath, [KILLED, tree, patch, String(calls)]);
      if (result.exitCode === 0) break;
      expect(result.signal, result.tail.join('\n')).toBe('SIGKILL');
      const pending = existsSync(join(tree, '.kiln-patch', 'journal'));
      // What looks again is a series that itself can't be applied: it must not leave anything half done.
      await expect(applySeries(tree, [hopeless])).rejects.toMatchObject({ kind: 'failed' });
      expect(existsSync(join(tree, '.kiln-patch'))).toBe(false);
      const [isOld, isNew] = [await same(tree, old), await same(tree, now)];
      expect(isOld || isNew, `killed in front of call ${calls}`).toBe(true);
      if (pending) expect(isNew).toBe(true);
      if (isOld) seen.untouched++;
      else if (pending) seen.finishedLater++;
      else seen.whole++;
    }
    expect(seen.untouched).toBeGreaterThan(3);
    expect(seen.finishedLater).toBeGreaterThan(3);
  });

  test('is not judged by a check, which may not finish it', async () => {
    const { old, patch } = await twoTrees();
    let calls = 1;
    let tree = '';
    do {
      tree = join(scratch(), 'tree');
      cpSync(old, tree, { recursive: true });
      await run(process.execPath, [KILLED, tree, patch, String(calls++)]);
    } while (!existsSync(join(tree, '.kiln-patch', 'journal')));
    await expect(checkSeries(tree, [hopeless])).rejects.toMatchObject({
      kind: 'failed',
      message: expect.stringContaining('interrupted'),
    });
  });
});

test('a series that is aborted leaves the tree as it was', async () => {
  const { old, patch } = await twoTrees();
  const tree = join(scratch(), 'tree');
  cpSync(old, tree, { recursive: true });
  const controller = new AbortController();
  const applying = applySeries(tree, [patchOf(readFileSync(patch), { strip: 1 })], {
    signal: controller.signal,
    onEvent: (event) => {
      if (event.type === 'patch-placed') controller.abort(new Error('stop'));
    },
  });
  await expect(applying).rejects.toThrow('stop');
  expect(await same(tree, old)).toBe(true);
});

test('a tree that another process is patching is refused with its name', async () => {
  const tree = treeOf({ 'a.c': numbered(40) });
  const bytes = '--- a/a.c\n+++ b/a.c\n@@ -1,2 +1,2 @@\n-line 1\n+x\n line 2\n';
  const file = join(scratch(), 'x.patch');
  writeFileSync(file, bytes);
  const second: { status: number | null; stderr: string }[] = [];
  await applySeries(tree, [patchOf(bytes)], {
    onEvent: (event) => {
      if (event.type !== 'patch-started') return;
      // This process waits for it, and does not finish before it has looked.
      const args = [RUNNER, 'patch', 'apply', '--tree', tree, file];
      second.push(spawnSync(process.execPath, args, { encoding: 'utf8', env: baseEnvironment() }));
    },
  });
  const why = expect.stringContaining(`is held by process ${process.pid} (kiln: patching `);
  expect(second).toMatchObject([{ status: 5, stderr: why }]);
  expect(contentOf(tree, 'a.c')).toBe(numbered(40).replace('line 1\n', 'x\n'));
});

test('a journal that came with a hostile tree moves nothing out of it', async () => {
  const tree = treeOf({
    'a.c': numbered(4),
    '.kiln-patch/journal': JSON.stringify({ version: 1, moves: [{ path: '../escaped', stage: 0 }] }),
    '.kiln-patch/stage/0': 'evil\n',
  });
  await expect(applySeries(tree, [hopeless])).rejects.toMatchObject({ kind: 'integrity' });
  expect(existsSync(join(tree, '..', 'escaped'))).toBe(false);
});
