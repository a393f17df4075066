import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { KilnError } from '../../src/platform/errors.ts';
import { disk } from '../../src/platform/filesystem.ts';
import type { Home } from '../../src/platform/home.ts';
import { errno, type Operation, watched } from './faults.ts';
import { effectsOf, powerCuts, type Traced, trace } from './powercut.ts';
import { copyOf, expectWhole, perform, prepared, SCENARIOS, type Scenario } from './scenarios.ts';
import { share } from './share.ts';

/** Runs a scenario on a copy of a home, looking on. */
async function record(scenario: Scenario): Promise<Operation[]> {
  const operations: Operation[] = [];
  const home = await prepared(scenario);
  await perform(
    scenario,
    home,
    watched(disk, (operation) => void operations.push(operation)),
  );
  rmSync(home.root, { recursive: true });
  return operations;
}

/** The operations of a scenario's change itself, reads as well. */
async function countOperations(scenario: Scenario): Promise<number> {
  let count = 0;
  const home = await prepared(scenario);
  await scenario.stage?.(home, disk);
  await scenario.act(
    home,
    watched(
      disk,
      () => {
        count += 1;
      },
      'all',
    ),
  );
  rmSync(home.root, { recursive: true });
  return count;
}

describe.each(SCENARIOS)('$name', (scenario) => {
  it.each([
    ['EIO', 5, 0],
    ['ENOSPC', 28, 10],
    ['EROFS', 30, 20],
  ])('that meets %s at any one operation leaves the old or the new, whole', async (code, number, from) => {
    const operations = await countOperations(scenario);
    expect(operations).toBeGreaterThan(15);
    const original = await prepared(scenario);
    for (const at of share([...Array(operations).keys()], 30, from)) {
      const home = copyOf(original);
      await scenario.stage?.(home, disk);
      let count = 0;
      const failing = watched(
        disk,
        () => {
          count += 1;
          if (count - 1 === at) throw errno(code, number);
        },
        'all',
      );
      const outcome = await scenario.act(home, failing).catch((error: unknown) => error);
      // What the user gets to read is a sentence, never a stack; an error that could be mended is none.
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(KilnError);
      await expectWhole(home, scenario);
      rmSync(home.root, { recursive: true });
    }
  });

  it('in a process that is killed (SIGKILL) at any operation, or half-way through a write, leaves the same', async () => {
    const operations = await record(scenario);
    const original = await prepared(scenario);
    for (const at of share([...operations.keys()], 24, scenario.name.length)) {
      const home = copyOf(original);
      const killed = spawnSync(
        process.execPath,
        [
          '--disable-warning=ExperimentalWarning',
          join(import.meta.dirname, 'killed.ts'),
          home.root,
          scenario.name,
          String(at),
        ],
        { encoding: 'utf8' },
      );
      expect(killed.signal, killed.stderr).toBe('SIGKILL');
      await expectWhole(home, scenario);
      rmSync(home.root, { recursive: true });
    }
  });

  it('cut short by the power at any moment leaves the same, whatever of what was not flushed got lost', async () => {
    const original = await prepared(scenario);
    const traced: Traced[] = [];
    const run = copyOf(original);
    await perform(
      scenario,
      run,
      watched(disk, (operation) => void traced.push(trace(operation))),
    );
    const effects = effectsOf(traced);
    const states = [...powerCuts(effects, traced.length)];
    expect(states.length).toBeGreaterThan(effects.length);
    for (const fates of share(states, Math.ceil(states.length / 10))) {
      const home = copyOf(original);
      const root = (path: string) => path.replace(run.root, home.root);
      for (const [index, fate] of fates.entries()) effects[index]?.apply(root, fate);
      await expectWhole(home, scenario);
      rmSync(home.root, { recursive: true });
    }
  });
});

describe('the model of a power cut', () => {
  it('finds a flush that is missing: of the served files, of the intent, of the link', async () => {
    const scenario = SCENARIOS.find(({ name }) => name === 'a publish of a new bundle') as Scenario;
    const original = await prepared(scenario);
    const run = copyOf(original);
    const traced: Traced[] = [];
    await scenario.act(
      run,
      watched(disk, (operation) => void traced.push(trace(operation))),
    );
    for (const missing of [/bundles\/\.two\..*\.tmp$/, /\/journal$/, /\/tftp\/lts$/]) {
      const left = traced.filter(({ name, args }) => name !== 'sync' || !missing.test(String(args[0])));
      expect(left.length).toBeLessThan(traced.length);
      const broken = await firstBroken(scenario, original, run.root, left);
      expect(broken, String(missing)).toBeInstanceOf(Error);
    }
  });
});

async function firstBroken(
  scenario: Scenario,
  original: Home,
  traceRoot: string,
  traced: readonly Traced[],
): Promise<unknown> {
  const effects = effectsOf(traced);
  // What a missing flush breaks shows late in the change.
  for (const fates of [...powerCuts(effects, traced.length)].reverse()) {
    const home = copyOf(original);
    const root = (path: string) => path.replace(traceRoot, home.root);
    for (const [index, fate] of fates.entries()) effects[index]?.apply(root, fate);
    try {
      await expectWhole(home, scenario);
    } catch (error) {
      return error;
    } finally {
      rmSync(home.root, { recursive: true });
    }
  }
  return undefined;
}
