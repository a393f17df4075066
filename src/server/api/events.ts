import { z } from '@hono/zod-openapi';
import type { QueueEvent } from '../../queue/job.ts';
import type { Hub, LiveNews } from '../hub.ts';
import { notFound } from '../problem.ts';
import type { Api, ApiContext } from './route.ts';
import { jobId } from './schemas.ts';
import type { Server } from './server.ts';

/** How often a stream says that it is still there; clients and proxies give up on one that is silent. */
const HEARTBEAT_MS = 15_000;

const LAST_EVENT_ID = { 'last-event-id': z.string().optional() };
const AFTER = {
  after: z.coerce.number().int().min(0).optional().openapi({
    description:
      'the cursor after which to begin; by default now, and the Last-Event-ID of who comes back counts more',
  }),
};

/** Event streams (WHATWG HTML, 9.2): what happens to all jobs and channels, and to one job. */
export function eventRoutes(api: Api, server: Server): void {
  const common = { method: 'get', tag: 'events', role: 'viewer', media: 'text/event-stream' } as const;
  api.route(
    {
      ...common,
      path: '/events',
      summary: 'What happens, as it happens',
      query: AFTER,
      headers: LAST_EVENT_ID,
    },
    ({ context, query }) => stream(server, context, placeOf(context, query.after) ?? server.hub.cursor),
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
      return stream(server, context, placeOf(context, query.after) ?? 0, params.job);
    },
  );
}

function placeOf(context: ApiContext, after: number | undefined): number | undefined {
  const last = context.req.header('last-event-id');
  return last !== undefined && /^\d{1,15}$/.test(last) ? Number(last) : after;
}

function stream(server: Server, context: ApiContext, after: number, job?: string): Response {
  const leave = server.streams.enter(context.env.incoming.socket.remoteAddress ?? '');
  const gone = new AbortController();
  context.env.outgoing.once('close', () => {
    leave();
    gone.abort();
  });
  const listener = listen(server.hub, after, job, AbortSignal.any([gone.signal, server.signal]));
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await listener.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel() {
        gone.abort();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, {
    headers: {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      // Told to proxies that keep responses back (nginx).
      'X-Accel-Buffering': 'no',
    },
  });
}

/** The text of a stream, some events at a time, at the pace of who reads it. */
async function* listen(
  hub: Hub,
  after: number,
  job: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  let cursor = after;
  let live = hub.liveCount;
  yield `retry: 2000\n: kiln\n\n`;
  while (!signal.aborted) {
    const { moment } = hub;
    const events = hub.after(cursor);
    const news = hub.liveAfter(live);
    live = news.count;
    const text = [
      ...events.filter((event) => job === undefined || event.job === job).map(formatEvent),
      ...news.news
        .filter((one) => job === undefined || (one.type === 'progress' && one.job === job))
        .map(formatLive),
    ].join('');
    cursor = events.at(-1)?.cursor ?? cursor;
    if (text !== '') yield text;
    if (events.length > 0) continue;
    try {
      const since = performance.now();
      await hub.changed(moment, HEARTBEAT_MS, signal);
      if (performance.now() - since >= HEARTBEAT_MS - 5) yield ': still here\n\n';
    } catch (error) {
      if (!signal.aborted && !hub.closed) throw error;
      return;
    }
  }
}

function formatEvent(event: QueueEvent): string {
  return once(
    event,
    () => `id: ${event.cursor}\nevent: ${event.news.type}\ndata: ${JSON.stringify(event)}\n\n`,
  );
}

/** Without an id: who comes back has not missed it. */
function formatLive(news: LiveNews): string {
  return once(news, () => `event: ${news.type}\ndata: ${JSON.stringify(news)}\n\n`);
}

const formatted = new WeakMap<object, string>();

/** However many listen, the hub tells all of them of the same objects. */
function once(told: object, format: () => string): string {
  const known = formatted.get(told);
  if (known !== undefined) return known;
  const text = format();
  formatted.set(told, text);
  return text;
}
