import { hostname } from 'node:os';
import type { MiddlewareHandler } from 'hono';
import type { ApiContext, ApiEnvironment } from './environment.ts';
import { HttpError } from './problem.ts';
import { covers, type Role, type TokenBook, type TokenRecord } from './tokens.ts';

export interface GuardOptions {
  readonly tokens: TokenBook;
  /** Names that the server may be called by besides addresses, localhost and its own: those of a proxy. */
  readonly allowHosts: readonly string[];
  /** How long a request's body may take to arrive. */
  readonly bodyMs?: number;
}

const BODY_MS = 10_000;

/** Decides who may ask for what. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #hosts: ReadonlySet<string>;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#hosts = new Set(['localhost', hostname(), ...options.allowHosts].map((name) => name.toLowerCase()));
  }

  /**
   * Refuses requests that a browser was led to make. By a name that is not this server's: a page of somebody
   * else's whose name was made to mean this address (DNS rebinding). From another site: RFC 6454, Fetch metadata.
   */
  readonly middleware: MiddlewareHandler<ApiEnvironment> = async (context, next) => {
    const host = hostOf(context.req.header('host'));
    if (host === undefined || !(isAddress(host) || this.#hosts.has(host))) {
      throw new HttpError(421, 'Not this server', `${host ?? 'no name'} is no name of this server`, {});
    }
    const origin = context.req.header('origin');
    const site = context.req.header('sec-fetch-site');
    const foreign = origin !== undefined && hostOf(origin.replace(/^\w+:\/\//, '')) !== host;
    const isPage = context.req.method === 'GET' && context.req.header('sec-fetch-mode') === 'navigate';
    if (foreign || ((site === 'cross-site' || site === 'same-site') && !isPage)) {
      throw new HttpError(403, 'Not from there', 'pages of other sites may not ask this server');
    }
    return next();
  };

  /**
   * Lets a request in, or not.
   * @returns whose token it bears
   * @throws HttpError 401 without a token that there is, 403 with one that is not enough
   */
  async admit(context: ApiContext, role: Role | 'open'): Promise<TokenRecord | undefined> {
    if (role === 'open') return undefined;
    const who = await this.#options.tokens.bearer(context.req.header('authorization'));
    if (who === undefined) {
      if (role === 'viewer' && context.req.header('authorization') === undefined && isLocal(context))
        return undefined;
      throw new HttpError(401, 'A token is needed', `this takes the token of a ${role} (kiln token add)`, {
        headers: { 'WWW-Authenticate': `Bearer realm="kiln", scope="${role}"` },
      });
    }
    if (covers(who.role, role)) return who;
    throw new HttpError(
      403,
      'Not with this token',
      `this takes the token of a ${role}; ${who.name} is ${who.role}`,
      {
        headers: { 'WWW-Authenticate': `Bearer realm="kiln", error="insufficient_scope", scope="${role}"` },
      },
    );
  }

  /** The JSON that a request brings. @throws HttpError 413, 408, 415 or 400 for a body that is none */
  async jsonBody(context: ApiContext, limit: number): Promise<unknown> {
    const type = context.req.header('content-type') ?? '';
    if (!/^application\/json\b/i.test(type)) {
      throw new HttpError(415, 'Not JSON', 'a body has to be application/json');
    }
    const text = await readBody(context.req.raw.body, limit, this.#options.bodyMs ?? BODY_MS);
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw new HttpError(400, 'Not a valid request', `the body is no JSON: ${(error as Error).message}`);
    }
  }
}

async function readBody(body: ReadableStream<Uint8Array> | null, limit: number, ms: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = body?.getReader();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new HttpError(408, 'Too slow', `the body took longer than ${ms / 1000} s`, CLOSE)),
    ms,
  );
  try {
    while (reader !== undefined) {
      const { done, value } = await Promise.race([reader.read(), late.promise]);
      if (done) break;
      size += value.length;
      if (size > limit) throw new HttpError(413, 'Too large', `a body may have ${limit} bytes`, CLOSE);
      chunks.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** What is left of such a body is not waited for. */
const CLOSE = { headers: { Connection: 'close' } };

/** The name in a Host header, in lower case, without its port; undefined for what is none. */
function hostOf(header: string | undefined): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d+)?$/i.exec(header ?? '')?.[1]?.toLowerCase();
}

function isAddress(host: string): boolean {
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

/** True for a request from this machine itself, and not by way of a proxy on it. */
function isLocal(context: ApiContext): boolean {
  const { header } = { header: (name: string) => context.req.header(name) };
  const proxied = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'via'].some(
    (one) => header(one) !== undefined,
  );
  const host = hostOf(header('host')) ?? '';
  const from = context.env.incoming.socket.remoteAddress ?? '';
  return !proxied && (host === 'localhost' || isLoopback(host)) && isLoopback(from);
}

/** True for addresses that only this machine itself can have. */
export function isLoopback(address: string): boolean {
  return /^(\[?::1\]?|(::ffff:)?127\.\d+\.\d+\.\d+|localhost)$/i.test(address);
}
