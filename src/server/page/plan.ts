import { get, send } from './api.ts';
import { type Child, h, s } from './dom.ts';
import { action, badgeOf, failure, listTable, loading } from './parts.ts';
import {
  type Box,
  type Direction,
  graphOf,
  layOut,
  nextBox,
  type PlanLayout,
  type PlanNode,
} from './plan-graph.ts';
import { changed, known } from './state.ts';
import type { Job, Plan } from './types.ts';

interface Loaded {
  /** How many jobs had ended when it was asked for: what they made is there now. */
  readonly settled: number;
  readonly plans: readonly Plan[] | Error;
}

const loaded = new Map<string, Loaded>();
const reading = new Set<string>();

/** A plan says what is there now: it is made anew each time somebody looks. */
export function forgetPlans(): void {
  loaded.clear();
}

/** The plans of RECIPE or RECIPE:VARIANT; those from before the last job while newer ones are made. */
function plansOf(reference: string): readonly Plan[] | Error | undefined {
  const before = loaded.get(reference);
  const { settled } = known;
  if (before?.settled !== settled && !reading.has(reference)) {
    reading.add(reference);
    void get<{ plans: Plan[] }>(`/plans?reference=${encodeURIComponent(reference)}`)
      .then(({ plans }) => plans)
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
      .then((plans) => loaded.set(reference, { settled, plans }))
      .finally(() => {
        reading.delete(reference);
        changed();
      });
  }
  return before?.plans;
}

/** What a build of a recipe would do, all its variants together. */
export function planPage(recipe: string): Child {
  return [
    h(
      'div',
      { class: 'head' },
      h('h1', {}, recipe),
      h('span', { class: 'quiet grow' }, 'what a build of it would do'),
      action('Build all', { class: 'primary' }, async () => {
        const { jobs } = await send<{ jobs: Job[] }>('POST', '/jobs', { references: [recipe] });
        location.hash = `#/jobs/${jobs[0]?.id ?? ''}`;
      }),
    ),
    planSection(recipe),
  ];
}

/** The plan of RECIPE or RECIPE:VARIANT, as a graph and as a table. */
export function planSection(reference: string): Child {
  const plans = plansOf(reference);
  const [recipe = ''] = reference.split(':');
  return h(
    'section',
    {},
    h(
      'div',
      { class: 'head' },
      h('h2', { class: 'grow' }, 'Plan'),
      reference === recipe
        ? null
        : h('a', { href: `#/plans/${encodeURIComponent(recipe)}` }, `of all variants of ${recipe}`),
    ),
    plans === undefined ? loading() : plans instanceof Error ? failure(plans) : planView(plans),
  );
}

function planView(plans: readonly Plan[]): Child {
  const nodes = graphOf(plans);
  const misses = nodes.filter(({ status }) => status === 'miss');
  const sources = misses.filter(({ step }) => step === 'fetch').length;
  const steps = misses.length - sources;
  const all = nodes.filter(({ step }) => step !== 'fetch').length;
  const [one] = plans;
  return h(
    'div',
    { class: 'card' },
    h(
      'p',
      {},
      misses.length === 0
        ? 'Everything is there already: a build only publishes.'
        : `${steps} of ${all} steps ${steps === 1 ? 'has' : 'have'} to run${
            sources === 0 ? '' : ', after fetching what they start from'
          }.`,
      plans.length === 1 && one !== undefined && one.bundle !== null ? ` It makes ${one.bundle}.` : '',
    ),
    planGraph(nodes, plans),
    h(
      'details',
      { open: plans.length === 1 },
      h('summary', {}, 'As a table'),
      planTable(nodes, plans.length),
    ),
  );
}

function planTable(nodes: readonly PlanNode[], count: number): HTMLElement {
  return listTable(
    count === 1 ? ['Step', 'Cache', 'Why'] : ['Step', 'For', 'Cache', 'Why'],
    nodes.map((node) =>
      h(
        'tr',
        { 'data-key': node.id },
        h('th', { scope: 'row' }, nameOf(node)),
        count === 1 ? null : h('td', {}, forWhom(node, count)),
        h('td', {}, badgeOf(node.status)),
        h('td', { class: 'wide' }, node.why === '' ? meaningOf(node) : node.why),
      ),
    ),
  );
}

const MEANINGS: Readonly<Record<string, string>> = {
  fetch: 'It is fetched and verified.',
  tree: 'The tree is unpacked and patched.',
  config: 'The configuration is merged and audited.',
  compile: 'Kernel and modules are compiled.',
  bundle: 'Initrd and images are made, gates are passed.',
};

function meaningOf({ step }: PlanNode): string {
  return MEANINGS[step] ?? '';
}

function nameOf({ step, title }: PlanNode): string {
  return step === 'fetch' ? `fetch ${title}` : title;
}

function forWhom({ variants }: PlanNode, count: number): string {
  return variants.length === count && count > 1 ? 'all variants' : variants.join(', ');
}

/** The node that somebody chose, and the one that the pointer is on. */
const looked = { chosen: '', over: '' };

