import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseRemotes } from '../../src/ccache/remote.ts';
import { RemoteStorages } from '../../src/ccache/storages.ts';
import { baseEnvironment, output } from '../../src/platform/process.ts';
import { type RedisServer, startRedis } from '../queue/redisServer.ts';
import { freshDirectory } from '../support/kiln.ts';

/** Stores what is PUT, as ccache's manual has a server do. */
class HttpStore {
  readonly files = new Map<string, Buffer>();
  readonly authorizations = new Set<string>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const path = request.url ?? '';
      this.authorizations.add(request.headers.authorization ?? '');
      const known = this.files.get(path);
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        if (request.method === 'PUT') this.files.set(path, Buffer.concat(parts));
        if (request.method === 'DELETE') this.files.delete(path);
        response.writeHead(request.method === 'PUT' ? 201 : known === undefined ? 404 : 200);
        response.end(request.method === 'GET' ? known : undefined);
      });
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Compiles a source by ccache with a cache of its own; what ccache says of it (CCACHE_STATSLOG). */
async function compile(source: string, env: Readonly<Record<string, string>>): Promise<string[]> {
  const directory = freshDirectory('compile');
  writeFileSync(join(directory, 'one.c'), source);
  await output('ccache', ['gcc', '-c', 'one.c'], {
    cwd: directory,
    env: {
      ...baseEnvironment(),
      CCACHE_DIR: join(directory, 'cache'),
      CCACHE_NOHASHDIR: '1',
      CCACHE_STATSLOG: join(directory, 'log'),
      ...env,
    },
  });
  return readFileSync(join(directory, 'log'), 'utf8').split('\n');
}

/** Compiles where the storage is reached by a relay's socket alone. */
async function compileWalled(remote: string, source: string, warn = (_: string) => {}): Promise<string[]> {
  const storages = await RemoteStorages.open(parseRemotes(remote, 'test'), true, warn);
  // Longer than a socket's path may be.
  const directory = join(freshDirectory('door'), 'a'.repeat(120));
  mkdirSync(directory);
  const seenAs = freshDirectory('d');
  const step = await storages.forStep(directory, (path) => path.replace(directory, seenAs));
  await output('ln', ['-s', join(directory, 'ccache-0.sock'), seenAs]);
  try {
    return await compile(source, step.env);
  } finally {
    await step.close();
    storages.close();
  }
}

/** What a client of Redis is answered at a socket, a line for each command. */
async function ask(path: string, commands: readonly (readonly string[])[]): Promise<string[]> {
  const socket = createConnection(path);
  const words = commands.flatMap((command) => [
    `*${command.length}`,
    ...command.flatMap((word) => [`$${word.length}`, word]),
  ]);
  socket.write(`${words.join('\r\n')}\r\n`);
  const lines: string[] = [];
  for await (const line of createInterface({ input: socket })) {
    if (lines.push(line) === commands.length) break;
  }
  socket.destroy();
  return lines;
}

let redis: RedisServer;
const http = new HttpStore();
let host: string;
beforeAll(async () => {
  redis = await startRedis(['--requirepass', 'secret']);
  host = await http.start();
});
afterAll(async () => {
  http.close();
  await redis.kill();
});

