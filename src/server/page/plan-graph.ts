import type { Plan, PlannedSource, PlannedStep } from './types.ts';

/** A step of one or more variants: what they share is one node. */
export interface PlanNode {
  readonly id: string;
  /** As the plan names it; sources are `fetch`. */
  readonly step: string;
  /** What stands in its box. */
  readonly title: string;
  /** What is made or fetched: files, or a bundle's id; empty where that is not known yet. */
  readonly things: readonly string[];
  readonly status: 'hit' | 'miss';
  readonly why: string;
  readonly key: string | null;
  readonly variants: readonly string[];
  /** Nodes whose outputs it takes. */
  readonly needs: readonly string[];
}

/** Boxes of patches that are drawn one by one; more of them are one box. */
const SINGLE_PATCHES = 4;

/** Pure: the steps of a recipe's plans as a graph, in an order in which each comes after what it needs. */
export function graphOf(plans: readonly Plan[]): PlanNode[] {
  const [first] = plans;
  if (first === undefined) return [];
  const variants = plans.map(({ variant }) => variant);
  const nodes = new Map<string, PlanNode>();
  for (const plan of plans) {
    const sources = sourceNodes(plan, variants);
    for (const { node } of sources) nodes.set(node.id, merged(nodes.get(node.id), node));
    const idsOf = (kit: boolean) => sources.filter((one) => one.kit === kit).map(({ node }) => node.id);
    let needs = idsOf(false);
    for (const step of plan.steps.filter((one) => one.step !== 'fetch')) {
      const all = step.step === 'bundle' ? [...needs, ...idsOf(true)] : needs;
      const node = stepNode(plan, step, all);
      nodes.set(node.id, merged(nodes.get(node.id), node));
      needs = [node.id];
    }
  }
  return [...nodes.values()];
}

function sourceNodes(plan: Plan, variants: readonly string[]) {
  const fetch = plan.steps.find(({ step }) => step === 'fetch');
  const patches = plan.sources.filter(({ role }) => role === 'patch');
  const single = plan.sources.filter(({ role }) => role !== 'patch' || patches.length <= SINGLE_PATCHES);
  const groups = single.map((one) => ({ title: one.role === 'kernel' ? 'kernel' : one.name, of: [one] }));
  if (patches.length > SINGLE_PATCHES) {
    groups.splice(1, 0, { title: `${patches.length} patches`, of: patches });
  }
  return groups.map(({ title, of }) => ({
    kit: of[0]?.role === 'kit',
    node: {
      id: `fetch ${title}`,
      step: 'fetch',
      title,
      things: of.map(({ file }) => file),
      ...fetching(of, fetch),
      key: null,
      variants,
      needs: [],
    },
  }));
}

function fetching(sources: readonly PlannedSource[], fetch: PlannedStep | undefined) {
  const missing = sources.filter(({ stored }) => !stored).map(({ name }) => name);
  if (missing.length === 0) return { status: 'hit', why: '' } as const;
  if (fetch?.status === 'hit') {
    return { status: 'hit', why: 'not in the store, and not needed: what was made of it is there' } as const;
  }
  return { status: 'miss', why: `not in the store: ${missing.join(', ')}` } as const;
}

function stepNode(plan: Plan, { step, key, status, why }: PlannedStep, needs: readonly string[]): PlanNode {
  // Before its sources were fetched a step has no key; all variants of a recipe have one tree.
  const id = `${step} ${key ?? (step === 'tree' ? plan.recipe : plan.variant)}`;
  const things = step === 'bundle' && plan.bundle !== null ? [plan.bundle] : [];
  return { id, step, title: step, things, status, why, key, variants: [plan.variant], needs };
}

/** One node for what two variants share: it has to run when one of them needs it. */
function merged(known: PlanNode | undefined, node: PlanNode): PlanNode {
  if (known === undefined) return node;
  const asked = known.status === 'miss' ? known : node;
  return {
    ...asked,
    variants: [...new Set([...known.variants, ...node.variants])],
    needs: [...new Set([...known.needs, ...node.needs])],
  };
}

