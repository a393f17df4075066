import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { fetchSource, type SourceEvent } from '../../src/sources/index.ts';
import { type Answer, cutAfter, type FileServer, startFileServer, status } from './fileServer.ts';
import { bytesAt, discard, failure, hex, noise, recording, scratch, spec } from './fixture.ts';

let cache = '';
let server: FileServer;
const release = noise(900_000);
const sha256 = hex('sha256', release);

beforeEach(async () => {
  cache = await scratch();
  server = await startFileServer(release);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await discard(cache);
});

function statuses(events: readonly SourceEvent[]): string[] {
  return events.map((event) => event.status).filter((word, at, all) => word !== all[at - 1]);
}

describe('a download', () => {
  test('arrives whole, and tells how far it is', async () => {
    const options = recording(cache);
    const source = await fetchSource(spec([server.url('/v2.4/linux-2.4.99.tar.bz2?x=1')]), options);
    expect(source).toMatchObject({ sha256, size: 900_000, fileName: 'linux-2.4.99.tar.bz2' });
    expect(await bytesAt(source.path)).toEqual(release);
    expect(statuses(options.events)).toEqual(['looking', 'downloading', 'verified']);
    const progress = options.events.filter((event) => event.status === 'downloading');
    expect(progress[0]).toMatchObject({ received: 0, total: 900_000 });
    expect(progress.at(-1)).toMatchObject({ received: 900_000, total: 900_000 });
  });

  test('leaves nothing unfinished behind', async () => {
    await fetchSource(spec([server.url('/a')]), recording(cache));
    const left = await readdir(join(cache, 'sources/partial'));
    expect(left.filter((name) => /\.(part|json|tmp|holder)$/.test(name))).toEqual([]);
  });

  test('that is cut goes on from where it stopped', async () => {
    server.script.push(cutAfter(server, 400_000));
    const options = recording(cache);
    const source = await fetchSource(spec([server.url('/a')]), options);
    expect(source.sha256).toBe(sha256);
    expect(server.requests[1]).toMatchObject({ ifRange: '"1"' });
    expect(statuses(options.events)).toEqual([
      'looking',
      'downloading',
      'retrying',
      'resumed',
      'downloading',
      'verified',
    ]);
    const resumed = options.events.find((event) => event.status === 'resumed');
    expect(server.requests[1]?.range).toBe(`bytes=${resumed?.at}-`);
  });

  test('that was interrupted is resumed by the next run when a digest is known', async () => {
    const stop = new AbortController();
    const pins = { sha256 };
    const first = recording(cache, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.status === 'retrying') stop.abort(new Error('enough'));
      },
    });
    server.script.push(cutAfter(server, 400_000));
    await expect(fetchSource(spec([server.url('/a')], pins), first)).rejects.toThrow('enough');
    const second = recording(cache);
    const source = await fetchSource(spec([server.url('/a')], pins), second);
    expect(statuses(second.events)).toContain('resumed');
    expect(await bytesAt(source.path)).toEqual(release);
  });

  test('that no digest will judge starts afresh in another run', async () => {
    const stop = new AbortController();
    server.script.push(cutAfter(server, 400_000));
    const first = recording(cache, {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.status === 'retrying') stop.abort(new Error('enough'));
      },
    });
    await expect(fetchSource(spec([server.url('/a')]), first)).rejects.toThrow('enough');
    await fetchSource(spec([server.url('/a')]), recording(cache));
    expect(server.requests[1]).toEqual({ path: '/a' });
  });

  test('whose file changed between two pieces starts over', async () => {
    const newer = noise(900_000);
    server.script.push(cutAfter(server, 400_000), (_request, _response, serve) => {
      server.content = newer;
      server.etag = '"2"';
      server.lastModified = 'Tue, 26 Aug 2003 00:00:00 GMT';
      serve();
    });
    const source = await fetchSource(spec([server.url('/a')]), recording(cache));
    expect(source.sha256).toBe(hex('sha256', newer));
  });

  test('from a server that ignores Range starts over', async () => {
    server.script.push(cutAfter(server, 400_000), (_request, response) => {
      response.writeHead(200, { 'content-length': release.length }).end(release);
    });
    const options = recording(cache);
    const source = await fetchSource(spec([server.url('/a')]), options);
    expect(source.sha256).toBe(sha256);
    expect(statuses(options.events)).not.toContain('resumed');
  });

  test('from a server without validators is not joined when no digest will judge it', async () => {
    server.etag = undefined;
    server.lastModified = undefined;
    server.script.push(cutAfter(server, 400_000));
    await fetchSource(spec([server.url('/a')]), recording(cache));
    expect(server.requests[1]).toEqual({ path: '/a' });
  });

  test('whose joined pieces are not the pinned file is fetched once more, whole', async () => {
    const other = noise(900_000);
    server.etag = undefined;
    server.lastModified = undefined;
    server.content = other;
    server.script.push(cutAfter(server, 400_000), (_request, _response, serve) => {
      server.content = release;
      serve();
    });
    const source = await fetchSource(spec([server.url('/a')], { sha256 }), recording(cache));
    expect(await bytesAt(source.path)).toEqual(release);
    expect(server.requests).toHaveLength(3);
  });

  test('that a server answers with another range than asked for starts over', async () => {
    server.script.push(cutAfter(server, 400_000), (_request, response) => {
      const range = { 'content-range': `bytes 5-899999/900000`, 'content-length': 899_995 };
      response.writeHead(206, range).end(release.subarray(5));
    });
    const source = await fetchSource(spec([server.url('/a')]), recording(cache));
    expect(source.sha256).toBe(sha256);
  });

  test('of a file that became shorter starts over', async () => {
    const shorter = noise(1000);
    server.script.push(cutAfter(server, 400_000), status(416));
    server.content = release;
    const options = recording(cache, {
      onEvent: (event) => {
        if (event.status === 'retrying') server.content = shorter;
      },
    });
    const source = await fetchSource(spec([server.url('/a')]), options);
    expect(source.sha256).toBe(hex('sha256', shorter));
  });

  test('complete on the disk but not yet verified needs no more bytes', async () => {
    const url = server.url('/a');
    const key = hex('sha256', Buffer.from(url)).slice(0, 32);
    await fetchSource(spec([server.url('/other')], {}), recording(cache));
    const part = join(cache, 'sources/partial', `${key}.part`);
    const newer = noise(5000);
    await writeFile(part, newer);
    await writeFile(`${part}.json`, JSON.stringify({ url, etag: '"1"', total: 5000 }));
    const asked = server.requests.length;
    const source = await fetchSource(spec([url], { sha256: hex('sha256', newer) }), recording(cache));
    expect(await bytesAt(source.path)).toEqual(newer);
    expect(server.requests).toHaveLength(asked);
  });

  test('of a .gz that the server labels as Content-Encoding keeps the bytes of the release', async () => {
    const packed = gzipSync(release);
    server.script.push((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'x-gzip', 'content-length': packed.length }).end(packed);
    });
    const source = await fetchSource(spec([server.url('/a.gz')]), recording(cache));
    expect(source.sha256).toBe(hex('sha256', packed));
  });

  test('follows redirects', async () => {
    server.script.push(
      status(302, { location: '/b' }),
      status(301, { location: server.url('/mirrors/linux-2.4.99.tar.bz2') }),
    );
    const source = await fetchSource(spec([server.url('/a')]), recording(cache));
    expect(source.sha256).toBe(sha256);
    expect(server.requests.map((request) => request.path)).toEqual([
      '/a',
      '/b',
      '/mirrors/linux-2.4.99.tar.bz2',
    ]);
  });

  test('goes through the proxy that the environment names', async () => {
    const asked: string[] = [];
    const proxy = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(200, { 'content-length': release.length }).end(release);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('http_proxy', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
    vi.stubEnv('no_proxy', '');
    try {
      const source = await fetchSource(spec(['http://kernel.invalid/a']), recording(cache));
      expect(source.sha256).toBe(sha256);
      expect(asked).toEqual(['http://kernel.invalid/a']);
    } finally {
      proxy.close();
    }
  });
});

