import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freshDirectory, startKiln } from '../support/kiln.ts';

const LOUD_BYTES = 200_000_000;

/** A tree whose make prints far more than a process may hold. */
function loudTree(): string {
  const tree = join(freshDirectory('loud'), 'linux');
  cpSync('recipes/sample/linux', tree, { recursive: true });
  const makefile = join(tree, 'Makefile');
  const text = readFileSync(makefile, 'utf8');
  const print = `\t@yes 'a line as compilers print them when they warn of something in a header' | head -c ${LOUD_BYTES}\n`;
  writeFileSync(
    makefile,
    text.replace(/^dep depend: .*\n/m, (rule) => rule + print),
  );
  return tree;
}

/** The most memory, in MiB, that a process and those of its descendants that are Node had so far (VmHWM). */
function peaksBelow(pid: number): number[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    // One that is ending has no memory any more, and nothing to say of it.
    const peak = /^VmHWM:\s+(\d+)/m.exec(status)?.[1];
    const isNode = /^Name:\t(MainThread|node)/m.test(status);
    const own = isNode && peak !== undefined ? [Number(peak) / 1024] : [];
    return [...own, ...children.flatMap((child) => peaksBelow(Number(child)))];
  } catch {
    // It has ended.
    return [];
  }
}

it('a build that prints 200 MB takes no process of Kiln to 200 MiB, and its log has all of it', async () => {
  const home = freshDirectory('loud-home');
  const args = ['build', 'sample:ne2k', '--home', home, '--source', `kernel=${loudTree()}`, '--no-publish'];
  const kiln = startKiln([...args, '--progress', 'none']);
  const peaks: number[] = [];
  const watch = setInterval(() => peaks.push(...peaksBelow(kiln.pid ?? 0)), 50);
  const [code] = (await once(kiln, 'close')) as [number];
  clearInterval(watch);
  expect(code).toBe(0);
  const logs = join(home, 'logs/sample/ne2k');
  const log = readdirSync(logs).find((name) => name.endsWith('.log')) ?? '';
  expect(statSync(join(logs, log)).size).toBeGreaterThan(LOUD_BYTES);
  expect(Math.max(...peaks)).toBeGreaterThan(50);
  expect(Math.max(...peaks)).toBeLessThan(200);
});
