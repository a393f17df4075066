import { z } from '@hono/zod-openapi';
import {
  addCanaries,
  pinChannel,
  readCanaries,
  readState,
  removeCanaries,
  unpinChannel,
} from '../../publish/index.ts';
import { notFound } from '../problem.ts';
import { knownChannel } from './known.ts';
import { type Api, nameOf } from './route.ts';
import { canary, channelName, listOf, pin, reason } from './schemas.ts';
import type { Server } from './server.ts';

const mac = z
  .string()
  .regex(/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i, 'a MAC address')
  .openapi({ example: '52:54:00:12:34:56' });

/**
 * Channels that stay where they are, and nodes that go ahead. All of these say how something is to be: asked twice,
 * they do no more than once.
 */
export function holdRoutes(api: Api, server: Server): void {
  pinRoutes(api, server);
  canaryRoutes(api, server);
}

function pinRoutes(api: Api, { home }: Server): void {
  const common = {
    method: 'post',
    tag: 'channels',
    role: 'publisher',
    params: { channel: channelName },
  } as const;
  api.route(
    {
      ...common,
      path: '/channels/{channel}/pin',
      summary: 'Hold a channel where it is until it is unpinned; the pin that is there already counts',
      body: z.strictObject({ reason }),
      answers: z.object({ channel: z.string(), pin }),
    },
    async ({ params: { channel }, body, who }) => {
      knownChannel(channel, await readState(home, channel));
      return { channel, pin: await pinChannel(home, channel, { by: nameOf(who), reason: body.reason }) };
    },
  );
  api.route(
    {
      ...common,
      path: '/channels/{channel}/unpin',
      summary: 'Let a channel flip again',
      body: z.strictObject({ reason: reason.optional() }),
      answers: z.object({
        channel: z.string(),
        pinned: pin.nullable().openapi({ description: 'the pin that was there' }),
      }),
    },
    async ({ params: { channel }, body, who }) => {
      knownChannel(channel, await readState(home, channel));
      const why = body.reason === undefined ? {} : { reason: body.reason };
      return { channel, pinned: (await unpinChannel(home, channel, { by: nameOf(who), ...why })) ?? null };
    },
  );
}

function canaryRoutes(api: Api, { home }: Server): void {
  const one = { tag: 'channels', role: 'publisher', params: { mac }, answers: canary } as const;
  api.route(
    {
      method: 'get',
      path: '/canaries',
      kept: true,
      summary: 'The nodes that follow a channel of their own, whatever the others boot',
      tag: 'channels',
      role: 'viewer',
      answers: z.object({ nodes: listOf(canary) }),
    },
    async () => ({ nodes: await readCanaries(home) }),
  );
  api.route(
    {
      ...one,
      method: 'put',
      path: '/canaries/{mac}',
      summary: 'Let a node follow a channel from its next boot on',
      body: z.strictObject({ channel: channelName, reason }),
    },
    async ({ params, body, who }) => {
      const options = { by: nameOf(who), reason: body.reason };
      const [added] = await addCanaries(home, body.channel, [params.mac], options);
      if (added === undefined) throw new Error('a node was to be added');
      return added;
    },
  );
  api.route(
    {
      ...one,
      method: 'delete',
      path: '/canaries/{mac}',
      summary: 'Let a node boot what all others do again',
    },
    async ({ params, who }) => {
      const [removed] = await removeCanaries(home, [params.mac], { by: nameOf(who) });
      if (removed === undefined) throw notFound(`node ${params.mac} follows no channel of its own`);
      return removed;
    },
  );
}
