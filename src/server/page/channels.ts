import { get } from './api.ts';
import { askWhy } from './ask.ts';
import { lineChart } from './charts.ts';
import { type Child, h, s } from './dom.ts';
import { age, bytes, change, duration, moment } from './format.ts';
import { empty, failure, listTable, loading } from './parts.ts';
import { changed, known } from './state.ts';
import type { BundleDifference, Channel, Generation, History } from './types.ts';

/** What nodes boot. */
export function channelList(): Child {
  const { channels } = known;
  if (!channels) return loading();
  return [
    h('h1', {}, 'Channels'),
    channels.length === 0
      ? empty(
          'No channels yet',
          'A channel is what nodes boot from; the first build that is published makes one.',
        )
      : h('ul', { class: 'channels' }, channels.map(channelCard)),
  ];
}

function channelCard(channel: Channel): HTMLElement {
  return h(
    'li',
    { class: 'card channel', 'data-key': channel.name },
    h('a', { href: `#/channels/${encodeURIComponent(channel.name)}`, class: 'channel-name' }, channel.name),
    h(
      'span',
      { class: 'generation' },
      channel.generation === null ? 'nothing yet' : `generation ${channel.generation}`,
    ),
    h('code', {}, channel.bundle ?? ''),
    h(
      'span',
      { class: 'quiet', title: channel.since === null ? undefined : moment(channel.since) },
      age(channel.since),
    ),
    channel.target === null && channel.generation !== null
      ? h('span', { class: 'mini failed' }, 'its link is missing')
      : null,
    channel.pin === null
      ? null
      : h('span', { class: 'mini waiting', title: channel.pin.reason }, `pinned by ${channel.pin.by}`),
  );
}

interface Loaded {
  readonly flips: number;
  readonly history: History | Error;
}

const histories = new Map<string, Loaded>();
const reading = new Set<string>();
const chosen = { from: 0, to: 0, channel: '' };
const diffs = new Map<string, BundleDifference | Error | 'asked'>();

function historyOf(name: string): History | Error | undefined {
  const loaded = histories.get(name);
  if (loaded?.flips !== known.flips && !reading.has(name)) {
    reading.add(name);
    const { flips } = known;
    void get<History>(`/channels/${encodeURIComponent(name)}/history?limit=200`)
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))))
      .then((history) => histories.set(name, { flips, history }))
      .finally(() => {
        reading.delete(name);
        changed();
      });
  }
  return loaded?.history;
}

/** One channel: its generations on a time line, what differs between them, and the way back. */
export function channelPage(name: string): Child {
  const channel = known.channels?.find((one) => one.name === name);
  if (known.channels !== undefined && channel === undefined) {
    return empty(`There is no channel ${name}`, 'It is made when something is published to it.');
  }
  const history = historyOf(name);
  if (channel === undefined || history === undefined) return loading();
  if (history instanceof Error) return failure(history);
  const { generations } = history;
  if (chosen.channel !== name || !generations.some(({ generation }) => generation === chosen.to)) {
    chosen.channel = name;
    chosen.to = channel.generation ?? 0;
    chosen.from = generations.find(({ generation }) => generation < chosen.to)?.generation ?? chosen.to;
  }
  return [
    h(
      'div',
      { class: 'head' },
      h('h1', {}, name),
      h('span', { class: 'generation' }, `generation ${channel.generation ?? '–'}`),
      h('code', { class: 'grow' }, channel.bundle ?? ''),
      channelButtons(channel),
    ),
    channel.pin === null
      ? null
      : h(
          'p',
          { class: 'band' },
          `Pinned by ${channel.pin.by} ${age(channel.pin.at)}: ${channel.pin.reason}`,
        ),
    followers(channel),
    h(
      'section',
      { class: 'card' },
      h('h2', {}, 'Time line'),
      h(
        'div',
        { class: 'scroll newest', tabindex: 0, role: 'region', 'aria-label': 'Time line' },
        timeLine(history, channel.generation),
      ),
    ),
    h('section', {}, h('h2', {}, 'Generations'), generationTable(channel, generations)),
    diffSection(generations),
    generations.length < 2 ? null : h('section', { class: 'pair' }, charts(generations)),
  ];
}

function pathOf(name: string): string {
  return `/channels/${encodeURIComponent(name)}`;
}

