import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WorkTrees, type WorkTreesRequest } from '../../src/pipeline/work-trees.ts';
import { openAir } from '../../src/platform/sandbox.ts';

/* This process has no mounts of its own: the trees are copies. Overlays are tested by real builds (test/cli). */

let scratch: string;
let prepared: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'kiln-trees-'));
  prepared = join(scratch, 'prepared');
  mkdirSync(prepared);
  writeFileSync(join(prepared, 'source'), 'pristine');
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function trees(more: Partial<WorkTreesRequest> = {}): WorkTrees {
  const sandboxFor = (directory: string) => openAir('none', directory);
  return new WorkTrees({ prepared, work: join(scratch, 'work'), sandboxFor, most: 2, ...more });
}

const going = new AbortController().signal;
const as = (release: string) => ({ built: { release, config: '' } });

/** A promise that the test resolves. */
function latch() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

describe('work trees', () => {
  it('begin as the prepared tree, which nobody writes to', async () => {
    const shop = trees();
    await shop.use(going, async ({ tree, built }) => {
      expect(built).toBeUndefined();
      expect(readFileSync(join(tree, 'source'), 'utf8')).toBe('pristine');
      writeFileSync(join(tree, 'source'), 'changed');
      return as('one');
    });
    expect(readFileSync(join(prepared, 'source'), 'utf8')).toBe('pristine');
    await shop.close();
  });

  it('can be had aside for a look: nothing of it stays, and nobody starts from it', async () => {
    const shop = trees();
    await shop.aside(async ({ tree, built }) => {
      expect(built).toBeUndefined();
      writeFileSync(join(tree, 'source'), 'changed');
    });
    await shop.use(going, async ({ tree }) => {
      expect(readFileSync(join(tree, 'source'), 'utf8')).toBe('pristine');
      return as('one');
    });
    await shop.close();
    expect(readdirSync(join(scratch, 'work'))).toEqual([]);
  });

  it('hand on what was built in them, and say what it was', async () => {
    const shop = trees();
    await shop.use(going, async ({ tree }) => {
      writeFileSync(join(tree, 'object'), 'made by one');
      return as('one');
    });
    await shop.use(going, async ({ tree, built }) => {
      expect(built?.release).toBe('one');
      expect(readFileSync(join(tree, 'object'), 'utf8')).toBe('made by one');
      return as('two');
    });
    await shop.close();
  });

  it('let the others wait for the first build, and then go to two at once, each its own', async () => {
    const shop = trees();
    const first = latch();
    const both = latch();
    const seen: string[] = [];
    const one = shop.use(going, async ({ tree }) => {
      await first.passed;
      writeFileSync(join(tree, 'object'), 'first');
      return as('first');
    });
    const others = ['a', 'b'].map((name) =>
      shop.use(going, async ({ tree, built }) => {
        seen.push(built?.release ?? 'fresh');
        writeFileSync(join(tree, 'object'), name);
        if (seen.length === 2) both.open();
        await both.passed;
        expect(readFileSync(join(tree, 'object'), 'utf8')).toBe(name);
        return as(name);
      }),
    );
    expect(seen).toEqual([]);
    first.open();
    await Promise.all([one, ...others]);
    expect(seen).toEqual(['first', 'first']);
    await shop.close();
  });

  it('are thrown away when a build in them failed: the next one starts anew', async () => {
    const shop = trees();
    const broken = shop.use(going, async ({ tree }) => {
      writeFileSync(join(tree, 'half'), 'x');
      throw new Error('the compiler said no');
    });
    await expect(broken).rejects.toThrow('the compiler said no');
    await shop.use(going, async ({ tree, built }) => {
      expect(built).toBeUndefined();
      expect(existsSync(join(tree, 'half'))).toBe(false);
      return as('one');
    });
    await shop.close();
  });

  it('that have to be clean are fresh every time', async () => {
    const shop = trees({ clean: true });
    for (const name of ['one', 'two']) {
      await shop.use(going, async ({ tree, built }) => {
        expect(built).toBeUndefined();
        expect(existsSync(join(tree, 'object'))).toBe(false);
        writeFileSync(join(tree, 'object'), name);
        return as(name);
      });
    }
    await shop.close();
  });

  it('do not keep who gives up waiting', async () => {
    const shop = trees({ most: 1 });
    const first = latch();
    const one = shop.use(going, async () => {
      await first.passed;
      return as('one');
    });
    const stop = new AbortController();
    const waiting = shop.use(stop.signal, async () => as('never'));
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    first.open();
    await one;
    await shop.close();
  });

  it('have an empty place beside them for each variant', async () => {
    const shop = trees();
    for (const name of ['one', 'two']) {
      await shop.use(going, async ({ out }) => {
        expect(existsSync(join(out, 'modules'))).toBe(false);
        writeFileSync(join(out, 'modules'), name);
        return as(name);
      });
    }
    await shop.close();
  });
});
