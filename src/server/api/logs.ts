import { z } from '@hono/zod-openapi';
import { isSettled } from '../../queue/job.ts';
import type { ApiContext } from '../environment.ts';
import { followFile, sendFile, sizeOf } from '../files.ts';
import { isFinishedLog, logsOfJob } from '../logs.ts';
import { HttpError, notFound } from '../problem.ts';
import { type Api, name } from './route.ts';
import { jobId, listOf } from './schemas.ts';
import type { Server } from './server.ts';

const HEADERS = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' };

/** A look at the log at least this often, whatever tells of changes to it. */
const LOOK_EVERY_MS = 500;

export function logRoutes(api: Api, server: Server): void {
  api.route(
    {
      method: 'get',
      path: '/jobs/{job}/logs',
      summary: 'The logs that a job has so far, one for each variant',
      tag: 'logs',
      role: 'viewer',
      params: { job: jobId },
      answers: z.object({
        logs: listOf(z.object({ variant: z.string(), bytes: z.int(), finished: z.boolean() })),
      }),
    },
    async ({ params }) => {
      const logs = await Promise.all(
        logsOf(server, params.job).map(async ({ variant, path }) => {
          const bytes = (await sizeOf(path)) ?? 0;
          return { variant, bytes, finished: bytes > 0 && (await isFinishedLog(path, bytes)) };
        }),
      );
      return { logs };
    },
  );
  api.route(
    {
      method: 'get',
      path: '/jobs/{job}/logs/{variant}',
      summary:
        "A variant's log, whole or a range of its bytes (Range); followed, with what is added to its end",
      tag: 'logs',
      role: 'viewer',
      params: { job: jobId, variant: name },
      query: {
        follow: z.enum(['0', '1']).default('0'),
        from: z.coerce
          .number()
          .int()
          .min(0)
          .default(0)
          .openapi({ description: 'with follow: the first byte' }),
      },
      media: 'text/plain',
    },
    async ({ params, query, context }) => {
      const path = logsOf(server, params.job).find(({ variant }) => variant === params.variant)?.path;
      const size = path === undefined ? undefined : await sizeOf(path);
      if (path === undefined || size === undefined) {
        throw notFound(`job ${params.job} has no log of ${params.variant}`);
      }
      if (query.follow === '0') return sendFile(context, path, size, HEADERS);
      if (query.from > size) {
        throw new HttpError(416, 'Not in the log', `the log has ${size} bytes`);
      }
      return follow(server, context, params.job, path, query.from);
    },
  );
}

function logsOf({ home, ledger }: Server, id: string) {
  const job = ledger.find(id);
  if (job === undefined) throw notFound(`there is no job ${id}`);
  return logsOfJob(home, ledger, job);
}

function follow(server: Server, context: ApiContext, id: string, path: string, from: number): Response {
  const leave = server.streams.enter(context.env.incoming.socket.remoteAddress ?? '');
  const gone = new AbortController();
  context.env.outgoing.once('close', () => {
    leave();
    gone.abort();
  });
  const signal = AbortSignal.any([gone.signal, server.signal]);
  const body = followFile(path, from, async () => {
    const size = (await sizeOf(path)) ?? 0;
    const job = server.ledger.find(id);
    if (signal.aborted || job === undefined || isSettled(job) || (await isFinishedLog(path, size)))
      return false;
    await wait(LOOK_EVERY_MS, signal);
    return true;
  });
  return new Response(body, { headers: { ...HEADERS, 'X-Accel-Buffering': 'no' } });
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
