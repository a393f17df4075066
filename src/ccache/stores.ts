import { Redis } from 'ioredis';
import { attribute, type Remote } from './remote.ts';

/** Where results of compilers lie, by ccache's names for them. */
export interface Store {
  get(name: string): Promise<Buffer | undefined>;
  put(name: string, value: Buffer): Promise<void>;
  has(name: string): Promise<boolean>;
  /** @returns whether it was there */
  remove(name: string): Promise<boolean>;
  close(): void;
}

/** The store can't be reached: whoever asks again would wait in vain. */
export class Unreachable extends Error {}

const CONNECT_MS = 5000;
/** As long as ccache waits for an answer by itself. */
const ANSWER_MS = 10_000;

/** Opens a store that `relayFault` has nothing against; nothing is connected to before the first question. */
export function openStore(remote: Remote): Store {
  return remote.url.startsWith('redis:') ? redisStore(remote) : httpStore(remote);
}

/** `redis://[[USER:]PASSWORD@]HOST[:PORT][/DB]`, ccache's key names. */
function redisStore({ url }: Remote): Store {
  const { hostname, port, username, password, pathname } = new URL(url);
  const [user, secret] = password === '' ? ['', username] : [username, password];
  const redis = new Redis({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 6379 : Number(port),
    db: Number(pathname.slice(1)),
    ...(user === '' ? {} : { username: decodeURIComponent(user) }),
    ...(secret === '' ? {} : { password: decodeURIComponent(secret) }),
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    commandTimeout: ANSWER_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let reason: string | undefined;
  redis.on('error', (error: Error) => {
    reason = error.message;
  });
  const key = (name: string) => `ccache:${name}`;
  const asked = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError') throw error;
      throw new Unreachable(reason ?? (error as Error).message, { cause: error });
    }
  };
  return {
    get: async (name) => (await asked(redis.getBuffer(key(name)))) ?? undefined,
    put: async (name, value) => void (await asked(redis.set(key(name), value))),
    has: async (name) => (await asked(redis.exists(key(name)))) > 0,
    remove: async (name) => (await asked(redis.del(key(name)))) > 0,
    close: () => redis.disconnect(),
  };
}

/** `http://[USER:PASSWORD@]HOST[:PORT][/PATH]`: GET, PUT, HEAD and DELETE of what ccache's layouts name. */
function httpStore(remote: Remote): Store {
  const base = new URL(remote.url);
  const headers = authorization(base, attribute(remote, 'bearer-token'));
  base.username = base.password = '';
  const layout = attribute(remote, 'layout') ?? 'subdirs';
  const ask = async (method: string, name: string, body?: Buffer): Promise<Response> => {
    const url = `${base.href.replace(/\/+$/, '')}/${pathOf(name, layout)}`;
    let answer: Response;
    try {
      answer = await fetch(url, {
        method,
        headers,
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
    } catch (error) {
      const cause = (error as { cause?: Error }).cause?.message ?? (error as Error).message;
      throw new Unreachable(cause, { cause: error });
    }
    if (answer.ok || answer.status === 404) return answer;
    await answer.body?.cancel();
    throw new Error(`${method}: ${answer.status} ${answer.statusText}`);
  };
  const known = async (method: string, name: string) => {
    const answer = await ask(method, name);
    await answer.body?.cancel();
    return answer.ok;
  };
  return {
    get: async (name) => {
      const answer = await ask('GET', name);
      const bytes = Buffer.from(await answer.arrayBuffer());
      return answer.ok ? bytes : undefined;
    },
    put: async (name, value) => {
      const answer = await ask('PUT', name, value);
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`PUT: ${answer.status} ${answer.statusText}`);
    },
    has: (name) => known('HEAD', name),
    remove: (name) => known('DELETE', name),
    close: () => undefined,
  };
}

function authorization({ username, password }: URL, token: string | undefined): Record<string, string> {
  if (token !== undefined) return { Authorization: `Bearer ${token}` };
  if (username === '') return {};
  const words = [username, password].map(decodeURIComponent).join(':');
  return { Authorization: `Basic ${Buffer.from(words).toString('base64')}` };
}

/** Where ccache's HTTP storage has a result (ccache(1), "HTTP storage backend", `layout`). */
export function pathOf(name: string, layout: string): string {
  if (layout === 'flat') return name;
  if (layout === 'bazel') {
    // Bazel's names are of 64 digits: the 40 of ccache's, and the first of them again.
    const digits = hexDigits(name);
    return `ac/${digits}${digits.slice(0, 64 - digits.length)}`;
  }
  return `${name.slice(0, 2)}/${name.slice(2)}`;
}

/** ccache writes the first two bytes of a digest in base 16 and the rest in base 32 (RFC 4648, 7), in small letters. */
function hexDigits(name: string): string {
  const bits = [...name.slice(4)]
    .map((digit) => Number.parseInt(digit, 32).toString(2).padStart(5, '0'))
    .join('');
  const bytes = bits.match(/.{8}/g) ?? [];
  return (
    name.slice(0, 4) + bytes.map((byte) => Number.parseInt(byte, 2).toString(16).padStart(2, '0')).join('')
  );
}
