import { homeAt } from '../../src/platform/home.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { type AppOptions, createApp } from '../../src/server/app.ts';
import { Hub } from '../../src/server/hub.ts';
import type { LogEntry } from '../../src/server/log.ts';
import { Metrics } from '../../src/server/metrics.ts';
import { listen, type Patience } from '../../src/server/serve.ts';
import { type StreamLimits, Streams } from '../../src/server/streams.ts';
import { addToken, TokenBook } from '../../src/server/tokens.ts';
import { freshDirectory } from '../support/kiln.ts';

export interface Served {
  readonly url: string;
  readonly home: ReturnType<typeof homeAt>;
  readonly ledger: Ledger;
  readonly streams: Streams;
  readonly hub: Hub;
  readonly metrics: Metrics;
  /** Every route that it answers at, as `GET /api/v1/jobs/:job`. */
  readonly routes: readonly string[];
  /** What it has said of itself. */
  readonly log: readonly LogEntry[];
  /** Authorization headers by role. */
  readonly bearer: Readonly<Record<'viewer' | 'builder' | 'publisher', string>>;
  close(): Promise<void>;
}

export interface ServeChanges {
  readonly root?: string;
  readonly limits?: Partial<StreamLimits>;
  readonly app?: Partial<AppOptions>;
  readonly patience?: Patience;
}

/** What `kiln serve` answers, for a home of its own; nothing runs the jobs. */
export async function serveApi(changes: ServeChanges = {}): Promise<Served> {
  const home = homeAt(changes.root ?? freshDirectory('api'));
  const ledger = Ledger.of(home);
  const metrics = new Metrics();
  const hub = new Hub(home, ledger, (event) => metrics.take(event));
  const over = new AbortController();
  const streams = new Streams(changes.limits);
  const log: LogEntry[] = [];
  const app = createApp({
    server: {
      home,
      ledger,
      hub,
      streams,
      metrics,
      workshop: { sandbox: 'auto', ccache: { use: 'off', size: '1G', remote: '' }, clean: false },
      sources: { mirrors: [], substitutes: new Map() },
      slots: 2,
      watching: true,
      version: '0.0.0',
      signal: over.signal,
    },
    tokens: new TokenBook(home),
    allowHosts: ['kiln.example.org'],
    log: (entry) => log.push(entry),
    ...changes.app,
  });
  const listening = await listen(app, { host: '127.0.0.1', port: 0 }, changes.patience);
  const running = hub.run();
  const bearer = async (role: 'viewer' | 'builder' | 'publisher') =>
    `Bearer ${(await addToken(home, role, role)).token}`;
  return {
    url: listening.url,
    home,
    ledger,
    streams,
    hub,
    metrics,
    routes: app.routes
      .filter(({ path }) => !path.includes('*'))
      .map(({ method, path }) => `${method} ${path}`),
    log,
    bearer: {
      viewer: await bearer('viewer'),
      builder: await bearer('builder'),
      publisher: await bearer('publisher'),
    },
    async close() {
      over.abort();
      hub.close();
      await listening.close();
      await running;
      ledger.close();
      const bug = log.find(({ event }) => event === 'bug');
      if (bug !== undefined) throw new Error(bug.message);
    },
  };
}
