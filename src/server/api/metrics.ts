import type { Home } from '../../platform/home.ts';
import { type ChannelState, listStates, readChannel } from '../../publish/index.ts';
import type { Gauge } from '../metrics.ts';
import type { Api } from './route.ts';
import type { Server } from './server.ts';

export function metricsRoutes(api: Api, server: Server): void {
  const counts = new FlipCounts();
  api.route(
    {
      method: 'get',
      path: '/metrics',
      summary: 'Counts and times for Prometheus (text format 0.0.4)',
      tag: 'server',
      role: 'viewer',
      media: 'text/plain',
    },
    async () =>
      new Response(server.metrics.text(await gauges(server, counts)), {
        headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8', 'Cache-Control': 'no-store' },
      }),
  );
}

/** What is so at this moment, and what the histories of channels have counted themselves. */
async function gauges(
  { home, ledger, hub, slots, streams, version }: Server,
  counts: FlipCounts,
): Promise<Gauge[]> {
  const jobs = hub.jobs();
  const inState = (wanted: string) => jobs.filter(({ state }) => state === wanted).length;
  const channels = await hub.kept.get('states of channels', () => listStates(home));
  const single = (name: string, help: string, value: number): Gauge => ({
    name,
    help,
    type: 'gauge',
    labels: [],
    samples: [{ labels: [], value }],
  });
  return [
    {
      name: 'kiln_info',
      help: 'Always 1; which Kiln this is',
      type: 'gauge',
      labels: ['version'],
      samples: [{ labels: [version], value: 1 }],
    },
    {
      name: 'kiln_queue_jobs',
      help: 'Jobs that wait or run',
      type: 'gauge',
      labels: ['state'],
      samples: ['waiting', 'running'].map((state) => ({ labels: [state], value: inState(state) })),
    },
    single('kiln_queue_paused', '1 while nothing is started', ledger.paused ? 1 : 0),
    single('kiln_slots', 'Jobs that are run here at once; 0 where other machines run them', slots),
    single('kiln_streams_open', 'Event streams and logs that somebody follows', streams.open),
    {
      name: 'kiln_channel_generation',
      help: 'The generation that nodes boot',
      type: 'gauge',
      labels: ['channel'],
      samples: channels.map(({ name, current }) => ({ labels: [name], value: current?.generation ?? 0 })),
    },
    {
      name: 'kiln_channel_flips_total',
      help: 'How often the channel was pointed somewhere, by whomever, ever',
      type: 'counter',
      labels: ['channel'],
      samples: await Promise.all(
        channels.map(async (state) => ({ labels: [state.name], value: await counts.flipsOf(home, state) })),
      ),
    },
  ];
}

/** How often channels were flipped: a history is read again only when there is more of it. */
class FlipCounts {
  readonly #known = new Map<string, { readonly moved: string; readonly count: number }>();

  async flipsOf(home: Home, { name, moved }: ChannelState): Promise<number> {
    const last = JSON.stringify(moved);
    const known = this.#known.get(name);
    if (known?.moved === last) return known.count;
    const count = (await readChannel(home, name))?.flips.length ?? 0;
    this.#known.set(name, { moved: last, count });
    return count;
  }
}