export interface Box {
  readonly node: PlanNode;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  /** SVG path data. */
  readonly path: string;
}

export interface PlanLayout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly edges: readonly Edge[];
  /** Names of variants, each above its row. */
  readonly labels: readonly { readonly variant: string; readonly x: number; readonly y: number }[];
}

interface Measures {
  readonly columns: readonly { readonly x: number; readonly width: number }[];
  readonly height: number;
  readonly gap: number;
  readonly label: number;
  readonly width: number;
}

const STEPS = ['tree', 'config', 'compile', 'bundle'];

/**
 * Pure: where the boxes stand. Wide: columns from left to right, sources first, a row for each variant. Narrow: what
 * all share above one another, then the rows.
 */
export function layOut(nodes: readonly PlanNode[], narrow: boolean): PlanLayout {
  return narrow ? layOutNarrow(nodes) : layOutWide(nodes);
}

const WIDE: Measures = {
  columns: [0, 232, 412, 592, 772].map((x, index) => ({ x, width: index === 0 ? 190 : 146 })),
  height: 50,
  gap: 12,
  label: 28,
  width: 918,
};

function variantsOf(nodes: readonly PlanNode[]): string[] {
  return [...new Set(nodes.flatMap(({ variants }) => variants))];
}

/** A source stands in the column before the step that takes it. */
function columnOf(node: PlanNode, nodes: readonly PlanNode[]): number {
  if (node.step !== 'fetch') return STEPS.indexOf(node.step) + 1;
  const taker = nodes.find(({ needs }) => needs.includes(node.id));
  return taker === undefined ? 0 : STEPS.indexOf(taker.step);
}

