import { describe, expect, it } from 'vitest';
import {
  changesBetween,
  describeChanges,
  describeInputs,
  keysOf,
  planSteps,
  type VariantInputs,
} from '../../src/pipeline/plan.ts';
import { parseRecipe } from '../../src/recipe/load.ts';
import { expandVariant } from '../../src/recipe/variants.ts';

const RECIPE = `
name: demo
kernel: {version: 2.4.37.11, source: {urls: [linux.tar]}}
extraversion: -om2
patches:
  - {name: one, urls: [one.patch]}
  - {name: two, urls: [two.patch], strip: 0}
config: {fragments: [netboot]}
variants: {a: {}, b: {}}
channel: lts/{variant}
`;

function inputs(recipeText = RECIPE, change: Partial<VariantInputs> = {}, variant = 'a'): VariantInputs {
  const source = (name: string, digit: string) => ({
    name,
    file: `${name}.bz2`,
    sha256: digit.repeat(64),
    substituted: false,
  });
  return {
    variant: expandVariant(parseRecipe(recipeText, 'demo.yaml'), variant),
    kernel: source('kernel', 'a'),
    patches: [source('one', 'b'), source('two', 'c')],
    base: undefined,
    fragments: [{ name: 'netboot', file: 'kconfig/netboot.config', text: 'CONFIG_NET=y\n' }],
    toolchain: { fingerprint: 'f', description: 'gcc 12' },
    epoch: 1,
    code: { tree: '1', config: '1', compile: '1', initrd: '1', bundle: '1' },
    ...change,
  };
}

function keys(...given: Parameters<typeof inputs>) {
  const found = keysOf(inputs(...given));
  if (found === undefined) throw new Error('no keys');
  return found;
}

describe('keys', () => {
  it('are the same for the same inputs', () => {
    expect(keys()).toEqual(keys());
  });

  it('make an id of version, extraversion and short key, which is the release', () => {
    const { id, release, bundle } = keys();
    expect(id).toBe(`2.4.37.11-om2-${bundle.slice(0, 10)}`);
    expect(release).toBe(id);
  });

  it('leave the short key out of a release that the recipe pins, and only there', () => {
    const pinned = keys(`${RECIPE}release: pinned\n`);
    expect(pinned.release).toBe('2.4.37.11-om2');
    expect(pinned.id).toMatch(/^2\.4\.37\.11-om2-[0-9a-f]{10}$/);
  });

  it('share the tree between variants and nothing after it', () => {
    const a = keys(RECIPE, {}, 'a');
    const b = keys(RECIPE, {}, 'b');
    expect(a.tree).toBe(b.tree);
    expect(a.id).not.toBe(b.id);
  });

  it.each([
    [
      'the kernel',
      { kernel: { name: 'kernel', file: 'k', sha256: '9'.repeat(64), substituted: false } },
      'tree',
    ],
    [
      'a fragment',
      { fragments: [{ name: 'netboot', file: 'kconfig/netboot.config', text: 'CONFIG_NET=m\n' }] },
      'config',
    ],
    ['the toolchain', { toolchain: { fingerprint: 'g', description: 'gcc 13' } }, 'config'],
    ['the date that stands in artifacts', { epoch: 2 }, 'compile'],
    [
      'the code of the initrd',
      { code: { tree: '1', config: '1', compile: '1', initrd: '2', bundle: '1' } },
      'compile',
    ],
  ] as const)('change from the step that %s enters on', (_what, change, first) => {
    const before = keys();
    const after = keys(RECIPE, change);
    const order = ['tree', 'config', 'compile', 'bundle'] as const;
    for (const step of order) {
      expect(after[step] !== before[step], step).toBe(order.indexOf(step) >= order.indexOf(first));
    }
  });

  it.each([
    ['strip level', RECIPE.replace('strip: 0', 'strip: 2')],
    ['fuzz', RECIPE.replace('strip: 0', 'strip: 0, fuzz: 1')],
    ['compat rules', `${RECIPE}toolchain: {compat: 'off'}\n`],
  ])('change with a %s', (_what, text) => {
    expect(keys(text).tree).not.toBe(keys().tree);
  });

  it('change when two patches change places', () => {
    const { patches } = inputs();
    expect(keys(RECIPE, { patches: [...patches].reverse() }).tree).not.toBe(keys().tree);
  });

  it('are not known while a source was never seen', () => {
    const kernel = { name: 'kernel', file: 'k', sha256: undefined, substituted: false };
    expect(keysOf(inputs(RECIPE, { kernel }))).toBeUndefined();
  });
});

describe('what changed', () => {
  it('is said in words', () => {
    const before = describeInputs(inputs());
    const after = describeInputs(
      inputs(RECIPE, {
        toolchain: { fingerprint: 'g', description: 'gcc 13' },
        patches: inputs().patches.slice(0, 1),
      }),
    );
    expect(describeChanges(changesBetween(before, after))).toEqual([
      'patch two is gone',
      'order of patches: one, two -> one',
      'toolchain: gcc 12 (tools f) -> gcc 13 (tools g)',
    ]);
    expect(changesBetween(before, before)).toEqual([]);
  });
});

describe('a newer version of a patch', () => {
  it('is one change, and the step that it reaches first is the tree', () => {
    const before = { 'patch openMosix-2.4.22-2': 'a', 'order of patches': 'openMosix-2.4.22-2', boot: 'x' };
    const after = { 'patch openMosix-2.4.22-3': 'b', 'order of patches': 'openMosix-2.4.22-3', boot: 'y' };
    const changes = changesBetween(before, after);
    expect(describeChanges(changes)).toEqual([
      'patches: openMosix-2.4.22-2 -> openMosix-2.4.22-3',
      'boot: x -> y',
    ]);
    expect(changes.map(({ step }) => step)).toEqual(['tree', 'bundle']);
  });
});

describe('a plan', () => {
  const nothing = { sources: { kernel: false }, tree: false, config: false, compile: false, bundle: false };

  it('of what was never built misses everything', () => {
    const steps = planSteps(keys(), nothing, undefined);
    expect(steps.map(({ status }) => status)).toEqual(Array(5).fill('miss'));
    expect(steps[0]?.why).toBe('not in the store: kernel');
    expect(steps[1]?.why).toBe('never built');
    expect(steps[2]?.why).toBe('tree has to run');
  });

  it('of a finished bundle needs nothing, whatever else was deleted', () => {
    const steps = planSteps(keys(), { ...nothing, bundle: true }, []);
    expect(steps.every(({ status }) => status === 'hit')).toBe(true);
  });

  it('says what changed at the first step that has to run', () => {
    const steps = planSteps(keys(), { ...nothing, sources: { kernel: true }, tree: true }, [
      'fragment x: 1 -> 2',
    ]);
    expect(steps.find(({ status }) => status === 'miss')).toMatchObject({
      step: 'config',
      why: 'fragment x: 1 -> 2',
    });
  });
});
