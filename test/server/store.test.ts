import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sha256 } from '../../src/platform/digest.ts';
import { DirectoryExchange } from '../../src/queue/exchange.ts';
import { HttpExchange } from '../../src/queue/httpExchange.ts';
import { type Listening, listen, parseListen } from '../../src/server/serve.ts';
import { storeRouter } from '../../src/server/store.ts';
import { freshDirectory } from '../support/kiln.ts';

const BYTES = randomBytes(300_000);
const DIGEST = sha256(BYTES);
const never = new AbortController().signal;

describe('the store', () => {
  let exchange: DirectoryExchange;
  let server: Listening;
  let client: HttpExchange;
  beforeEach(async () => {
    exchange = new DirectoryExchange(freshDirectory('exchange'));
    await exchange.prepare('1.2.3+abc');
    server = await serveStore();
    client = new HttpExchange(server.url, 'secret');
  });
  afterEach(() => server.close());

  /** @param silentMs by default so long that nobody is taken for silent because the machine is busy */
  const serveStore = (silentMs = 120_000) =>
    listen(new Hono().route('/store', storeRouter({ exchange, token: 'secret', silentMs })), {
      host: '127.0.0.1',
      port: 0,
    });
  const stored = () => {
    const path = exchange.pathOf(DIGEST);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, BYTES);
    return path;
  };
  const headers = { Authorization: 'Bearer secret' };

  it('tells its version to whoever bears the token, and nothing to others', async () => {
    expect(await client.version()).toBe('1.2.3+abc');
    await expect(new HttpExchange(server.url, 'guess').version()).rejects.toThrow(/does not know this token/);
    expect((await fetch(`${server.url}/store/files/${DIGEST}`)).status).toBe(401);
  });

  it('gives the range of a file that is asked for', async () => {
    stored();
    const answer = await fetch(`${server.url}/store/files/${DIGEST}`, {
      headers: { ...headers, Range: 'bytes=1000-1999' },
    });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe('bytes 1000-1999/300000');
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(BYTES.subarray(1000, 2000));
    const beyond = await fetch(`${server.url}/store/files/${DIGEST}`, {
      headers: { ...headers, Range: 'bytes=300000-' },
    });
    expect(beyond.status).toBe(416);
  });

  it('goes on with a file where the transfer to a worker was cut off', async () => {
    const path = join(freshDirectory('worker'), 'file');
    const directory = dirname(path);
    const asked: (string | undefined)[] = [];
    const flaky = createServer(({ headers: { range } }, response) => {
      asked.push(range);
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
      response.writeHead(from === 0 ? 200 : 206);
      if (from > 0) response.end(BYTES.subarray(from));
      else {
        response.write(BYTES.subarray(0, 123_456));
        // What is still on its way when a connection breaks is lost with it: it breaks when all of this has arrived.
        const arrived = () => readdirSync(directory).map((name) => statSync(join(directory, name)).size);
        void vi
          .waitFor(() => expect(arrived()).toEqual([123_456]), { timeout: 30_000, interval: 5 })
          .finally(() => response.destroy());
      }
    }).listen(0, '127.0.0.1');
    await once(flaky, 'listening');
    const { port } = flaky.address() as AddressInfo;
    await new HttpExchange(`http://127.0.0.1:${port}`, 'secret').fetch(DIGEST, path, never);
    expect(readFileSync(path)).toEqual(BYTES);
    expect(asked).toEqual([undefined, 'bytes=123456-']);
    expect(readdirSync(directory)).toEqual(['file']);
    flaky.close();
  });

  it('takes a worker’s file up again where it was cut off', async () => {
    const path = join(freshDirectory('worker'), 'file');
    writeFileSync(path, BYTES);
    const first = await fetch(`${server.url}/store/files/${DIGEST}?offset=0`, {
      method: 'PATCH',
      headers,
      body: BYTES.subarray(0, 100_000),
    });
    expect(first.status).toBe(204);
    const asked = await fetch(`${server.url}/store/files/${DIGEST}`, { method: 'HEAD', headers });
    expect([asked.status, asked.headers.get('upload-offset')]).toEqual([404, '100000']);
    await client.send(path, DIGEST, BYTES.length, never);
    expect(readFileSync(exchange.pathOf(DIGEST))).toEqual(BYTES);
  });

  it('keeps a file whole that two workers send at once, however slow one of them is', async () => {
    const path = join(freshDirectory('worker'), 'file');
    writeFileSync(path, BYTES);
    // Longer than this process may stand still: what the slow one sends at first is to arrive.
    const strict = await serveStore(5_000);
    const goOn = Promise.withResolvers<void>();
    async function* bytes() {
      yield BYTES.subarray(0, 100_000);
      await goOn.promise;
      yield BYTES.subarray(100_000);
    }
    const slow = fetch(`${strict.url}/store/files/${DIGEST}?offset=0`, {
      method: 'PATCH',
      headers: { ...headers, 'Upload-Complete': '?1' },
      body: Readable.toWeb(Readable.from(bytes())) as ReadableStream,
      duplex: 'half',
    } as RequestInit);
    const arrived = async () => {
      const asked = await fetch(`${strict.url}/store/files/${DIGEST}`, { method: 'HEAD', headers });
      return Number(asked.headers.get('upload-offset'));
    };
    while ((await arrived()) < 100_000);
    // Nothing comes of the first for longer than it may be silent: the other goes on where it stopped.
    await new HttpExchange(strict.url, 'secret').send(path, DIGEST, BYTES.length, never);
    goOn.resolve();
    await slow.then(
      ({ status }) => expect(status).toBe(409),
      () => undefined,
    );
    expect(readFileSync(exchange.pathOf(DIGEST))).toEqual(BYTES);
    await strict.close();
  });

  it('refuses bytes that are not those of the digest, at either end, and keeps none of them', async () => {
    const other = randomBytes(1000);
    const answer = await fetch(`${server.url}/store/files/${DIGEST}?offset=0`, {
      method: 'PATCH',
      headers: { ...headers, 'Upload-Complete': '?1' },
      body: other,
    });
    expect(answer.status).toBe(422);
    expect(await exchange.has(DIGEST)).toBe(false);
    const path = join(freshDirectory('worker'), 'file');
    writeFileSync(path, other);
    await expect(client.send(path, DIGEST, other.length, never)).rejects.toThrow(/is not what it was/);
  });

  it('leaves its directory for no name', async () => {
    for (const name of ['..%2f..%2fstore-token', 'x'.repeat(64), DIGEST.toUpperCase()]) {
      const answer = await fetch(`${server.url}/store/files/${name}`, { headers });
      expect(answer.status).toBe(400);
    }
    const log = await fetch(`${server.url}/store/logs/j0123456789-1/..%2f..%2fx.log?offset=0`, {
      method: 'PATCH',
      headers,
      body: 'x',
    });
    expect(log.status).toBe(400);
  });

  it('adds to logs by offset: what is there already is not added again, a gap is refused', async () => {
    const name = 'j0123456789-1002/ne2k.log';
    await client.appendLog(name, 0, Buffer.from('one '), never);
    await client.appendLog(name, 0, Buffer.from('one two '), never);
    const gap = await fetch(`${server.url}/store/logs/${name}?offset=99`, {
      method: 'PATCH',
      headers,
      body: 'x',
    });
    expect([gap.status, gap.headers.get('upload-offset')]).toEqual([409, '8']);
    const read = await fetch(`${server.url}/store/logs/${name}`, {
      headers: { ...headers, Range: 'bytes=4-' },
    });
    expect(await read.text()).toBe('two ');
  });
});

describe('--listen', () => {
  it('is HOST:PORT or a port alone', () => {
    expect(parseListen('0.0.0.0:80')).toEqual({ host: '0.0.0.0', port: 80 });
    expect(parseListen('[::1]:8420')).toEqual({ host: '::1', port: 8420 });
    expect(parseListen('8420')).toEqual({ host: '127.0.0.1', port: 8420 });
    for (const text of ['', 'here', 'a:b:1', '1.2.3.4:99999']) {
      expect(() => parseListen(text)).toThrow(/expected HOST:PORT/);
    }
  });
});
