import { get } from './api.ts';
import { type Child, h } from './dom.ts';
import { age, due, moment } from './format.ts';
import { empty, failure, listTable, loading } from './parts.ts';
import { changed, known } from './state.ts';
import type { Watched, WatchedSource } from './types.ts';

/** What upstream has that is newer, and what came of it. */
export function watchPage(): Child {
  const { watch } = known;
  if (!watch) return loading();
  const { watching } = watch;
  const looked = watch.recipes.filter(({ sources, fault }) => sources.length > 0 || fault !== null);
  const others = watch.recipes.filter((one) => !looked.includes(one));
  return [
    h('div', { class: 'head' }, h('h1', {}, 'Watch'), h('span', { class: 'quiet' }, inShort(looked))),
    watching
      ? null
      : h(
          'p',
          { class: 'band' },
          'This server looks at nothing itself (--no-watch): shown is what ',
          h('code', {}, 'kiln watch'),
          ' has found.',
        ),
    looked.length > 0
      ? looked.toSorted((a, b) => weightOf(b) - weightOf(a)).map(recipeCard)
      : nothing(watching, others.length > 0),
    others.length === 0 ? null : editsAlone(others),
  ];
}

function nothing(watching: boolean, some: boolean): HTMLElement {
  const rule = [
    'Give a patch or the kernel of a recipe a ',
    h('code', {}, 'watch:'),
    ' rule, and its newer versions are found here.',
  ];
  if (some) return empty('No source has a watch rule', ...rule);
  return watching
    ? empty('Nothing was looked at yet', 'The first look comes within a minute of the start. ', ...rule)
    : empty(
        'Nobody looks',
        h('code', {}, 'kiln watch'),
        ' does, or this server without --no-watch. ',
        ...rule,
      );
}

function inShort(recipes: readonly Watched[]): string {
  const sources = recipes.flatMap((one) => one.sources);
  if (sources.length === 0) return '';
  const counts = Map.groupBy(sources, ({ status }) => status);
  const parts = [...counts].map(([status, some]) => `${some.length} ${WORDS[status].word}`);
  return `${sources.length === 1 ? '1 source' : `${sources.length} sources`}: ${parts.join(', ')}`;
}

type Status = WatchedSource['status'];

/** In a colour, a shape and words; what wants somebody to look has the greatest weight. */
const WORDS: Readonly<
  Record<Status, { word: string; style: string; mark: string; means: string; weight: number }>
> = {
  refused: {
    word: 'refused',
    style: 'failed',
    mark: '✕',
    means: 'other bytes under the name of which the digest is known: what is pinned stays in use',
    weight: 6,
  },
  'does-not-apply': {
    word: 'does not apply',
    style: 'failed',
    mark: '✕',
    means: 'newer, but the series does not apply with it',
    weight: 5,
  },
  unreachable: {
    word: 'out of reach',
    style: 'waiting',
    mark: '!',
    means: 'it could not be asked or fetched',
    weight: 4,
  },
  'no-match': {
    word: 'no match',
    style: 'waiting',
    mark: '?',
    means: "the rule finds no version in the recipe's own URLs",
    weight: 3,
  },
  untried: {
    word: 'newer, not tried',
    style: 'waiting',
    mark: '△',
    means: 'another source is needed to find out whether it applies, and could not be had',
    weight: 3,
  },
  newer: {
    word: 'newer, taken',
    style: 'running',
    mark: '▲',
    means: 'the series applies with it',
    weight: 2,
  },
  waiting: {
    word: 'not asked yet',
    style: 'none',
    mark: '○',
    means: 'it is not time',
    weight: 1,
  },
  current: { word: 'up to date', style: 'published', mark: '●', means: '', weight: 0 },
};

function weightOf({ fault, sources }: Watched): number {
  return Math.max(fault === null ? -1 : 7, ...sources.map(({ status }) => WORDS[status].weight));
}