describe('a server that fails', () => {
  test.each([[500], [503], [429], [408]])('with %i is asked again', async (code) => {
    server.script.push(status(code));
    const options = recording(cache);
    expect(await fetchSource(spec([server.url('/a')]), options)).toMatchObject({ sha256 });
    const retry = options.events.find((event) => event.status === 'retrying');
    expect(retry).toMatchObject({ attempt: 2, reason: expect.stringContaining(String(code)) });
  });

  test('is given the time that it asks for by Retry-After', async () => {
    server.script.push(status(429, { 'retry-after': '1' }));
    const options = recording(cache);
    await fetchSource(spec([server.url('/a')]), options);
    expect(options.events).toContainEqual(expect.objectContaining({ status: 'retrying', afterMs: 1000 }));
  });

  test('is given up when it asks for more time than we have', async () => {
    server.script.push(status(503, { 'retry-after': '3600' }));
    const error = await failure(fetchSource(spec([server.url('/a')]), recording(cache)));
    expect(error.kind).toBe('failed');
    expect(server.requests).toHaveLength(1);
  });

  test('with 404 is not asked again; the next URL is', async () => {
    server.script.push(status(404));
    const source = await fetchSource(spec([server.url('/a'), server.url('/b')]), recording(cache));
    expect(source.from).toBe(server.url('/b'));
    expect(server.requests).toHaveLength(2);
  });

  test('for good is given up after the last try, and said why', async () => {
    server.script.push(status(500), status(500), status(500));
    const error = await failure(fetchSource(spec([server.url('/a')]), recording(cache)));
    expect(error.kind).toBe('failed');
    expect(error.lines).toEqual([`${server.url('/a')}: the server answers 500 Internal Server Error`]);
    expect(server.requests).toHaveLength(3);
  });

  test('by silence is left after the stall time, and what had come is kept', async () => {
    // On a busy machine the stall time may pass before a byte has come; then there is nothing to resume yet.
    const silent: Answer = (request, response, serve) => {
      if (request.headers.range !== undefined) return serve();
      server.script.unshift(silent);
      response.writeHead(200, { 'content-length': release.length, etag: '"1"' });
      response.write(release.subarray(0, 300_000));
    };
    server.script.push(silent);
    const patience = { attempts: 20, firstDelayMs: 1, maxDelayMs: 1, stallMs: 300 };
    const options = recording(cache, { patience });
    expect(await fetchSource(spec([server.url('/a')]), options)).toMatchObject({ sha256 });
    expect(options.events).toContainEqual(
      expect.objectContaining({ status: 'retrying', reason: 'no data for 0.3 s' }),
    );
    expect(statuses(options.events)).toContain('resumed');
  });

  test('by cutting every piece short is not given up as long as bytes come', async () => {
    const pieces = Array.from({ length: 8 }, () => cutAfter(server, 100_000));
    server.script.push(...pieces);
    expect(await fetchSource(spec([server.url('/a')]), recording(cache))).toMatchObject({ sha256 });
    expect(server.requests).toHaveLength(9);
  });

  test('by redirecting in circles is given up', async () => {
    const round = status(302, { location: '/a' });
    server.script.push(...Array.from({ length: 11 }, () => round));
    const error = await failure(fetchSource(spec([server.url('/a')]), recording(cache)));
    expect(error.lines[0]).toContain('redirects more than 10 times');
  });

  test('by redirecting to the local file system is not followed', async () => {
    server.script.push(status(302, { location: 'file:///etc/passwd' }));
    const error = await failure(fetchSource(spec([server.url('/a')]), recording(cache)));
    expect(error.lines[0]).toContain('which is not http');
  });

  test('whose name does not resolve is not asked again', async () => {
    const options = recording(cache);
    const error = await failure(fetchSource(spec(['http://kernel.invalid/a']), options));
    expect(error.kind).toBe('failed');
    expect(error.lines[0]).toContain('kernel.invalid');
  });
});

