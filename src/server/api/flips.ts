import { z } from '@hono/zod-openapi';
import { findBundle } from '../../bundle/index.ts';
import { digestOf } from '../../platform/digest.ts';
import { promote, publishBundle, readState, rollback } from '../../publish/index.ts';
import type { ApiContext } from '../environment.ts';
import type { TokenRecord } from '../tokens.ts';
import { knownChannel } from './known.ts';
import { IDEMPOTENCY_KEY, Keys, keyOf } from './once.ts';
import { type Api, name, nameOf } from './route.ts';
import { channelName, published, reason } from './schemas.ts';
import type { Server } from './server.ts';

const FORCE = z.boolean().default(false).openapi({ description: 'flip a pinned channel all the same' });

/** What points a channel somewhere else: publish, promote, rollback. */
export function flipRoutes(api: Api, { home, ledger }: Server): void {
  const keys = new Keys(ledger, 'flips');
  const common = {
    method: 'post',
    tag: 'channels',
    role: 'publisher',
    params: { channel: channelName },
    headers: IDEMPOTENCY_KEY,
    answers: published,
  } as const;

  /** A client whose answer was lost asks again: that must not roll back twice. */
  function once<T>(asked: Asked, action: () => Promise<T>): Promise<T> {
    const key = keyOf(asked.context);
    if (key === undefined) return action();
    const what = digestOf({ path: asked.context.req.path, body: asked.body });
    return keys.around(`${asked.who?.id ?? ''} ${key}`, what, action);
  }

  api.route(
    {
      ...common,
      path: '/channels/{channel}/publish',
      summary: 'Point a channel to a bundle, after verifying it',
      body: z.strictObject({ bundle: name, reason, force: FORCE }),
    },
    (asked) =>
      once(asked, async () => {
        const bundle = await findBundle(home, asked.body.bundle);
        return publishBundle(home, bundle, asked.params.channel, optionsOf(asked));
      }),
  );
  api.route(
    {
      ...common,
      path: '/channels/{channel}/promote',
      summary: 'Point a channel to what another one points to, without a rebuild',
      body: z.strictObject({
        from: channelName.openapi({ description: 'the channel that has it', example: 'lts/testing' }),
        reason,
        force: FORCE,
      }),
    },
    (asked) => once(asked, () => promote(home, asked.body.from, asked.params.channel, optionsOf(asked))),
  );
  api.route(
    {
      ...common,
      path: '/channels/{channel}/rollback',
      summary: 'Point a channel back, after verifying what it points back to',
      body: z.strictObject({
        to: z.int().min(1).optional().openapi({ description: 'a generation; by default the one before' }),
        reason,
        force: FORCE,
      }),
    },
    async (asked) => {
      const { channel } = asked.params;
      knownChannel(channel, await readState(home, channel));
      return once(asked, () => rollback(home, channel, asked.body.to, optionsOf(asked)));
    },
  );
}

interface Asked {
  readonly context: ApiContext;
  readonly body: { readonly reason: string; readonly force: boolean };
  readonly who: TokenRecord | undefined;
}

function optionsOf({ body, who }: Asked) {
  return { by: nameOf(who), reason: body.reason, force: body.force };
}
