import { send } from './api.ts';
import { type Child, h } from './dom.ts';
import { complain } from './parts.ts';

export interface Question {
  readonly title: string;
  readonly text: Child;
  readonly confirm: string;
  /** Where it is sent; of the channel that was named where one is asked for. */
  readonly path: string | ((channel: string) => string);
  /** What is sent besides the reason. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Another channel is asked for, and these are there. */
  readonly other?: readonly string[];
}

/** Asks for a reason, which goes into the history, and sends what was asked about with it. */
export function askWhy({ title, text, confirm, path, body, other }: Question): void {
  const input = (id: string, more = {}) =>
    h('input', { id, required: true, autocomplete: 'off', ...more }) as HTMLInputElement;
  const reason = input('reason', { maxlength: 500 });
  const channel = other === undefined ? undefined : input('other', { maxlength: 200, list: 'others' });
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'ask-title' },
    h(
      'form',
      {
        method: 'dialog',
        onsubmit: (event) => {
          event.preventDefault();
          const empty = [channel, reason].find((one) => one?.value.trim() === '');
          if (empty !== undefined) return empty.focus();
          const to = typeof path === 'string' ? path : path(channel?.value.trim() ?? '');
          void send('POST', to, { ...body, reason: reason.value.trim() })
            .catch(complain)
            .finally(() => dialog.close());
        },
      },
      h('h2', { id: 'ask-title' }, title),
      h('p', {}, text),
      channel === undefined
        ? null
        : [
            h('label', { for: 'other' }, 'Channel'),
            channel,
            h(
              'datalist',
              { id: 'others' },
              other?.map((value) => h('option', { value })),
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
  (channel ?? reason).focus();
}