describe('a server with the wrong file', () => {
  test('fails with the digests, and the download is removed', async () => {
    const pins = { sha256: 'ab'.repeat(32) };
    const error = await failure(fetchSource(spec([server.url('/a')], pins), recording(cache)));
    expect(error).toMatchObject({ kind: 'integrity', exitCode: 4 });
    expect(error.message).toBe(
      `a (source kernel) from ${server.url('/a')} is not the file that is pinned: sha256 is ${sha256}, expected ${pins.sha256}`,
    );
    const left = await readdir(join(cache, 'sources/partial'));
    expect(left.filter((name) => /\.(part|json)$/.test(name))).toEqual([]);
  });

  test('is known by its size before its bytes are fetched', async () => {
    const error = await failure(fetchSource(spec([server.url('/a')], { size: 5 }), recording(cache)));
    expect(error).toMatchObject({ kind: 'integrity' });
    expect(error.message).toContain('size is 900000 bytes, expected 5 bytes');
  });

  test('does not hide another one that has the right file', async () => {
    server.script.push((_request, response) => {
      response.end('<html>404, but with style</html>');
    });
    const source = await fetchSource(
      spec([server.url('/a'), server.url('/b')], { sha256 }),
      recording(cache),
    );
    expect(source.from).toBe(server.url('/b'));
  });

  test('is the error that counts when the others have nothing', async () => {
    server.script.push((_request, _response, serve) => serve(), status(404));
    const pins = { sha256: 'ab'.repeat(32) };
    const error = await failure(
      fetchSource(spec([server.url('/a'), server.url('/b')], pins), recording(cache)),
    );
    expect(error.kind).toBe('integrity');
    expect(error.lines).toHaveLength(2);
  });

  test('cannot pour more onto the disk than the pinned size', async () => {
    server.script.push((_request, response) => {
      response.writeHead(200, {});
      response.end(release);
    });
    const options = recording(cache);
    const error = await failure(fetchSource(spec([server.url('/a')], { size: 1000 }), options));
    expect(error.kind).toBe('integrity');
    expect(await readdir(join(cache, 'sources')).catch(() => [])).not.toContain('sha256');
  });
});

test('an md5 alone is accepted at the first fetch, and the sha256 to lock is given', async () => {
  const source = await fetchSource(spec([server.url('/a')], { md5: hex('md5', release) }), recording(cache));
  expect(source).toMatchObject({ sha256, md5: hex('md5', release) });
  expect(hex('sha256', await readFile(source.path))).toBe(sha256);
});

test('the password of a URL is sent to its server, and told to nobody', async () => {
  const url = server.url('/a').replace('://', '://reader:hunter2@');
  let sent: string | undefined;
  server.script.push((request, _response, serve) => {
    sent = request.headers.authorization;
    serve();
  });
  const options = recording(cache);
  const source = await fetchSource(spec([url]), options);
  expect(sent).toBe(`Basic ${Buffer.from('reader:hunter2').toString('base64')}`);
  server.script.push(status(404));
  const error = await failure(fetchSource(spec([`${url}-none`]), options));
  const told = JSON.stringify([source, options.events, error.message, error.lines, error.hint]);
  expect(told).toContain('http://***@');
  expect(told).not.toMatch(/reader|hunter2/);
});