function recipeCard(one: Watched): HTMLElement {
  const { recipe, policy, looked, fault, sources } = one;
  return h(
    'section',
    { class: 'card', 'data-key': recipe },
    h(
      'div',
      { class: 'head' },
      h('h2', {}, h('a', { href: `#/plans/${encodeURIComponent(recipe)}` }, recipe)),
      h(
        'span',
        { class: 'quiet grow', title: moment(looked) },
        `looked at ${age(looked)}${policy === null ? '' : `, policy ${policy}`}`,
      ),
    ),
    fault === null ? null : h('p', { class: 'failure' }, fault),
    sources.length === 0
      ? null
      : listTable(
          ['Source', 'State', 'Version', 'Newest', 'Looked at', 'Next look'],
          sources.map((source) => sourceRow(recipe, source)),
        ),
    sources.map((source) => report(source)),
    standing(one),
  );
}

function sourceRow(recipe: string, one: WatchedSource): HTMLElement {
  const { source, status, current, newest, looked, next, failures } = one;
  const { word, style, mark } = WORDS[status];
  return h(
    'tr',
    { 'data-key': `${recipe} ${source}` },
    h('th', { scope: 'row' }, source),
    h(
      'td',
      { class: 'wide' },
      h('span', { class: `badge ${style}` }, h('span', { class: 'mark', 'aria-hidden': 'true' }, mark), word),
    ),
    h('td', {}, current === null ? '' : h('code', {}, current)),
    h(
      'td',
      {},
      newest === null ? '' : h('code', { class: newest === current ? '' : 'newest-version' }, newest),
    ),
    h('td', { title: moment(looked) }, status === 'waiting' ? 'not yet' : age(looked)),
    h(
      'td',
      { class: 'wrap', title: next === null ? undefined : moment(next) },
      next === null ? 'when it is edited' : due(next),
      failures === 0
        ? null
        : h('div', { class: 'quiet' }, failures === 1 ? 'failed once' : `failed ${failures} times in a row`),
    ),
  );
}

/** What the last look at a source said, where it is more than that all is well. */
function report({ source, status, message, lines }: WatchedSource): Child {
  const { means } = WORDS[status];
  if (status === 'current' || status === 'waiting' || (means === '' && message === null)) return null;
  return h(
    'div',
    { class: `verdict ${WORDS[status].style}`, 'data-key': `report ${source}` },
    h('p', {}, h('strong', {}, `${source}: `), message ?? means),
    lines.length === 0
      ? null
      : h(
          'details',
          { 'data-key': `lines ${source}` },
          h('summary', {}, 'What kiln patch check says'),
          h('pre', { tabindex: 0 }, lines.join('\n')),
        ),
  );
}

/** What is built in the recipe's place, and what was last built because of it. */
function standing({ recipe, revision, change }: Watched): Child {
  return [
    change === null
      ? null
      : h(
          'p',
          { class: 'quiet' },
          h('span', { title: moment(change.found) }, `Changed ${age(change.found)}: `),
          `${change.because.join('; ')}. ${change.variants.join(', ')} `,
          change.job === null
            ? 'would be built anew; the policy queues nothing.'
            : ['built anew by ', h('a', { href: `#/jobs/${change.job}` }, change.job), '.'],
        ),
    revision === null ? null : revisionView(recipe, revision),
  ];
}

const diffs = new Map<string, string | Error | 'asked'>();

function revisionView(recipe: string, revision: number): HTMLElement {
  const key = `/watch/${encodeURIComponent(recipe)}/revisions/${revision}`;
  const diff = diffs.get(key);
  const ask = () => {
    if (diffs.has(key)) return;
    diffs.set(key, 'asked');
    void get<{ diff: string }>(key)
      .then((one) => diffs.set(key, one.diff))
      .catch((error: unknown) => diffs.set(key, error instanceof Error ? error : new Error(String(error))))
      .finally(changed);
  };
  return h(
    'details',
    { 'data-key': key },
    h('summary', { onclick: ask }, `Revision ${revision} is built in its place: how it differs`),
    diff === undefined || diff === 'asked'
      ? loading()
      : diff instanceof Error
        ? failure(diff)
        : h('pre', { tabindex: 0 }, diff),
  );
}

function editsAlone(recipes: readonly Watched[]): HTMLElement {
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Edits alone'),
    h(
      'p',
      { class: 'quiet' },
      'These have no watch rule; their variants are queued when a file of theirs is edited.',
    ),
    h(
      'ul',
      { class: 'inline-list' },
      recipes.map(({ recipe }) =>
        h('li', {}, h('a', { href: `#/plans/${encodeURIComponent(recipe)}` }, recipe)),
      ),
    ),
  );
}