describe('a relay to a remote storage', () => {
  const storages: [string, () => string][] = [
    ['redis', () => `redis://secret@127.0.0.1:${redis.port}/3`],
    ['http', () => `http://${host}/cache`],
    ['http, layout=flat', () => `http://${host}/flat|layout=flat`],
    ['http, layout=bazel', () => `http://${host}|layout=bazel`],
  ];

  it.each(storages)(
    'has what ccache has put there by itself, and the other way round: %s',
    async (name, url) => {
      const direct = { CCACHE_REMOTE_STORAGE: url() };
      expect(await compile(`int direct; // ${name}`, direct)).toContain('cache_miss');
      const there = await compileWalled(url(), `int direct; // ${name}`);
      expect(there).toContain('direct_cache_hit');
      expect(there).toContain('remote_storage_hit');

      expect(await compileWalled(url(), `int walled; // ${name}`)).toContain('cache_miss');
      expect(await compile(`int walled; // ${name}`, direct)).toContain('direct_cache_hit');
    },
  );

  it('bears the token, or the name and password, that the URL has; ccache gets neither', async () => {
    http.authorizations.clear();
    await compileWalled(`http://me:p%40ss@${host}/a`, 'int basic;');
    await compileWalled(`http://${host}/b|bearer-token=t0ken`, 'int token;');
    expect([...http.authorizations]).toEqual([`Basic ${btoa('me:p@ss')}`, 'Bearer t0ken']);
    const relayed = await RemoteStorages.open(
      parseRemotes(`redis://me:secret@h|read-only http://${host}|bearer-token=t0ken`, 'test'),
      true,
      () => undefined,
    );
    const step = await relayed.forStep(freshDirectory('door'), (path) => path.replace(/.*\//, '/build/out/'));
    expect(step.env.CCACHE_REMOTE_STORAGE).toBe(
      'redis+unix:/build/out/ccache-0.sock|read-only redis+unix:/build/out/ccache-1.sock',
    );
    await step.close();
    relayed.close();
  });

  it('lets nothing through but results of compilers', async () => {
    const client = new Redis(`redis://:secret@127.0.0.1:${redis.port}`);
    await client.set('kiln:owner', 'me');
    const storages = await RemoteStorages.open(
      parseRemotes(`redis://secret@127.0.0.1:${redis.port}`, 'test'),
      true,
      () => undefined,
    );
    const directory = freshDirectory('door');
    const step = await storages.forStep(directory, (path) => path);
    const asked = [
      ['GET', 'kiln:owner'],
      ['SET', 'kiln:owner', 'you'],
      ['GET', 'ccache:../../kiln:owner'],
      ['DEL', 'kiln:owner'],
      ['FLUSHALL'],
      ['CONFIG', 'SET', 'dir', '/etc'],
      ['KEYS', '*'],
      ['EVAL', 'return 1', '0'],
      ['RENAME', 'ccache:4c8eo28a0gc2741oeqmpqmavu8rsdbu56', 'kiln:owner'],
    ];
    const answers = await ask(join(directory, 'ccache-0.sock'), asked);
    expect(answers).toEqual(asked.map(() => '-ERR only results of compilers are kept here'));
    // Who does not speak as a client of Redis does is hung up on.
    const stranger = createConnection(join(directory, 'ccache-0.sock'));
    stranger.end('GET / HTTP/1.1\r\n\r\n');
    stranger.resume();
    await once(stranger, 'close');
    expect(await client.get('kiln:owner')).toBe('me');
    expect(await client.keys('*')).toEqual(['kiln:owner']);
    client.disconnect();
    await step.close();
    storages.close();
  });

  it.each([
    [
      'is not there',
      () => 'redis://user:hidden@127.0.0.1:1',
      /redis:\/\/\*\*\*@127\.0\.0\.1:1 is left out, it can't be reached: .*ECONNREFUSED/,
    ],
    [
      'is not there',
      () => 'http://user:hidden@127.0.0.1:1/x',
      /http:\/\/\*\*\*@127\.0\.0\.1:1\/x is left out, it can't be reached: ./,
    ],
    ['refuses', () => `redis://wrong@127.0.0.1:${redis.port}`, /redis:\/\/\*\*\*@\S+ .*(WRONGPASS|NOAUTH)/],
  ])('does no harm where the storage %s, and says so once', async (_, url, sentence) => {
    const warnings: string[] = [];
    const results = await compileWalled(url(), 'int alone;', (words) => void warnings.push(words));
    expect(results).toContain('cache_miss');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(sentence);
    expect(warnings[0]).not.toMatch(/hidden|wrong/);
  });

  it('has the attributes that it knows, or is not used', async () => {
    const warnings: string[] = [];
    const storages = await RemoteStorages.open(
      parseRemotes('redis://me:pw@*|shards=a,b', 'test'),
      true,
      (words) => void warnings.push(words),
    );
    expect(warnings).toEqual([
      "ccache's remote storage redis://***@* is not used: steps in the sandbox do without shards",
    ]);
    expect((await storages.forStep('/nowhere', (path) => path)).env).toEqual({});
  });
});
