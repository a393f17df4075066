import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Direction,
  graphOf,
  layOut,
  nextBox,
  type PlanNode,
} from '../../../src/server/page/plan-graph.ts';
import type { Plan, PlannedSource, PlannedStep } from '../../../src/server/page/types.ts';

const STEPS = ['tree', 'config', 'compile', 'bundle'];
const KERNEL: PlannedSource = { name: 'kernel', file: 'linux.tar.bz2', role: 'kernel', stored: true };
const KIT: PlannedSource = { name: 'kit', file: 'kit.tar.gz', role: 'kit', stored: true };

function patch(name: string, stored = true): PlannedSource {
  return { name, file: `${name}.patch`, role: 'patch', stored };
}

interface Made {
  readonly sources?: readonly PlannedSource[];
  /** Keys of tree, config, compile and bundle; null: not known. */
  readonly keys?: readonly (string | null)[];
  /** How many of these, from the first, are there. */
  readonly hits?: number;
}

/** The plan of one variant, as the API gives it. */
function plan(variant: string, { sources = [KERNEL], keys, hits = 0 }: Made = {}): Plan {
  const missing = sources.filter(({ stored }) => !stored).map(({ name }) => name);
  const fetched = hits > 0 || missing.length === 0;
  const steps = STEPS.map((step, index): PlannedStep => {
    const key =
      keys === undefined ? (step === 'tree' ? 'tree' : `${step}-${variant}`) : (keys[index] ?? null);
    return { step, key, status: index < hits ? 'hit' : 'miss', why: index < hits ? '' : `why of ${variant}` };
  });
  const fetch: PlannedStep = {
    step: 'fetch',
    key: null,
    status: fetched ? 'hit' : 'miss',
    why: fetched ? '' : 'x',
  };
  return {
    recipe: 'own',
    variant,
    bundle: `1-${variant}`,
    channel: `own/${variant}`,
    sources,
    steps: [fetch, ...steps],
  };
}

const six = ['ne2k', 'rtl8139', 'pcnet', 'e1000', 'tulip', 'all'];

function named(nodes: readonly PlanNode[]): string[] {
  return nodes.map(({ step, title, variants }) => `${step} ${title} ${variants.length}`);
}

describe('the graph of a plan', () => {
  it('draws once what variants share, with lines to what each has for itself', () => {
    const nodes = graphOf(six.map((variant) => plan(variant, { sources: [KERNEL, patch('om-2')] })));
    expect(nodes.filter(({ step }) => step === 'fetch').map(({ title }) => title)).toEqual([
      'kernel',
      'om-2',
    ]);
    const [tree] = nodes.filter(({ step }) => step === 'tree');
    expect(tree?.needs).toEqual(['fetch kernel', 'fetch om-2']);
    const configs = nodes.filter(({ step }) => step === 'config');
    expect(configs.map(({ needs }) => needs)).toEqual(six.map(() => [tree?.id]));
    expect(nodes).toHaveLength(2 + 1 + 3 * 6);
  });

  it('draws a configuration once that two variants share', () => {
    const nodes = graphOf([
      plan('a', { keys: ['t', 'c', 'ka', 'ba'] }),
      plan('b', { keys: ['t', 'c', 'kb', 'bb'] }),
    ]);
    expect(named(nodes)).toContain('config config 2');
    expect(nodes.filter(({ step }) => step === 'compile').map(({ needs }) => needs)).toEqual([
      ['config c'],
      ['config c'],
    ]);
  });

  it('shares the tree and nothing else as long as keys are not known', () => {
    const unknown = [null, null, null, null];
    const nodes = graphOf([plan('a', { keys: unknown }), plan('b', { keys: unknown })]);
    expect(named(nodes.filter(({ step }) => step !== 'fetch'))).toEqual([
      'tree tree 2',
      'config config 1',
      'compile compile 1',
      'bundle bundle 1',
      'config config 1',
      'compile compile 1',
      'bundle bundle 1',
    ]);
  });

  it('has a shared step run when one of its variants needs it, and says why by that one', () => {
    const nodes = graphOf([plan('a', { hits: 4 }), plan('b')]);
    expect(nodes.find(({ step }) => step === 'tree')).toMatchObject({ status: 'miss', why: 'why of b' });
    expect(nodes.filter(({ step }) => step === 'bundle').map(({ status }) => status)).toEqual([
      'hit',
      'miss',
    ]);
  });

  it('asks for no source that is gone when what was made of it is there', () => {
    const sources = [{ ...KERNEL, stored: false }];
    const [kernel] = graphOf([plan('a', { sources, hits: 4 })]);
    expect(kernel).toMatchObject({ status: 'hit', why: expect.stringContaining('not needed') });
    expect(graphOf([plan('a', { sources })])[0]).toMatchObject({ status: 'miss' });
  });

  it('puts many patches into one box, which is missing when one of them is', () => {
    const patches = Array.from({ length: 9 }, (_, index) => patch(`p${index}`, index !== 4));
    const nodes = graphOf([plan('a', { sources: [KERNEL, ...patches] })]);
    expect(nodes.filter(({ step }) => step === 'fetch')).toMatchObject([
      { title: 'kernel', status: 'hit' },
      { title: '9 patches', status: 'miss', why: 'not in the store: p4' },
    ]);
  });

  it('leads the kit of an initrd to the bundles', () => {
    const nodes = graphOf([plan('a', { sources: [KERNEL, KIT] })]);
    expect(nodes.find(({ step }) => step === 'tree')?.needs).toEqual(['fetch kernel']);
    expect(nodes.find(({ step }) => step === 'bundle')?.needs).toEqual(['compile compile-a', 'fetch kit']);
  });
});

