import { ApiError } from './api.ts';
import { type Child, h } from './dom.ts';
import { duration } from './format.ts';
import { known, type StepState } from './state.ts';
import type { Status } from './types.ts';

const MARKS: Readonly<Record<string, string>> = {
  published: '●',
  built: '◐',
  running: '◌',
  waiting: '○',
  failed: '✕',
  cancelled: '–',
  none: '·',
};

/** A status in a colour, a shape and a word. */
export function badge(status: Status | 'none'): HTMLElement {
  return h(
    'span',
    { class: `badge ${status}` },
    h('span', { class: 'mark', 'aria-hidden': 'true' }, MARKS[status] ?? '·'),
    status === 'none' ? 'never built' : status,
  );
}

/** A step's output is in the cache, or it has to run. */
export function badgeOf(status: 'hit' | 'miss'): HTMLElement {
  return h('span', { class: `mini ${status}` }, status);
}

const STEPS = ['fetch', 'tree', 'config', 'compile', 'initrd', 'bundle', 'gate', 'publish'];

/** The steps of one variant's build, those to come included. */
export function stepper(variant: string, steps: readonly StepState[]): HTMLElement {
  const progress = known.progress.get(variant);
  return h(
    'ol',
    { class: 'steps', 'aria-label': `Steps of ${variant}` },
    STEPS.map((name) => {
      const step = steps.find((one) => one.step === name);
      const status = step?.status ?? 'to-come';
      const detail = progress?.step === name && status === 'running' ? progress.text : (step?.detail ?? '');
      const time = step?.seconds === undefined ? '' : duration(step.seconds);
      return h(
        'li',
        { class: status, title: detail === '' ? undefined : detail },
        h('span', { class: 'step-name' }, name),
        h(
          'span',
          { class: 'step-time' },
          status === 'hit' ? 'cached' : status === 'to-come' ? '' : time || status,
        ),
      );
    }),
  );
}

/** What a running step says of itself. */
export function progressLine(variant: string): HTMLElement | null {
  const progress = known.progress.get(variant);
  return progress === undefined ? null : h('p', { class: 'progress' }, `${progress.step}: ${progress.text}`);
}

/**
 * A table of a list; on a phone each row stands as a block with its titles, which the roles keep a table for those
 * who listen to it.
 * @param titles of the columns; the empty one is of buttons
 */
export function listTable(titles: readonly string[], rows: readonly HTMLElement[]): HTMLElement {
  for (const row of rows) {
    row.setAttribute('role', 'row');
    for (const [index, cell] of [...row.children].entries()) {
      cell.setAttribute('role', cell.tagName === 'TH' ? 'rowheader' : 'cell');
      cell.setAttribute('data-title', titles[index] ?? '');
    }
  }
  const head = titles.map((title) => h('th', { scope: 'col', role: 'columnheader' }, title));
  return h(
    'table',
    { class: 'list stack', role: 'table' },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, head)),
    h('tbody', { role: 'rowgroup' }, rows),
  );
}

/** A designed nothing: what would be here, and how it comes about. */
export function empty(title: string, ...children: Child[]): HTMLElement {
  return h('div', { class: 'empty' }, h('p', { class: 'empty-title' }, title), h('p', {}, ...children));
}

export function loading(): HTMLElement {
  return h(
    'div',
    { class: 'loading', 'aria-busy': 'true' },
    h('span', { class: 'visually-hidden' }, 'Loading'),
  );
}

/** What went wrong, in the server's words. */
export function failure(error: unknown): HTMLElement {
  const hint = error instanceof ApiError ? error.hint : undefined;
  return h(
    'div',
    { class: 'failure', role: 'alert' },
    h('p', {}, error instanceof Error ? error.message : String(error)),
    hint === undefined ? null : h('p', { class: 'hint' }, hint),
  );
}

/** A button that does something over the network: off while it does, and says what went wrong. */
export function action(
  label: Child,
  attributes: Readonly<Record<string, string | undefined>>,
  run: () => Promise<void>,
): HTMLElement {
  const button = h('button', { type: 'button', ...attributes }, label) as HTMLButtonElement;
  button.onclick = () => {
    button.setAttribute('aria-disabled', 'true');
    void run()
      .catch((error: unknown) => complain(error))
      .finally(() => button.removeAttribute('aria-disabled'));
  };
  return button;
}

/** Shows an error above everything, for as long as it takes to read it. */
export function complain(error: unknown): void {
  const needsToken = error instanceof ApiError && (error.status === 401 || error.status === 403);
  const box = failure(error);
  if (needsToken) box.append(h('a', { href: '#/token' }, 'Give a token'));
  const close = h('button', { type: 'button', 'aria-label': 'Dismiss', onclick: () => box.remove() }, '✕');
  box.append(close);
  box.classList.add('toast');
  document.querySelector('#notice')?.append(box);
}
