import type { AddressInfo } from 'node:net';
import type { HttpBindings } from '@hono/node-server';
import { serve } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { KilnError } from '../platform/errors.ts';

/** Where to listen. */
export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** A server that answers. */
export interface Listening {
  /** With the port that it got where 0 was asked for. */
  readonly url: string;
  close(): Promise<void>;
}

/** Parses `HOST:PORT`, `[::1]:PORT` or `PORT`. @throws KilnError `usage` */
export function parseListen(text: string): Listen {
  const match = /^(?:(\[[0-9a-f:.]+\]|[^:[\]]+):)?(\d{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65535) {
    throw new KilnError('usage', `--listen ${text}: expected HOST:PORT`, {
      hint: 'e.g. --listen 127.0.0.1:8420',
    });
  }
  return { host: (match[1] ?? '127.0.0.1').replace(/^\[|\]$/g, ''), port };
}

/** An application of Hono's. */
export interface Answers {
  fetch(request: Request, bindings: HttpBindings): Response | Promise<Response>;
}

export interface Patience {
  /** How long the head of a request may take to arrive. */
  readonly headMs: number;
  /** How long a connection may be silent: a client that takes nothing of what it asked for is given up. */
  readonly silentMs: number;
}

const PATIENCE: Patience = { headMs: 10_000, silentMs: 120_000 };

/**
 * Answers HTTP requests with an application until it is closed.
 * @throws KilnError `locked` when somebody else listens there, `usage` when there is no such address
 */
export async function listen(
  app: Answers,
  { host, port }: Listen,
  { headMs, silentMs }: Patience = PATIENCE,
): Promise<Listening> {
  const server = serve({
    async fetch(request, bindings) {
      const { outgoing } = bindings as HttpBindings;
      const response = await app.fetch(request, bindings as HttpBindings);
      return outgoing.headersSent ? RESPONSE_ALREADY_SENT : response;
    },
    hostname: host,
    port,
    serverOptions: {
      headersTimeout: headMs,
      connectionsCheckingInterval: Math.min(headMs, 5000),
      maxHeaderSize: 16 * 1024,
    },
  });
  if ('maxConnections' in server) server.maxConnections = 2000;
  server.setTimeout(silentMs);
  await new Promise<void>((done, fail) => {
    server.once('listening', done);
    server.once('error', (error: NodeJS.ErrnoException) => fail(explain(error, host, port)));
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        // A client that keeps a connection open keeps nobody from leaving.
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): unknown {
  if (error.code === 'EADDRINUSE') {
    return new KilnError('locked', `somebody listens on ${host}:${port} already`, {
      hint: 'choose another port with --listen HOST:PORT',
    });
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND' || error.code === 'EACCES') {
    return new KilnError('usage', `${host}:${port} can't be listened on: ${error.message}`, {
      hint: 'give an address of this machine with --listen HOST:PORT',
    });
  }
  return error;
}
