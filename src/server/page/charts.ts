import { h, s } from './dom.ts';

export interface Series {
  readonly name: string;
  /** A class of app.css that gives the colour. */
  readonly style: string;
  /** One for each of the labels; null where there is none. */
  readonly values: readonly (number | null)[];
}

export interface ChartOptions {
  /** A value stays until the next one. */
  readonly steps?: boolean;
  /** Values are bytes: round numbers are those of KiB and MiB. */
  readonly bytes?: boolean;
  /** Values are seconds: round numbers of minutes where there are any. */
  readonly seconds?: boolean;
  /** Values are counts. */
  readonly whole?: boolean;
  /** Labels are names of single things rather than points in time: each has a bar, and none is written below. */
  readonly bars?: boolean;
}

const HEIGHT = 190;
const LEFT = 66;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 26;

/** Lines over labels, drawn from zero, with a legend and the same as a table for those who can't see it. */
export function lineChart(
  title: string,
  labels: readonly string[],
  series: readonly Series[],
  spell: (value: number) => string,
  options: ChartOptions = {},
): HTMLElement {
  // Drawn at about the size that it is shown at, so that its letters keep theirs.
  const width = matchMedia('(max-width: 40rem)').matches ? 330 : 540;
  const highest = Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const unit =
    options.bytes === true && highest > 0
      ? 1024 ** Math.floor(Math.log2(highest) / 10)
      : options.seconds === true && highest >= 120
        ? 60
        : 1;
  const nice = niceTop(highest / unit) * unit;
  // The middle line is to be a whole number as well.
  const top = options.whole === true ? nice + (nice % 2) : nice;
  const x = (index: number) =>
    labels.length < 2
      ? (LEFT + width - RIGHT) / 2
      : LEFT + (index * (width - LEFT - RIGHT)) / (labels.length - 1);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const grid = [0, 0.5, 1].map((part) => {
    const at = y(part * top);
    return [
      s('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: at, y2: at }),
      s('text', { class: 'tick', x: LEFT - 8, y: at + 4, 'text-anchor': 'end' }, spell(part * top)),
    ];
  });
  const shown = options.bars === true ? new Set<number>() : labelsThatFit(labels, width);
  const anchor = (index: number) =>
    labels.length < 2 || (index > 0 && index < labels.length - 1) ? 'middle' : index === 0 ? 'start' : 'end';
  const names = labels.map((label, index) =>
    shown.has(index)
      ? s(
          'text',
          {
            class: 'tick',
            x: x(index),
            y: HEIGHT - 8,
            'text-anchor': anchor(index),
          },
          label,
        )
      : null,
  );
  const lines = series.map(({ name, style, values }) => {
    const points = values.flatMap((value, index) =>
      value === null ? [] : [{ x: x(index), y: y(value), value, index }],
    );
    if (options.bars === true) {
      const room = (width - LEFT - RIGHT) / labels.length;
      const bar = Math.min(40, Math.max(2, room - 3));
      const bars = points.map((point) =>
        s(
          'rect',
          {
            x: LEFT + (point.index + 0.5) * room - bar / 2,
            y: point.y,
            width: bar,
            height: Math.max(1, y(0) - point.y),
            rx: 2,
          },
          s('title', {}, `${labels[point.index]}: ${spell(point.value)}`),
        ),
      );
      return s('g', { class: `series ${style}` }, bars);
    }
    const path = points
      .map((point, index) => {
        const before = points[index - 1];
        if (before === undefined) return `M${point.x} ${point.y}`;
        return options.steps === true ? `H${point.x}V${point.y}` : `L${point.x} ${point.y}`;
      })
      .join('');
    const dots =
      points.length > 60 || options.steps === true
        ? []
        : points.map((point) =>
            s(
              'circle',
              { cx: point.x, cy: point.y, r: 3.5 },
              s('title', {}, `${name}, ${labels[point.index]}: ${spell(point.value)}`),
            ),
          );
    return s('g', { class: `series ${style}` }, s('path', { d: path }), dots);
  });
  const summary = series
    .map(({ name, values }) => {
      const last = values.findLast((value) => value !== null);
      return `${name}: ${last === undefined || last === null ? 'nothing' : spell(last)} now`;
    })
    .join('; ');
  return h(
    'figure',
    { class: 'chart' },
    h(
      'figcaption',
      {},
      h('span', { class: 'chart-title' }, title),
      series.length < 2
        ? null
        : h(
            'span',
            { class: 'legend' },
            series.map(({ name, style }) => h('span', { class: `key ${style}` }, name)),
          ),
    ),
    s(
      'svg',
      { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': `${title}. ${summary}` },
      grid,
      names,
      lines,
    ),
    h(
      'div',
      { class: 'visually-hidden' },
      h(
        'table',
        {},
        h('caption', {}, title),
        h(
          'tr',
          {},
          h('td', {}),
          series.map(({ name }) => h('th', { scope: 'col' }, name)),
        ),
        labels.map((label, index) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, label),
            series.map(({ values }) => {
              const value = values[index];
              return h('td', {}, value === null || value === undefined ? '' : spell(value));
            }),
          ),
        ),
      ),
    ),
  );
}

/** The first, the last and as many between as have room. */
function labelsThatFit(labels: readonly string[], width: number): ReadonlySet<number> {
  const widest = Math.max(1, ...labels.map((label) => label.length)) * 8 + 24;
  const every = Math.max(1, Math.ceil((labels.length * widest) / (width - LEFT)));
  const last = labels.length - 1;
  return new Set(
    labels
      .map((_, index) => index)
      .filter((index) => index === last || (index % every === 0 && last - index >= every)),
  );
}

/** The next of 1, 2, 4, 5, 8 times a power of ten. */
function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 8, 10].find((factor) => factor * power >= value) ?? 10) * power;
}
