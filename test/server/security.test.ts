import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { revokeToken } from '../../src/server/tokens.ts';
import { type Served, serveApi } from './serving.ts';

interface Operation {
  readonly method: string;
  readonly path: string;
  /** The scope of its bearer token; undefined for what is open to everybody. */
  readonly role: 'viewer' | 'builder' | 'publisher' | undefined;
}

interface OpenApi {
  paths: Record<
    string,
    Record<string, { security: Record<string, ('viewer' | 'builder' | 'publisher')[]>[] }>
  >;
}

let served: Served;
let operations: Operation[];
/** As the server's own list of routes writes them. */
let documented: string[];

beforeAll(async () => {
  served = await serveApi({ limits: { each: 3 } });
  const { paths } = (await (await fetch(`${served.url}/api/v1/openapi.json`)).json()) as OpenApi;
  documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) => `${method.toUpperCase()} /api/v1${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  );
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path: path.replace('{job}', 'j0123456789').replaceAll(/\{\w+\}/g, 'x'),
      role: security.map(({ bearer }) => bearer?.[0]).find((scope) => scope !== undefined),
    })),
  );
});
afterAll(() => served.close());

/** A request with the headers that it is told to have, Host included. */
async function ask(method: string, path: string, headers: Record<string, string> = {}): Promise<number> {
  const { hostname, port } = new URL(served.url);
  const request = httpRequest({ hostname, port, method, path: `/api/v1${path}`, headers });
  request.end();
  const [response] = (await once(request, 'response')) as [{ statusCode: number; destroy(): void }];
  response.destroy();
  return response.statusCode;
}

const RANKS = ['viewer', 'builder', 'publisher'] as const;

describe('every route of the OpenAPI document', () => {
  it('is there', () => expect(operations.length).toBeGreaterThan(20));

  it('is all that there is besides the page, which says nothing of the home', () => {
    const open = ['GET /', 'GET /page/:name', 'GET /metrics', 'GET /api/v1/openapi.json'];
    expect(served.routes.filter((route) => !documented.includes(route)).sort()).toEqual(open.sort());
    expect(documented.filter((route) => !served.routes.includes(route))).toEqual([]);
  });

  it('that changes something refuses who has no token, on the machine itself too', async () => {
    for (const { method, path } of operations.filter((one) => one.method !== 'GET')) {
      expect(await ask(method, path), `${method} ${path}`).toBe(401);
      expect(await ask(method, path, { authorization: 'Bearer kiln_00000000_guessed' }), path).toBe(401);
    }
  });

  it('refuses a token of a lesser role, and lets in that of its own and greater ones', async () => {
    for (const { method, path, role } of operations) {
      if (role === undefined) continue;
      for (const rank of RANKS) {
        const status = await ask(method, path, { authorization: served.bearer[rank] });
        const enough = RANKS.indexOf(rank) >= RANKS.indexOf(role);
        expect(status === 401 || status === 403, `${method} ${path} as ${rank}: ${status}`).toBe(!enough);
      }
    }
  });

  it('that only reads wants a token of who comes by way of a proxy, or by another name', async () => {
    for (const { method, path } of operations.filter(({ role }) => role === 'viewer')) {
      expect(await ask(method, path, { 'x-forwarded-for': '192.0.2.1' }), path).toBe(401);
      expect(await ask(method, path, { host: 'kiln.example.org' }), path).toBe(401);
    }
  });

  it('refuses names that are not its own: DNS rebinding', async () => {
    for (const { method, path } of operations) {
      const headers = { host: 'evil.example.com', authorization: served.bearer.publisher };
      expect(await ask(method, path, headers), path).toBe(421);
    }
  });

  it('refuses what pages of other sites ask', async () => {
    for (const { method, path } of operations) {
      const authorization = served.bearer.publisher;
      expect(await ask(method, path, { authorization, origin: 'https://evil.example.com' }), path).toBe(403);
      expect(await ask(method, path, { authorization, 'sec-fetch-site': 'cross-site' }), path).toBe(403);
      expect(await ask(method, path, { authorization, origin: 'null' }), path).toBe(403);
    }
  });
});

describe('a token', () => {
  it('that is revoked counts no more, at once', async () => {
    const other = await serveApi();
    const id = /kiln_([0-9a-f]{8})_/.exec(other.bearer.builder)?.[1] ?? '';
    const pause = () =>
      fetch(`${other.url}/api/v1/queue/pause`, {
        method: 'POST',
        headers: { authorization: other.bearer.builder },
      });
    expect((await pause()).status).toBe(200);
    await revokeToken(other.home, id);
    expect((await pause()).status).toBe(401);
    await other.close();
  });

  it('that is wrong is refused where none would be needed', async () => {
    expect(await ask('GET', '/jobs', { authorization: 'Bearer nonsense' })).toBe(401);
  });
});

describe('a body', () => {
  const post = (body: string, type = 'application/json') =>
    fetch(`${served.url}/api/v1/jobs`, {
      method: 'POST',
      headers: { authorization: served.bearer.builder, 'content-type': type },
      body,
    });

  it('that is too large is refused', async () => {
    expect((await post(JSON.stringify({ references: ['x'.repeat(70_000)] }))).status).toBe(413);
  });

  it('that is no JSON, or not what the route takes, is refused with what is wrong', async () => {
    expect((await post('{')).status).toBe(400);
    expect((await post('a=b', 'application/x-www-form-urlencoded')).status).toBe(415);
    const response = await post(JSON.stringify({ references: ['sample'], unknown: 1 }));
    expect(await response.json()).toMatchObject({ status: 400, detail: expect.stringContaining('unknown') });
  });

  it('that does not come is not waited for', async () => {
    // A server of its own: what comes to the others may be late where the machine is busy.
    const other = await serveApi({ app: { bodyMs: 300 } });
    const socket = connect(Number(new URL(other.url).port), '127.0.0.1');
    socket.write(
      `POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${other.bearer.builder}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"ref',
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 408 /);
    socket.destroy();
    await other.close();
  });
});

/** Until a connection is over. One that is given up before all that came was read is reset: that is an end as well. */
async function over(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  await new Promise((done) => socket.resume().once('close', done));
}

describe('a client', () => {
  it('whose request does not come to an end is given up', async () => {
    const other = await serveApi({ patience: { headMs: 200, silentMs: 60_000 } });
    const socket = connect(Number(new URL(other.url).port), '127.0.0.1');
    socket.write('GET /api/v1/version HTTP/1.1\r\nHost: ');
    await over(socket);
    await other.close();
  });

  it('that takes nothing of what it asked for is given up', async () => {
    const other = await serveApi({ patience: { headMs: 5000, silentMs: 300 } });
    const socket = connect(Number(new URL(other.url).port), '127.0.0.1');
    socket.write('GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await over(socket);
    while (other.streams.open > 0) await new Promise(setImmediate);
    await other.close();
  });

  it('gets a few event streams and no more, until it gives one back', async () => {
    const open = async () => {
      const stop = new AbortController();
      const response = await fetch(`${served.url}/api/v1/events`, { signal: stop.signal });
      // Whoever forgets the response gives the stream back when there is no more room for it in memory.
      return { response, status: response.status, stop };
    };
    const streams = [await open(), await open(), await open()];
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await open()).status).toBe(429);
    streams[0]?.stop.abort();
    let status = 429;
    while (status === 429) ({ status } = await open());
    expect(status).toBe(200);
    for (const { stop } of streams) stop.abort();
  });
});