function channelButtons(channel: Channel): Child {
  const { name, bundle } = channel;
  const button = (label: string, onclick: () => void) => h('button', { type: 'button', onclick }, label);
  return h(
    'div',
    { class: 'buttons' },
    channel.pin === null
      ? button('Pin', () =>
          askWhy({
            title: `Pin ${name}`,
            text: 'It refuses to flip, whoever asks, until it is unpinned.',
            confirm: 'Pin it',
            path: `${pathOf(name)}/pin`,
            body: {},
          }),
        )
      : button('Unpin', () =>
          askWhy({
            title: `Unpin ${name}`,
            text: 'Builds that are published and rollbacks flip it again.',
            confirm: 'Unpin it',
            path: `${pathOf(name)}/unpin`,
            body: {},
          }),
        ),
    bundle === null
      ? null
      : button('Promote', () =>
          askWhy({
            title: `Promote what ${name} has`,
            text: [
              'Another channel gets ',
              h('code', {}, bundle),
              ' too. It is verified first; nothing is built.',
            ],
            confirm: 'Promote it',
            other: known.channels?.map((one) => one.name).filter((one) => one !== name) ?? [],
            path: (to) => `${pathOf(to)}/promote`,
            body: { from: name },
          }),
        ),
  );
}

/** Nodes that boot this channel whatever the others boot. */
function followers({ name }: Channel): Child {
  const nodes = known.canaries?.filter((one) => one.channel === name) ?? [];
  if (nodes.length === 0) return null;
  return h(
    'p',
    { class: 'quiet' },
    nodes.length === 1 ? 'A node follows it: ' : `${nodes.length} nodes follow it: `,
    nodes.map(({ mac, by, at, reason }, index) => [
      index === 0 ? '' : ', ',
      h('code', { title: `${by}, ${age(at)}: ${reason}` }, mac),
    ]),
  );
}

/** Generations as they came, the present one filled, rollbacks as arcs back. */
function timeLine({ generations, flips }: History, current: number | null): SVGElement {
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

function generationTable(channel: Channel, generations: readonly Generation[]): HTMLElement {
  const choose = (which: 'from' | 'to', { generation }: Generation) =>
    h('input', {
      type: 'radio',
      name: which,
      checked: chosen[which] === generation,
      'aria-label': `Compare ${which} generation ${generation}`,
      onchange: () => {
        chosen[which] = generation;
        changed();
      },
    });
  return listTable(
    ['#', 'Bundle', 'When', 'By', 'Why', 'From', 'To', ''],
    generations.map((one) => {
      const back = one.generation < (channel.generation ?? 0);
      return h(
        'tr',
        {
          'data-key': `g${one.generation}`,
          class: one.generation === channel.generation ? 'current' : '',
        },
        h('th', { scope: 'row', class: 'number' }, one.generation),
        h('td', { class: 'wide' }, h('code', {}, one.bundle)),
        h('td', { title: moment(one.at) }, age(one.at)),
        h('td', {}, one.by),
        h('td', { class: 'wide' }, one.reason),
        h('td', { class: 'middle' }, choose('from', one)),
        h('td', { class: 'middle' }, choose('to', one)),
        h(
          'td',
          { class: 'buttons' },
          one.generation === channel.generation
            ? h('span', { class: 'mini published' }, 'nodes boot this')
            : h(
                'button',
                {
                  type: 'button',
                  class: 'small',
                  onclick: () => askReason(channel, one),
                  'aria-label': `${back ? 'Roll back' : 'Go forward'} to generation ${one.generation}`,
                },
                back ? 'Roll back' : 'Go forward',
              ),
        ),
      );
    }),
  );
}

/** The second click: with a reason, for the history. */
function askReason(channel: Channel, { generation, bundle }: Generation): void {
  askWhy({
    title: `${channel.name} to generation ${generation}`,
    text: [
      'Nodes that start from now on boot ',
      h('code', {}, bundle),
      '. It is verified first; nothing is built.',
    ],
    confirm: 'Point nodes there',
    path: `${pathOf(channel.name)}/rollback`,
    body: { to: generation },
  });
}

function diffSection(generations: readonly Generation[]): Child {
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

function charts(generations: readonly Generation[]): Child {
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
