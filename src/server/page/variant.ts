import { get, send } from './api.ts';
import { type Child, h, s } from './dom.ts';
import { age, bytes, moment } from './format.ts';
import { action, badge, failure, listTable, loading } from './parts.ts';
import { changed, known } from './state.ts';
import type { Job, Plan, PlannedStep } from './types.ts';

const plans = new Map<string, Plan | Error | 'asked'>();

/** A plan says what is there now: it is made anew each time somebody looks. */
export function forgetPlans(): void {
  plans.clear();
}

function planOf(reference: string): Plan | Error | undefined {
  const plan = plans.get(reference);
  if (plan === 'asked') return undefined;
  if (plan !== undefined) return plan;
  plans.set(reference, 'asked');
  void get<{ plans: Plan[] }>(`/plans?reference=${encodeURIComponent(reference)}`)
    .then(({ plans: [one] }) => plans.set(reference, one ?? new Error('there is no plan')))
    .catch((error: unknown) =>
      plans.set(reference, error instanceof Error ? error : new Error(String(error))),
    )
    .finally(changed);
  return undefined;
}

/** One variant: what there is of it, and what a build would do. */
export function variantPage(reference: string): Child {
  const { recipes, cells } = known;
  if (!recipes || !cells) return loading();
  const [recipeName = '', name = ''] = reference.split(':');
  const variant = recipes.find((one) => one.name === recipeName)?.variants.find((one) => one.name === name);
  const cell = cells.find((one) => one.recipe === recipeName && one.variant === name);
  const plan = planOf(reference);
  const sizes = cell?.sizes;
  return [
    h(
      'div',
      { class: 'head' },
      h('h1', {}, reference),
      badge(cell?.status ?? 'none'),
      h('span', { class: 'quiet grow' }, variant?.description ?? ''),
      action('Build', { class: 'primary' }, async () => {
        const { jobs } = await send<{ jobs: Job[] }>('POST', '/jobs', { references: [reference] });
        location.hash = `#/jobs/${jobs[0]?.id ?? ''}`;
      }),
    ),
    h(
      'dl',
      { class: 'facts card' },
      fact('Newest bundle', cell?.bundle ?? 'none yet'),
      cell?.last
        ? fact('Last build', [
            `${cell.last.status} `,
            h(
              'span',
              { title: moment(cell.last.at) },
              cell.last.job === null
                ? age(cell.last.at)
                : h('a', { href: `#/jobs/${cell.last.job}/${name}` }, age(cell.last.at)),
            ),
          ])
        : null,
      sizes
        ? fact(
            'vmlinuz, initrd, modules',
            `${bytes(sizes.vmlinuz)}, ${bytes(sizes.initrd)}, ${bytes(sizes.modules)}`,
          )
        : null,
      cell?.bundle ? fact('Boot gate', cell.booted ? 'booted in QEMU' : 'not booted') : null,
      variant === undefined
        ? null
        : fact(
            'Channel',
            h('a', { href: `#/channels/${encodeURIComponent(variant.channel)}` }, variant.channel),
          ),
    ),
    h(
      'section',
      {},
      h('h2', {}, 'Plan'),
      plan === undefined ? loading() : plan instanceof Error ? failure(plan) : planView(plan),
    ),
  ];
}

function fact(term: string, value: Child): Child {
  return h('div', {}, h('dt', {}, term), h('dd', {}, value));
}

const LABELS: Readonly<Record<string, string>> = {
  fetch: 'Sources are fetched and verified',
  tree: 'The tree is unpacked and patched',
  config: 'The configuration is merged and audited',
  compile: 'Kernel and modules are compiled',
  bundle: 'Initrd and images are made, gates are passed',
};

function planView({ steps, bundle }: Plan): Child {
  const misses = steps.filter(({ status }) => status === 'miss').length;
  return h(
    'div',
    { class: 'card' },
    h(
      'p',
      {},
      misses === 0
        ? 'Everything is there already: a build only publishes.'
        : `${misses} of ${steps.length} steps have to run.`,
      bundle === null ? '' : ` It makes ${bundle}.`,
    ),
    h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Graph of steps' }, graph(steps)),
    listTable(
      ['Step', 'Cache', 'Why'],
      steps.map((step) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, step.step),
          h('td', {}, h('span', { class: `mini ${step.status}` }, step.status)),
          h('td', { class: 'wide' }, step.status === 'hit' ? (LABELS[step.step] ?? '') : step.why),
        ),
      ),
    ),
  );
}

const BOX = { width: 118, height: 54, gap: 30 };

/** Steps from left to right, each after what it needs. */
function graph(steps: readonly PlannedStep[]): SVGElement {
  const width = steps.length * (BOX.width + BOX.gap) - BOX.gap + 4;
  return s(
    'svg',
    {
      class: 'plan',
      viewBox: `0 0 ${width} ${BOX.height + 4}`,
      width,
      height: BOX.height + 4,
      role: 'img',
      'aria-label': steps.map(({ step, status }) => `${step}: ${status}`).join(', '),
    },
    steps.map(({ step, status, key, why }, index) => {
      const x = 2 + index * (BOX.width + BOX.gap);
      const middle = BOX.height / 2 + 2;
      return s(
        'g',
        { class: status },
        s('title', {}, why === '' ? step : why),
        index === 0
          ? null
          : s('path', { class: 'edge', d: `M${x - BOX.gap + 2} ${middle}h${BOX.gap - 8}m-5 -4l5 4l-5 4` }),
        s('rect', { x, y: 2, width: BOX.width, height: BOX.height, rx: 8 }),
        s('text', { x: x + 12, y: 24, class: 'step' }, step),
        s('text', { x: x + 12, y: 43, class: 'tick' }, `${status} ${key?.slice(0, 8) ?? ''}`),
      );
    }),
  );
}
