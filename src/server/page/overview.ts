import { send } from './api.ts';
import { type Child, h } from './dom.ts';
import { age, bytes, moment } from './format.ts';
import { action, badge, empty, loading, progressLine, stepper } from './parts.ts';
import { known, stepsOf } from './state.ts';
import type { Cell, Job, Recipe } from './types.ts';

let filter = '';

/** What there is: counts, what is being built, and every recipe with its variants. */
export function overview(redraw: () => void): Child {
  const { recipes, cells, jobs, queue, channels } = known;
  if (!recipes || !cells || !jobs || !queue || !channels) return loading();
  const failed = cells.filter(({ status }) => status === 'failed').length;
  const running = jobs.filter(({ state }) => state === 'running');
  return [
    h('h1', { class: 'visually-hidden' }, 'Overview'),
    h(
      'section',
      { class: 'tiles', 'aria-label': 'In short' },
      tile(
        '#/builds',
        queue.running,
        'running',
        queue.slots === 0
          ? 'on other machines'
          : queue.slots === 1
            ? 'in the one slot'
            : `in ${queue.slots} slots`,
      ),
      tile('#/builds', queue.waiting, 'waiting', queue.paused ? 'the queue is paused' : ''),
      tile('#/', failed, failed === 1 ? 'variant fails' : 'variants fail', '', failed > 0),
      tile('#/channels', channels.length, channels.length === 1 ? 'channel' : 'channels', ''),
    ),
    running.length === 0 ? null : h('section', {}, h('h2', {}, 'Being built'), running.map(liveCard)),
    h(
      'section',
      {},
      h(
        'div',
        { class: 'head' },
        h('h2', {}, 'Recipes'),
        h('input', {
          type: 'search',
          value: filter,
          placeholder: 'Filter',
          'aria-label': 'Filter recipes and variants',
          oninput: (event) => {
            filter = (event.target as HTMLInputElement).value.toLowerCase();
            redraw();
          },
        }),
      ),
      inOrder(recipes, cells).map((recipe) => recipeCard(recipe, cells)),
    ),
  ];
}

function tile(href: string, count: number, what: string, more: string, bad = false): HTMLElement {
  return h(
    'a',
    { class: bad ? 'tile bad' : 'tile', href },
    h('span', { class: 'count' }, count),
    h('span', {}, what),
    h('span', { class: 'quiet' }, more),
  );
}

/** A job that runs: what each of its variants is at. */
export function liveCard(job: Job): HTMLElement {
  const steps = stepsOf(job.id);
  return h(
    'article',
    { class: 'card live', 'data-key': job.id },
    h(
      'div',
      { class: 'head' },
      h('h3', {}, h('a', { href: `#/jobs/${job.id}` }, job.recipe)),
      h(
        'span',
        { class: 'quiet grow' },
        job.cancelling === null ? `on ${job.worker ?? 'nobody'}` : 'is to stop',
      ),
      action('Cancel', { class: 'small', 'aria-label': `Cancel the build of ${job.recipe}` }, async () => {
        await send('POST', `/jobs/${job.id}/cancel`, {});
      }),
    ),
    job.variants
      .filter(({ status }) => status === 'running')
      .map(({ name }) => {
        const variant = `${job.recipe}:${name}`;
        return h(
          'div',
          { class: 'live-variant', 'data-key': variant },
          h('a', { href: `#/jobs/${job.id}/${name}` }, name),
          stepper(variant, steps.get(variant) ?? []),
          progressLine(variant),
        );
      }),
  );
}

/** What is in use first. */
function inOrder(recipes: readonly Recipe[], cells: readonly Cell[]): readonly Recipe[] {
  const used = new Set(cells.map(({ recipe }) => recipe));
  return [...recipes.filter(({ name }) => used.has(name)), ...recipes.filter(({ name }) => !used.has(name))];
}

function recipeCard(recipe: Recipe, cells: readonly Cell[]): HTMLElement | null {
  const wanted = recipe.variants.filter(({ name, description }) =>
    `${recipe.name}:${name} ${description}`.toLowerCase().includes(filter),
  );
  if (wanted.length === 0 && filter !== '') return null;
  const own = new Map(
    cells.filter((cell) => cell.recipe === recipe.name).map((cell) => [cell.variant, cell]),
  );
  const counts = Map.groupBy(own.values(), ({ status }) => status);
  return h(
    'details',
    { class: 'card recipe', 'data-key': recipe.name, open: own.size > 0 || filter !== '' },
    h(
      'summary',
      {},
      h('span', { class: 'recipe-name' }, recipe.name),
      h('span', { class: 'quiet grow' }, recipe.fault ?? recipe.description),
      h(
        'span',
        { class: 'counts' },
        [...counts].map(([status, some]) =>
          h('span', { class: `mini ${status}` }, `${some.length} ${status}`),
        ),
      ),
      h(
        'span',
        { class: 'quiet' },
        recipe.variants.length === 1 ? '1 variant' : `${recipe.variants.length} variants`,
      ),
    ),
    recipe.fault === null
      ? h(
          'p',
          { class: 'recipe-more' },
          h('a', { href: `#/plans/${encodeURIComponent(recipe.name)}` }, 'Plan of all variants'),
        )
      : h('p', { class: 'failure' }, recipe.fault),
    h(
      'ul',
      { class: 'matrix' },
      wanted.map((variant) => h('li', {}, variantCell(recipe, variant.name, own.get(variant.name)))),
    ),
  );
}

function variantCell(recipe: Recipe, variant: string, cell: Cell | undefined): HTMLElement {
  const sizes = cell?.sizes;
  return h(
    'a',
    {
      class: `cell ${cell?.status ?? 'none'}`,
      href: `#/variants/${encodeURIComponent(`${recipe.name}:${variant}`)}`,
    },
    h('span', { class: 'cell-name' }, variant),
    badge(cell?.status ?? 'none'),
    cell === undefined
      ? null
      : [
          lastOf(cell),
          sizes ? h('span', { class: 'quiet' }, bytes(sizes.vmlinuz + sizes.initrd)) : null,
          cell.bundle === null
            ? null
            : h('span', { class: cell.booted ? 'booted' : 'quiet' }, cell.booted ? 'booted' : 'not booted'),
        ],
  );
}

/** How the last build ended and when; where another one waits or runs, both. */
function lastOf({ status, last }: Cell): Child {
  if (last === null) return null;
  return h(
    'span',
    { class: 'quiet', title: moment(last.at) },
    last.status === status ? age(last.at) : `${last.status} ${age(last.at)}`,
  );
}

export function noJobs(): HTMLElement {
  return empty(
    'Nothing was built yet',
    'Choose a variant on the overview and press Build, or run ',
    h('code', {}, 'kiln queue add sample'),
    '.',
  );
}
