import { Hono } from 'hono';
import { matchedRoutes } from 'hono/route';
import { aboutRoutes } from './api/about.ts';
import { bundleRoutes } from './api/bundles.ts';
import { channelRoutes } from './api/channels.ts';
import { eventRoutes } from './api/events.ts';
import { jobRoutes } from './api/jobs.ts';
import { logRoutes } from './api/logs.ts';
import { metricsRoutes } from './api/metrics.ts';
import { recipeRoutes } from './api/recipes.ts';
import { Api, json } from './api/route.ts';
import type { Server } from './api/server.ts';
import { watchRoutes } from './api/watch.ts';
import type { ApiEnvironment } from './environment.ts';
import { Guard, type GuardOptions } from './guard.ts';
import { EVERYWHERE } from './headers.ts';
import type { Log } from './log.ts';
import { pageRouter } from './page.ts';
import { HttpError, notFound, problemResponse, wrongMethod } from './problem.ts';

export const API_BASE = '/api/v1';

export interface AppOptions extends GuardOptions {
  readonly server: Server;
  /** What other machines that build fetch from, where there are any. */
  readonly store?: Hono | undefined;
  /** Told of every change that is asked for, and of errors that are bugs. */
  readonly log: Log;
}

export type App = Hono<ApiEnvironment>;

/** Everything that `kiln serve` answers. */
export function createApp(options: AppOptions): App {
  const { server, store, log } = options;
  const guard = new Guard(options);
  const api = new Api(API_BASE, guard, server.hub.kept);
  for (const add of [
    aboutRoutes,
    recipeRoutes,
    jobRoutes,
    eventRoutes,
    logRoutes,
    bundleRoutes,
    channelRoutes,
    metricsRoutes,
    watchRoutes,
  ]) {
    add(api, server);
  }
  const document = api.document(server.version);
  api.app.get('/openapi.json', (context) => json(context, document));
  api.app.all('*', (context) => {
    const { method, path } = context.req;
    const methods = api.methodsOf(path);
    if (methods.length > 0) throw wrongMethod(method, path, methods);
    throw notFound(`there is nothing at ${context.req.path}; ${API_BASE}/openapi.json says what there is`);
  });
  const app: App = new Hono();
  app.use('*', async (context, next) => {
    const { outgoing } = context.env;
    const from = outgoing.socket?.bytesWritten ?? 0;
    await next();
    const { headers } = context.res;
    for (const [name, value] of Object.entries(EVERYWHERE)) headers.set(name, value);
    const route = matchedRoutes(context).find(({ path }) => !path.includes('*'))?.path ?? 'none';
    const { method, path } = context.req;
    const { status } = context.res;
    server.metrics.answer(method, route, status, outgoing, from);
    if (method === 'GET' || method === 'HEAD' || path.startsWith('/store/')) return;
    server.hub.touch();
    const by = context.get('who')?.name ?? null;
    const message = `${method} ${path}: ${status}${by === null ? '' : `, by ${by}`}`;
    log({ level: 'info', event: 'request', message, fields: { method, path, status, by } });
  });
  // The store has a token of its own for everything, and workers may call it by any name.
  if (store !== undefined) app.route('/store', store);
  app.use('*', guard.middleware);
  app.route(API_BASE, api.app);
  // Where Prometheus looks unless it is told otherwise.
  app.get('/metrics', (context) => context.redirect(`${API_BASE}/metrics`, 308));
  app.route('/', pageRouter());
  app.onError((error) => {
    const known = problemResponse(error);
    if (known.status === 500 && !(error instanceof HttpError)) logBug(log, error);
    return known;
  });
  app.notFound((context) => problemResponse(notFound(`there is nothing at ${context.req.path}`)));
  return app;
}

function logBug(log: Log, error: unknown): void {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log({ level: 'error', event: 'bug', message: `kiln has a bug: ${stack}` });
}
