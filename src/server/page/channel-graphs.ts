import { lineChart } from './charts.ts';
import { type Child, h, s } from './dom.ts';
import { age, bytes, duration, moment } from './format.ts';
import type { Generation, History } from './types.ts';

/** Generations as they came, the present one filled, rollbacks as arcs back. */
export function timeLine({ generations, flips }: History, current: number | null): SVGElement {
  const oldest = generations.toReversed();
  const step = 92;
  const width = Math.max(320, oldest.length * step + 20);
  const x = (generation: number) => 46 + oldest.findIndex((one) => one.generation === generation) * step;
  const back = flips.filter(({ from, to }) => from !== null && to < from && x(to) >= 46 && x(from) >= 46);
  return s(
    'svg',
    {
      class: 'time-line',
      width,
      height: 112,
      viewBox: `0 0 ${width} 112`,
      role: 'img',
      'aria-label': `${generations.length} generations, ${back.length} rollbacks; the present one is ${current ?? 'none'}`,
    },
    s('line', { class: 'axis', x1: 20, x2: width - 20, y1: 60, y2: 60 }),
    back.map(({ from, to, reason, by, at }) =>
      s(
        'path',
        { class: 'back', d: `M${x(from ?? 0)} 48C${x(from ?? 0)} 8 ${x(to)} 8 ${x(to)} 46m-4 -6l4 6l4 -6` },
        s('title', {}, `${moment(at)}: ${by}: ${reason}`),
      ),
    ),
    oldest.map(({ generation, at, by, reason, bundle }) =>
      s(
        'g',
        { class: generation === current ? 'point current' : 'point' },
        s('title', {}, `${bundle}\n${moment(at)}\n${by}: ${reason}`),
        s('circle', { cx: x(generation), cy: 60, r: generation === current ? 10 : 7 }),
        s('text', { x: x(generation), y: 88, 'text-anchor': 'middle', class: 'step' }, generation),
        s('text', { x: x(generation), y: 105, 'text-anchor': 'middle', class: 'tick' }, age(at)),
      ),
    ),
  );
}

/** Sizes and build times, generation by generation. */
export function generationCharts(generations: readonly Generation[]): Child {
  const oldest = generations.toReversed();
  const labels = oldest.map(({ generation }) => `#${generation}`);
  const of = (name: 'vmlinuz' | 'initrd' | 'modules') => oldest.map(({ sizes }) => sizes?.[name] ?? null);
  return [
    h(
      'div',
      { class: 'card' },
      lineChart(
        'Size by generation',
        labels,
        [
          { name: 'vmlinuz', style: 'one', values: of('vmlinuz') },
          { name: 'initrd', style: 'two', values: of('initrd') },
          { name: 'modules', style: 'three', values: of('modules') },
        ],
        bytes,
        { bytes: true },
      ),
    ),
    h(
      'div',
      { class: 'card' },
      lineChart(
        'Build time by generation',
        labels,
        [{ name: 'seconds', style: 'one', values: oldest.map(({ seconds }) => seconds) }],
        duration,
        { seconds: true },
      ),
    ),
  ];
}
