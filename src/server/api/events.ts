import { ServerResponse } from 'node:http';
import { z } from '@hono/zod-openapi';
import type { ApiContext } from '../environment.ts';
import { Feed } from '../feed.ts';
import { EVERYWHERE } from '../headers.ts';
import { notFound } from '../problem.ts';
import type { Api } from './route.ts';
import { jobId } from './schemas.ts';
import type { Server } from './server.ts';

const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store',
  // Told to proxies that keep responses back (nginx).
  'X-Accel-Buffering': 'no',
};

const LAST_EVENT_ID = { 'last-event-id': z.string().optional() };
const AFTER = {
  after: z.coerce.number().int().min(0).optional().openapi({
    description:
      'the cursor after which to begin; by default now, and the Last-Event-ID of who comes back counts more',
  }),
};

/** Event streams (WHATWG HTML, 9.2): what happens to all jobs and channels, and to one job. */
export function eventRoutes(api: Api, server: Server): void {
  const feed = new Feed(server.hub, server.signal);
  const common = { method: 'get', tag: 'events', role: 'viewer', media: 'text/event-stream' } as const;
  api.route(
    {
      ...common,
      path: '/events',
      summary: 'What happens, as it happens',
      query: AFTER,
      headers: LAST_EVENT_ID,
    },
    ({ context, query }) => stream(server, feed, context, placeOf(context, query.after) ?? server.hub.cursor),
  );
  api.route(
    {
      ...common,
      path: '/jobs/{job}/events',
      summary: 'What happened and happens to one job, to its end',
      params: { job: jobId },
      query: AFTER,
      headers: LAST_EVENT_ID,
    },
    ({ context, params, query }) => {
      if (server.ledger.find(params.job) === undefined) throw notFound(`there is no job ${params.job}`);
      return stream(server, feed, context, placeOf(context, query.after) ?? 0, params.job);
    },
  );
}

function placeOf(context: ApiContext, after: number | undefined): number | undefined {
  const last = context.req.header('last-event-id');
  return last !== undefined && /^\d{1,15}$/.test(last) ? Number(last) : after;
}

/** Answers with a stream that goes out past Hono: hundreds listen, and a stream of its own for each costs too much. */
function stream(server: Server, feed: Feed, context: ApiContext, after: number, job?: string): Response {
  if (context.req.method === 'HEAD') return new Response(null, { headers: HEADERS });
  const { incoming, outgoing } = context.env;
  if (!(outgoing instanceof ServerResponse)) throw new Error('an event stream goes over HTTP/1');
  const leave = server.streams.enter(incoming.socket.remoteAddress ?? '');
  outgoing.once('close', leave);
  // Its end is that of the connection: nothing is written around each piece.
  outgoing.useChunkedEncodingByDefault = false;
  outgoing.writeHead(200, { ...EVERYWHERE, ...HEADERS });
  feed.open(outgoing, after, job);
  // serve.ts sees that it was answered already.
  return new Response(null);
}
