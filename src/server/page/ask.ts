import { send } from './api.ts';
import { type Child, h } from './dom.ts';
import { complain } from './parts.ts';

export interface Question {
  readonly title: string;
  readonly text: Child;
  readonly confirm: string;
  readonly method?: 'POST' | 'PUT';
  /** Where it is sent; by what was named, where a name is asked for. */
  readonly path: string | ((name: string) => string);
  /** What is sent besides the reason. */
  readonly body: Readonly<Record<string, unknown>>;
  /** What is asked for besides the reason. */
  readonly name?: AskedName;
}

export interface AskedName {
  readonly label: string;
  /** Those that are there already. */
  readonly known: readonly string[];
  /** What it has to look like, as a regular expression, and in words. */
  readonly pattern?: string;
  readonly example?: string;
}

/** Asks for a reason, which goes into the history, and sends what was asked about with it. */
export function askWhy({ title, text, confirm, method, path, body, name }: Question): void {
  const input = (id: string, more = {}) =>
    h('input', { id, required: true, autocomplete: 'off', ...more }) as HTMLInputElement;
  const reason = input('reason', { maxlength: 500 });
  const named = name === undefined ? undefined : input('name', nameAttributes(name));
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'ask-title' },
    h(
      'form',
      {
        method: 'dialog',
        onsubmit: (event) => {
          event.preventDefault();
          const empty = [named, reason].find((one) => one?.value.trim() === '');
          if (empty !== undefined) return empty.focus();
          const to = typeof path === 'string' ? path : path(named?.value.trim() ?? '');
          void send(method ?? 'POST', to, { ...body, reason: reason.value.trim() })
            .catch(complain)
            .finally(() => dialog.close());
        },
      },
      h('h2', { id: 'ask-title' }, title),
      h('p', {}, text),
      named === undefined
        ? null
        : [
            h('label', { for: 'name' }, name?.label ?? ''),
            named,
            h(
              'datalist',
              { id: 'names' },
              name?.known.map((value) => h('option', { value })),
            ),
          ],
      h('label', { for: 'reason' }, 'Why'),
      reason,
      h(
        'div',
        { class: 'buttons' },
        h('button', { type: 'button', onclick: () => dialog.close() }, 'Leave it'),
        h('button', { type: 'submit', class: 'primary' }, confirm),
      ),
    ),
  ) as HTMLDialogElement;
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  (named ?? reason).focus();
}

function nameAttributes({ pattern, example }: AskedName) {
  return {
    maxlength: 200,
    list: 'names',
    ...(pattern === undefined ? {} : { pattern, title: `e.g. ${example}`, placeholder: example }),
  };
}
