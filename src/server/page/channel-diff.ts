import { get } from './api.ts';
import { type Child, h } from './dom.ts';
import { change } from './format.ts';
import { empty, failure, loading } from './parts.ts';
import { changed } from './state.ts';
import type { BundleDifference, Generation } from './types.ts';

const diffs = new Map<string, BundleDifference | Error | 'asked'>();

/** What differs between the bundles of two generations; asked for once. */
export function diffSection(
  generations: readonly Generation[],
  chosen: { readonly from: number; readonly to: number },
): Child {
  const bundleOf = (number: number) => {
    const one = generations.find(({ generation }) => generation === number);
    return one === undefined ? undefined : `${one.recipe}/${one.variant}/${one.bundle}`;
  };
  const [from, to] = [bundleOf(chosen.from), bundleOf(chosen.to)];
  const title = h('h2', {}, `From generation ${chosen.from} to ${chosen.to}`);
  if (from === undefined || to === undefined || generations.length < 2) return null;
  if (from === to)
    return h(
      'section',
      {},
      title,
      empty('The same bundle', 'Choose two generations of different bundles in the table.'),
    );
  const key = `from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`;
  const diff = diffs.get(key);
  if (diff === undefined) {
    diffs.set(key, 'asked');
    void get<BundleDifference>(`/diff?${key}`)
      .then((one) => diffs.set(key, one))
      .catch((error: unknown) => diffs.set(key, error instanceof Error ? error : new Error(String(error))))
      .finally(changed);
  }
  const body =
    diff === undefined || diff === 'asked'
      ? loading()
      : diff instanceof Error
        ? failure(diff)
        : diffView(diff);
  return h('section', {}, title, h('div', { class: 'card' }, body));
}

function diffView({ inputs, toolchain, config, files, sections, modules }: BundleDifference): Child {
  const text = (value: string | number | null) => (value === null ? '–' : String(value));
  const size = (from: string | number | null, to: string | number | null) =>
    typeof from === 'number' && typeof to === 'number' ? change(from, to) : to === null ? 'gone' : 'new';
  const part = (name: string, rows: readonly Child[], open: boolean) =>
    rows.length === 0
      ? null
      : h(
          'details',
          { open, 'data-key': name },
          h('summary', {}, `${name} (${rows.length})`),
          h('div', { class: 'scroll' }, h('table', { class: 'list diff' }, h('tbody', {}, rows))),
        );
  const parts = [
    part(
      'Inputs',
      [...inputs, ...toolchain].map(({ name, from, to }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, name),
          h('td', { class: 'old' }, text(from)),
          h('td', { class: 'new' }, text(to)),
        ),
      ),
      true,
    ),
    part(
      'Configuration',
      config.map(({ symbol, from, to }) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row' }, symbol),
          h('td', { class: 'old' }, from ?? 'n'),
          h('td', { class: 'new' }, to ?? 'n'),
        ),
      ),
      config.length <= 30,
    ),
    part(
      'Files',
      files.map(({ name, from, to }) =>
        h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: 'number' }, size(from, to))),
      ),
      true,
    ),
    part(
      'Sections of the kernel',
      sections.map(({ name, from, to }) =>
        h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: 'number' }, size(from, to))),
      ),
      true,
    ),
    part(
      'Modules',
      modules.map(({ name, from, to }) =>
        h('tr', {}, h('th', { scope: 'row' }, name), h('td', { class: 'number' }, size(from, to))),
      ),
      modules.length <= 30,
    ),
  ].filter((one) => one !== null);
  return parts.length === 0 ? h('p', {}, 'No difference that is worth a word.') : parts;
}
