import { send } from './api.ts';
import { type Child, h } from './dom.ts';
import { age, bytes, moment } from './format.ts';
import { action, badge, loading } from './parts.ts';
import { planSection } from './plan.ts';
import { known } from './state.ts';
import type { Job } from './types.ts';

/** One variant: what there is of it, and what a build would do. */
export function variantPage(reference: string): Child {
  const { recipes, cells } = known;
  if (!recipes || !cells) return loading();
  const [recipeName = '', name = ''] = reference.split(':');
  const variant = recipes.find((one) => one.name === recipeName)?.variants.find((one) => one.name === name);
  const cell = cells.find((one) => one.recipe === recipeName && one.variant === name);
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
    planSection(reference),
  ];
}

function fact(term: string, value: Child): Child {
  return h('div', {}, h('dt', {}, term), h('dd', {}, value));
}
