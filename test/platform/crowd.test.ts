import { describe, expect, it } from 'vitest';
import { limitHere, openCrowd } from '../../src/platform/crowd.ts';
import { run } from '../../src/platform/process.ts';

/** Starts processes until it is refused one, and says how many it has had; a shell ends at a refusal. Then all go. */
const GREEDY = '(i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i + 1)); echo $i; done) 2>&1; kill -9 0';

const crowd = openCrowd(20);
crowd?.close();

describe.runIf(crowd !== undefined)('a crowd', () => {
  it('has room for so many processes and no more: the kernel refuses the next, and it is known', async () => {
    const group = openCrowd(20);
    if (group === undefined) throw new Error('there was one a moment ago');
    expect(group.wasFull()).toBe(false);
    const started: number[] = [];
    const result = await run('sh', ['-c', `echo $$ >"$0"; ${GREEDY}`, group.procs], {
      onLine: (line) => /^\d+$/.test(line) && started.push(Number(line)),
    });
    expect(result.tail.join('\n')).toMatch(/fork/i);
    expect(Math.max(...started)).toBeLessThan(20);
    expect(group.wasFull()).toBe(true);
    group.close();
  });
});

describe('a limit', () => {
  it('that a shell sets itself is one that the shell has', async () => {
    const result = await run('bash', ['-c', `${limitHere(321)}; ulimit -u`]);
    expect(result.tail.at(-1)).toMatch(/^321$/);
  });
});
