import { z } from '@hono/zod-openapi';
import { KilnError } from '../../platform/errors.ts';
import { readlinkIfAny } from '../../platform/files.ts';
import type { Home } from '../../platform/home.ts';
import {
  bundleOf,
  type ChannelState,
  type Generation,
  linkPath,
  listStates,
  readChannel,
  readState,
} from '../../publish/index.ts';
import { secondsByBundle, sizesOf } from './bundles.ts';
import { flipRoutes } from './flips.ts';
import { holdRoutes } from './holds.ts';
import { knownChannel } from './known.ts';
import { type Api, PAGE, pageOf } from './route.ts';
import { channel, channelName, flip, generation, listOf } from './schemas.ts';
import type { Server } from './server.ts';

export function channelRoutes(api: Api, server: Server): void {
  const { home, hub } = server;
  const tag = 'channels';
  api.route(
    {
      method: 'get',
      path: '/channels',
      kept: true,
      summary: 'What each channel points to',
      tag,
      role: 'viewer',
      query: PAGE,
      answers: z.object({ channels: listOf(channel), next: z.string().nullable() }),
    },
    async ({ query }) => {
      const { items, next } = pageOf(
        await hub.kept.get('states of channels', () => listStates(home)),
        (state) => state.name,
        query,
      );
      return { channels: await Promise.all(items.map((state) => describe(home, state))), next };
    },
  );
  api.route(
    {
      method: 'get',
      path: '/channels/{channel}',
      kept: true,
      summary: 'What one channel points to',
      tag,
      role: 'viewer',
      params: { channel: channelName },
      answers: channel,
    },
    async ({ params }) => describe(home, knownChannel(params.channel, await readState(home, params.channel))),
  );
  api.route(
    {
      method: 'get',
      path: '/channels/{channel}/history',
      kept: true,
      summary: "A channel's generations, the newest first, and the flips to and from them",
      tag,
      role: 'viewer',
      params: { channel: channelName },
      query: PAGE,
      answers: z.object({
        generations: listOf(generation),
        flips: listOf(flip),
        next: z.string().nullable(),
      }),
    },
    async ({ params, query }) => {
      const record = knownChannel(params.channel, await readChannel(home, params.channel));
      const newest = record.generations.toReversed();
      const { items, next } = pageOf(newest, (one) => String(one.generation), query);
      const seconds = secondsByBundle(hub.jobs());
      const shown = new Set(items.map((one) => one.generation));
      return {
        generations: await Promise.all(items.map((one) => describeGeneration(home, one, seconds))),
        flips: record.flips.filter(({ from, to }) => shown.has(to) || (from !== null && shown.has(from))),
        next,
      };
    },
  );
  flipRoutes(api, server);
  holdRoutes(api, server);
}

async function describe(home: Home, state: ChannelState): Promise<z.input<typeof channel>> {
  return {
    name: state.name,
    generation: state.current?.generation ?? null,
    bundle: state.current?.bundle ?? null,
    target: (await readlinkIfAny(linkPath(home, state.name))) ?? null,
    since: state.moved?.at ?? null,
    generations: state.latest,
    pin: state.pin ?? null,
  };
}

async function describeGeneration(
  home: Home,
  one: Generation,
  seconds: ReadonlyMap<string, number>,
): Promise<z.input<typeof generation>> {
  const { file: _file, ...shown } = one;
  return { ...shown, sizes: await sizesIfAny(home, one), seconds: seconds.get(one.bundle) ?? null };
}

async function sizesIfAny(home: Home, one: Generation) {
  try {
    return sizesOf((await bundleOf(home, one)).manifest);
  } catch (error) {
    // Gone, or damaged: kiln verify tells.
    if (error instanceof KilnError) return null;
    throw error;
  }
}