describe('its layout', () => {
  const plans = fc.array(
    fc.record({
      shared: fc.constantFrom('c1', 'c2', null),
      compile: fc.constantFrom('k1', 'k2', null),
      hits: fc.nat({ max: 4 }),
    }),
    { minLength: 1, maxLength: 9 },
  );
  const sources = fc.record({ patches: fc.nat({ max: 7 }), kit: fc.boolean() });

  it('lays no box on another, keeps all of them within, and each after what it needs', () => {
    fc.assert(
      fc.property(plans, sources, fc.boolean(), (made, { patches, kit }, narrow) => {
        const from = [
          KERNEL,
          ...Array.from({ length: patches }, (_, index) => patch(`p${index}`)),
          ...(kit ? [KIT] : []),
        ];
        const nodes = graphOf(
          made.map(({ shared, compile, hits }, index) => {
            const keys = [
              't',
              shared ?? `c-${index}`,
              shared === null || compile === null ? `k-${index}` : `${shared} ${compile}`,
              `b-${index}`,
            ];
            return plan(`v${index}`, { sources: from, keys, hits });
          }),
        );
        const { width, height, boxes, edges } = layOut(nodes, narrow);
        expect(boxes).toHaveLength(nodes.length);
        for (const [index, one] of boxes.entries()) {
          expect(one.x >= 0 && one.y >= 0).toBe(true);
          expect(one.x + one.width <= width && one.y + one.height <= height).toBe(true);
          for (const other of boxes.slice(index + 1)) {
            const apart =
              one.x + one.width <= other.x ||
              other.x + other.width <= one.x ||
              one.y + one.height <= other.y ||
              other.y + other.height <= one.y;
            expect(apart, `${one.node.id} and ${other.node.id}`).toBe(true);
          }
        }
        expect(edges).toHaveLength(nodes.reduce((sum, { needs }) => sum + needs.length, 0));
        const place = new Map(boxes.map((box) => [box.node.id, box]));
        for (const { from: before, to } of edges) {
          const [one, other] = [place.get(before), place.get(to)];
          if (one === undefined || other === undefined) throw new Error('a line leads nowhere');
          const isAfter = other.x >= one.x + one.width || other.y >= one.y + one.height;
          expect(isAfter, `${before} before ${to}`).toBe(true);
        }
      }),
    );
  });
});

describe('the keys', () => {
  const nodes = graphOf(six.map((variant) => plan(variant, { sources: [KERNEL, patch('om-2')] })));
  const walk = (narrow: boolean, start: string, ...keys: readonly Direction[]) => {
    const { boxes } = layOut(nodes, narrow);
    let here = boxes.find(({ node }) => node.id === start);
    for (const key of keys) here = here === undefined ? undefined : nextBox(boxes, here, key);
    return here?.node.id;
  };

  it('lead along the lines and from variant to variant', () => {
    expect(walk(false, 'fetch kernel', 'right')).toBe('tree tree');
    expect(walk(false, 'config config-ne2k', 'right', 'right')).toBe('bundle bundle-ne2k');
    expect(walk(false, 'config config-ne2k', 'down', 'down')).toBe('config config-pcnet');
    expect(walk(false, 'compile compile-all', 'up', 'left', 'left')).toBe('tree tree');
    expect(walk(false, 'bundle bundle-all', 'right')).toBe(undefined);
  });

  it('do so where what all share stands above', () => {
    expect(walk(true, 'fetch kernel', 'down', 'down', 'down')).toBe('config config-ne2k');
    expect(walk(true, 'config config-ne2k', 'right', 'down')).toBe('compile compile-rtl8139');
    expect(walk(true, 'bundle bundle-ne2k', 'up', 'up')).toBe('fetch om-2');
    expect(walk(true, 'tree tree', 'left')).toBe(undefined);
    expect(walk(true, 'tree tree', 'right')).toBe(undefined);
  });
});