function planGraph(nodes: readonly PlanNode[], plans: readonly Plan[]): Child {
  const layout = layOut(nodes, NARROW.matches);
  const fallback = nodes.find(({ status }) => status === 'miss') ?? nodes.at(-1);
  const chosen = nodes.find(({ id }) => id === looked.chosen) ?? fallback;
  const shown = nodes.find(({ id }) => id === looked.over) ?? chosen;
  if (chosen === undefined || shown === undefined) return null;
  return [
    h(
      'div',
      { class: 'scroll' },
      s(
        'svg',
        {
          class: 'plan',
          viewBox: `-2 -2 ${layout.width + 4} ${layout.height + 4}`,
          role: 'group',
          'aria-label': 'Graph of steps; arrow keys go from one to the next',
          onkeydown: (event) => walk(event as KeyboardEvent, layout, chosen),
          onpointerleave: () => look({ over: '' }),
        },
        edgesOf(layout, shown),
        layout.labels.map(({ variant, x, y }) => s('text', { x, y, class: 'lane' }, variant)),
        layout.boxes.map((box) => boxOf(box, plans.length, { chosen, shown })),
      ),
    ),
    details(shown, nodes, plans),
  ];
}

const NARROW = matchMedia('(max-width: 62rem)');
NARROW.addEventListener('change', changed);

function look(change: Partial<typeof looked>): void {
  Object.assign(looked, change);
  changed();
}

function edgesOf({ edges }: PlanLayout, { id }: PlanNode): Child {
  const isOwn = ({ from, to }: { from: string; to: string }) => from === id || to === id;
  // What is drawn last lies above.
  return [...edges.filter((edge) => !isOwn(edge)), ...edges.filter(isOwn)].map((edge) =>
    s('path', { class: isOwn(edge) ? 'edge own' : 'edge', d: edge.path }),
  );
}

function boxOf(
  { node, x, y, width, height }: Box,
  count: number,
  { chosen, shown }: { readonly chosen: PlanNode; readonly shown: PlanNode },
): SVGElement {
  const { id, title, status, key, why } = node;
  const room = Math.floor((width - 34) / 7.4);
  const [name, under] = [
    cut(title, room),
    // Where there is little room, what is chosen has its key below.
    key === null || room < 14 ? status : `${status} ${key.slice(0, 8)}`,
  ];
  const whole = name === title ? '' : ` (${title})`;
  const label = `${name} ${under}${whole}, for ${forWhom(node, count)}${why === '' ? '' : `: ${why}`}`;
  return s(
    'g',
    {
      'data-key': id,
      class: ['box', status, id === shown.id ? 'shown' : ''].join(' '),
      role: 'button',
      tabindex: id === chosen.id ? 0 : -1,
      'aria-label': label,
      'aria-pressed': String(id === chosen.id),
      onclick: () => look({ chosen: id, over: '' }),
      onfocus: () => look({ chosen: id, over: '' }),
      onpointerenter: (event) => {
        if ((event as PointerEvent).pointerType === 'mouse') look({ over: id });
      },
    },
    s('rect', { x, y, width, height, rx: status === 'hit' ? 8 : 0 }),
    mark(status, x + 17, y + height / 2),
    s(
      'text',
      {},
      s('tspan', { x: x + 30, y: y + height / 2 - 4, class: 'step' }, `${name} `),
      s('tspan', { x: x + 30, y: y + height / 2 + 13, class: 'tick' }, under),
    ),
  );
}

/** A tick in a disc for what is there, a triangle for what runs. */
function mark(status: PlanNode['status'], x: number, y: number): SVGElement {
  return status === 'hit'
    ? s(
        'g',
        { class: 'sign' },
        s('circle', { cx: x, cy: y, r: 8 }),
        s('path', { d: `M${x - 4} ${y}l3 3l5 -6` }),
      )
    : s('g', { class: 'sign' }, s('path', { d: `M${x - 5} ${y - 7}l11 7l-11 7z` }));
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** What is chosen, in words. */
function details(node: PlanNode, nodes: readonly PlanNode[], plans: readonly Plan[]): HTMLElement {
  const { key, status, why, variants, things, needs, step } = node;
  const before = nodes.filter(({ id }) => needs.includes(id));
  const channels = plans.filter(({ variant }) => variants.includes(variant)).map(({ channel }) => channel);
  const fact = (term: string, value: Child, where = '') =>
    h('div', { class: where }, h('dt', {}, term), h('dd', {}, value));
  return h(
    'div',
    { class: 'plan-details' },
    h(
      'div',
      { class: 'head' },
      h('h3', {}, nameOf(node)),
      badgeOf(status),
      h('span', { class: 'less' }, meaningOf(node)),
    ),
    h(
      'dl',
      { class: 'facts' },
      fact(
        'Why',
        why !== ''
          ? why
          : status === 'hit'
            ? 'its output is there, made of the same inputs'
            : 'it has to run',
      ),
      fact('For', forWhom(node, plans.length)),
      before.length === 0 ? null : fact('Needs', before.map(nameOf).join(', '), 'less'),
      things.length === 0 ? null : fact(step === 'bundle' ? 'Makes' : 'Files', things.join(', '), 'less'),
      step === 'bundle' ? fact('Goes to', channels.join(', '), 'less') : null,
      key === null ? null : fact('Key', h('code', {}, key.slice(0, 16)), 'less'),
    ),
  );
}

const DIRECTIONS: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};

/** Goes to the nearest box in a direction. */
function walk(event: KeyboardEvent, { boxes }: PlanLayout, from: PlanNode): void {
  const direction = DIRECTIONS[event.key];
  const here = boxes.find(({ node }) => node.id === from.id);
  if (event.key === 'Enter' || event.key === ' ') event.preventDefault();
  if (direction === undefined || here === undefined) return;
  event.preventDefault();
  const next = nextBox(boxes, here, direction);
  if (next === undefined) return;
  const { currentTarget } = event;
  if (!(currentTarget instanceof Element)) return;
  currentTarget.querySelector<SVGElement>(`[data-key="${CSS.escape(next.node.id)}"]`)?.focus();
}
