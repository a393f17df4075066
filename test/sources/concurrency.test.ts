import { fork } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tryLock } from '../../src/platform/lock.ts';
import { type FetchedSource, fetchSource } from '../../src/sources/index.ts';
import { type FileServer, startFileServer } from './fileServer.ts';
import { discard, hex, noise, recording, scratch, spec } from './fixture.ts';

let cache = '';
let server: FileServer;
const release = noise(500_000);
const sha256 = hex('sha256', release);

beforeEach(async () => {
  cache = await scratch();
  server = await startFileServer(release);
});
afterEach(async () => {
  await server.close();
  await discard(cache);
});

test('ten calls for one source download it once', async () => {
  const sources = await Promise.all(
    Array.from({ length: 10 }, () => fetchSource(spec([server.url('/a')]), recording(cache))),
  );
  expect(new Set(sources.map((source) => source.path)).size).toBe(1);
  expect(server.requests).toHaveLength(1);
});

test('calls with different pins for one URL do not mix', async () => {
  const wrong = fetchSource(spec([server.url('/a')], { sha256: 'ab'.repeat(32) }), recording(cache));
  const right = fetchSource(spec([server.url('/a')], { sha256 }), recording(cache));
  await expect(wrong).rejects.toMatchObject({ kind: 'integrity' });
  expect((await right).sha256).toBe(sha256);
});

test('a caller that leaves does not take the download with it', async () => {
  const stop = new AbortController();
  server.script.push((_request, _response, serve) => {
    stop.abort(new Error('I leave'));
    serve();
  });
  const leaving = fetchSource(spec([server.url('/a')]), recording(cache, { signal: stop.signal }));
  const staying = fetchSource(spec([server.url('/a')]), recording(cache));
  await expect(leaving).rejects.toThrow('I leave');
  expect((await staying).sha256).toBe(sha256);
  expect(server.requests).toHaveLength(1);
});

test('the last caller to leave stops the download', async () => {
  const stop = new AbortController();
  const closed = Promise.withResolvers<void>();
  server.script.push((request, response) => {
    response.writeHead(200, { 'content-length': release.length });
    response.write(release.subarray(0, 1000));
    request.socket.once('close', () => closed.resolve());
    stop.abort(new Error('I leave'));
  });
  const options = recording(cache, { signal: stop.signal });
  await expect(fetchSource(spec([server.url('/a')]), options)).rejects.toThrow('I leave');
  await closed.promise;
});

test('an aborted signal fetches nothing', async () => {
  const options = recording(cache, { signal: AbortSignal.abort(new Error('too late')) });
  await expect(fetchSource(spec([server.url('/a')]), options)).rejects.toThrow('too late');
  expect(server.requests).toEqual([]);
});

test('whoever waits for another process can be stopped', async () => {
  const key = hex('sha256', Buffer.from(server.url('/a'))).slice(0, 32);
  const held = tryLock(join(cache, 'sources/partial', `${key}.lock`), 'a test');
  if (!('release' in held)) throw new Error('the lock is not free');
  const stop = new AbortController();
  const options = recording(cache, {
    signal: stop.signal,
    onEvent: (event) => {
      if (event.status === 'waiting') stop.abort(new Error('waited enough'));
    },
  });
  try {
    await expect(fetchSource(spec([server.url('/a')]), options)).rejects.toThrow('waited enough');
  } finally {
    held.release();
  }
});

test.each([
  ['with a digest', { sha256 }],
  ['without any digest', {}],
])('two processes that want one source %s download it once', async (_, pins) => {
  const bothCame = Promise.withResolvers<void>();
  server.script.push((_request, _response, serve) => bothCame.promise.then(serve));
  const children = [0, 1].map(() =>
    fetchInProcess(pins, (status) => {
      if (status === 'waiting') bothCame.resolve();
    }),
  );
  const sources = await Promise.all(children);
  expect(sources.map((source) => source.sha256)).toEqual([sha256, sha256]);
  expect(server.requests).toHaveLength(1);
});

/** Fetches `/a` in a process of its own and tells what that process reports. */
async function fetchInProcess(pins: object, onStatus: (status: string) => void): Promise<FetchedSource> {
  const script = fileURLToPath(new URL('./fetchProcess.ts', import.meta.url));
  const input = JSON.stringify({ spec: spec([server.url('/a')], pins), cacheDirectory: cache });
  const child = fork(script, [input], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  if (child.stdout === null || child.stderr === null) throw new Error('the process has no output');
  child.on('message', (status) => onStatus(String(status)));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as FetchedSource;
}
