import { get, send } from './api.ts';
import { askWhy } from './ask.ts';
import { diffSection } from './channel-diff.ts';
import { generationCharts, timeLine } from './channel-graphs.ts';
import { type Child, h } from './dom.ts';
import { age, moment } from './format.ts';
import { action, empty, failure, listTable, loading } from './parts.ts';
import { changed, known } from './state.ts';
import type { Channel, Generation, History } from './types.ts';

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
    diffSection(generations, chosen),
    generations.length < 2 ? null : h('section', { class: 'pair' }, generationCharts(generations)),
  ];
}

function pathOf(name: string): string {
  return `/channels/${encodeURIComponent(name)}`;
}

/** As the API takes it; the attribute's flavour of regular expressions wants the hyphen escaped (HTML, 4.10.5.3.6). */
const MAC = '[0-9A-Fa-f]{2}([:\\-][0-9A-Fa-f]{2}){5}';

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
    button('Add a canary', () =>
      askWhy({
        title: `A canary for ${name}`,
        text: 'This node boots it from its next start on, whatever the others boot.',
        confirm: 'Let it go ahead',
        name: { label: 'MAC address', known: [], pattern: MAC, example: '52:54:00:12:34:56' },
        method: 'PUT',
        path: (mac) => `/canaries/${mac}`,
        body: { channel: name },
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
            name: {
              label: 'Channel',
              known: known.channels?.map((one) => one.name).filter((one) => one !== name) ?? [],
            },
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
    'section',
    {},
    h('h2', {}, 'Canaries'),
    listTable(
      ['Node', 'Since', 'By', 'Why', ''],
      nodes.map(({ mac, by, at, reason }) =>
        h(
          'tr',
          { 'data-key': mac },
          h('td', {}, h('code', {}, mac)),
          h('td', { title: moment(at) }, age(at)),
          h('td', {}, by),
          h('td', { class: 'wide' }, reason),
          h(
            'td',
            { class: 'buttons' },
            action('Remove', { class: 'small', 'aria-label': `Remove ${mac}` }, async () => {
              await send('DELETE', `/canaries/${mac}`);
            }),
          ),
        ),
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