function layOutWide(nodes: readonly PlanNode[]): PlanLayout {
  const { columns, height, gap, label, width } = WIDE;
  const variants = variantsOf(nodes);
  const row = height + label;
  const rows = variants.length * row;
  const isFirst = (node: PlanNode) => columnOf(node, nodes) === 0;
  const sources = nodes.filter(isFirst).length * (height + gap) - gap;
  // Whichever is lower stands in the middle of the other.
  const top = Math.max(0, (sources - rows - label) / 2);
  const rowAt = (variant: string) => top + variants.indexOf(variant) * row + label;
  const sourcesTop = Math.max(0, (rows + label - sources) / 2);
  const boxes = columns.flatMap(({ x, width: wide }, index): Box[] => {
    const here = nodes.filter((node) => columnOf(node, nodes) === index);
    const steps = here.filter(({ step }) => step !== 'fetch');
    const atRows = steps.map((node) => ({ node, y: mean(node.variants.map(rowAt)) }));
    const start = index === 0 ? sourcesTop : top + rows + gap + label;
    const fetched = here
      .filter(({ step }) => step === 'fetch')
      .map((node, place) => ({ node, y: start + place * (height + gap) }));
    return [...spread(atRows, row), ...fetched].map(({ node, y }) => ({ node, x, y, width: wide, height }));
  });
  const labels = variants.map((variant) => ({ variant, x: columns[2]?.x ?? 0, y: rowAt(variant) - 6 }));
  return finished(width, boxes, labels);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Pushes down what would stand on something else. */
function spread<T extends { readonly y: number }>(wanted: readonly T[], row: number): T[] {
  const sorted = [...wanted].sort((a, b) => a.y - b.y);
  let free = Number.NEGATIVE_INFINITY;
  return sorted.map((one) => {
    const y = Math.max(one.y, free);
    free = y + row;
    return { ...one, y };
  });
}

const NARROW = { width: 340, inset: 24, shared: 40, height: 46, gap: 10, label: 24, between: 16 };

function layOutNarrow(nodes: readonly PlanNode[]): PlanLayout {
  const { width, inset, shared, height, gap, label, between } = NARROW;
  const variants = variantsOf(nodes);
  const isKit = (node: PlanNode) => node.step === 'fetch' && columnOf(node, nodes) > 0;
  // What a kit leads to is reached along the right side.
  const right = nodes.some(isKit) ? width - inset + 6 : width;
  const boxes: Box[] = [];
  let y = 0;
  const stack = (some: readonly PlanNode[], x: number) => {
    for (const node of some) {
      boxes.push({ node, x, y, width: right - x, height: shared });
      y += shared + gap;
    }
  };
  stack(
    nodes.filter((node) => node.step === 'fetch' && !isKit(node)),
    inset,
  );
  stack(
    nodes.filter(({ step }) => step === 'tree'),
    0,
  );
  stack(nodes.filter(isKit), inset);
  const columns = STEPS.slice(1);
  const cell = (right - inset - (columns.length - 1) * between) / columns.length;
  const start = y;
  const rowAt = (variant = '') => start + variants.indexOf(variant) * (label + height + gap);
  for (const node of nodes.filter(({ step }) => columns.includes(step))) {
    const x = inset + columns.indexOf(node.step) * (cell + between);
    boxes.push({ node, x, y: rowAt(node.variants[0]) + label, width: cell, height });
  }
  const labels = variants.map((variant) => ({ variant, x: inset, y: rowAt(variant) + 17 }));
  return finished(width, boxes, labels);
}

function finished(width: number, boxes: readonly Box[], labels: PlanLayout['labels']): PlanLayout {
  const byId = new Map(boxes.map((box) => [box.node.id, box]));
  const edges = boxes.flatMap((to) =>
    to.node.needs.flatMap((id): Edge[] => {
      const from = byId.get(id);
      return from === undefined ? [] : [{ from: id, to: to.node.id, path: edgePath(from, to, width) }];
    }),
  );
  const height = Math.max(0, ...boxes.map((box) => box.y + box.height));
  return { width, height, boxes, edges, labels };
}

const ARROW = 'm-5 -4l5 4l-5 4';
/** How far from the side a line comes down that passes others by. */
const TRUNK = 12;

/** From the right side of one box to the left side of the next; from one that stands above, around what is between. */
function edgePath(from: Box, to: Box, width: number): string {
  const end = to.y + to.height / 2;
  const start = from.y + from.height / 2;
  const out = from.x + from.width;
  const room = to.x - out;
  if (room >= 0) {
    if (start === end) return `M${out} ${start}H${to.x - 2}${ARROW}`;
    const half = out + room / 2;
    return `M${out} ${start}C${half} ${start} ${half} ${end} ${to.x - 2} ${end}${ARROW}`;
  }
  if (to.x < from.x) return `M${from.x} ${start}H${TRUNK}V${to.y - 2}m-4 -5l4 5l4 -5`;
  if (from.node.step === 'fetch') {
    return `M${out} ${start}H${width - 4}V${end}H${to.x + to.width + 2}m5 -4l-5 4l5 4`;
  }
  return `M${TRUNK} ${from.y + from.height}V${end}H${to.x - 2}${ARROW}`;
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** Pure: the box that is nearest on one side of another; of several the first. */
export function nextBox(boxes: readonly Box[], from: Box, direction: Direction): Box | undefined {
  const across = direction === 'left' || direction === 'right';
  const span = ({ x, y, width, height }: Box, along: boolean) =>
    along === across ? [x, x + width] : [y, y + height];
  /** From the end of one to the start of the other; below 0 where they lie beside each other. */
  const gap = (one: Box, other: Box, along: boolean) => {
    const [[, end = 0], [start = 0]] = [span(one, along), span(other, along)];
    return start - end;
  };
  const back = direction === 'left' || direction === 'up';
  let [best, least]: [Box | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
  for (const box of boxes) {
    const ahead = back ? gap(box, from, true) : gap(from, box, true);
    const beside = Math.max(0, gap(from, box, false), gap(box, from, false));
    const far = ahead + 3 * beside;
    if (ahead >= 0 && far < least) [best, least] = [box, far];
  }
  return best;
}
