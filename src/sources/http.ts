import type { IncomingMessage } from 'node:http';
import { chunksOf } from './chunks.ts';

/** A transfer that did not come off, and whether the same URL may be asked again. */
export class TransferError extends Error {
  override readonly name = 'TransferError';
  readonly retry: boolean;
  /** How long the server asks to be left alone, in milliseconds. */
  readonly afterMs: number | undefined;

  constructor(message: string, retry: boolean, afterMs?: number) {
    super(message);
    this.retry = retry;
    this.afterMs = afterMs;
  }
}

export interface RequestOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly stallMs: number;
  /** Refuses a redirect from https to http: right where no digest will judge what comes. */
  readonly keepSecure: boolean;
}

/** A server's answer: its head, and its body as it comes. */
export interface Answer {
  /** What answered: where redirects led. */
  readonly url: string;
  readonly response: IncomingMessage;
  readonly body: AsyncIterable<Buffer>;
}

const MAX_REDIRECTS = 10;
const REDIRECTS: readonly (number | undefined)[] = [301, 302, 303, 307, 308];

/**
 * Sends a GET and gives the answer that the redirects lead to, its body never decoded: fetch() would
 * unpack a `.gz` that a server labels `Content-Encoding: x-gzip`, as old mirrors do. Proxies of the environment
 * (http_proxy, https_proxy, no_proxy) are honoured.
 * @throws TransferError for what goes wrong on the way; the signal's reason when it was aborted.
 */
export async function request(url: string, options: RequestOptions): Promise<Answer> {
  let target = new URL(url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const answer = await requestOnce(target, options);
    const { statusCode, headers } = answer.response;
    if (!REDIRECTS.includes(statusCode) || headers.location === undefined) return answer;
    answer.response.destroy();
    target = redirected(target, headers.location, options.keepSecure);
  }
  throw new TransferError(`redirects more than ${MAX_REDIRECTS} times`, false);
}

function redirected(from: URL, location: string, keepSecure: boolean): URL {
  if (!URL.canParse(location, from.href))
    throw new TransferError(`redirects to ${location}, not a URL`, false);
  const target = new URL(location, from);
  if (target.protocol !== 'http:' && target.protocol !== 'https:') {
    throw new TransferError(`redirects to ${target.href}, which is not http`, false);
  }
  if (keepSecure && from.protocol === 'https:' && target.protocol === 'http:') {
    throw new TransferError(`redirects from https to ${target.href}, and the recipe gives no sha256`, false);
  }
  return target;
}

async function requestOnce(url: URL, options: RequestOptions): Promise<Answer> {
  // Loaded by the first transfer: most commands make none.
  const { Agent, get } = await (url.protocol === 'https:' ? import('node:https') : import('node:http'));
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const common = { headers: options.headers, signal: options.signal };
  const agentOptions = { keepAlive: false, proxyEnv: process.env };
  let answer: IncomingMessage | undefined;
  const onAnswer = (response: IncomingMessage) => {
    answer = response;
    resolve({ url: url.href, response, body: chunksOf(response) });
  };
  const sent = get(url, { ...common, agent: new Agent(agentOptions) }, onAnswer);
  sent.setTimeout(options.stallMs, () => {
    // Whoever reads the answer learns the reason only from the answer.
    (answer ?? sent).destroy(new TransferError(`no data for ${options.stallMs / 1000} s`, true));
  });
  sent.on('error', (error) => reject(explain(error, options.signal)));
  return promise;
}

// Names that don't resolve, certificates and refusals by the proxy stay as they are if asked again at once.
const LASTING = /^(ENOTFOUND|ERR_INVALID_|ERR_TLS_CERT|ERR_PROXY|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|CERT_)/;

/** Turns what a socket throws into a `TransferError`; an abort stays the abort's own reason, other errors themselves. */
export function explain(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  if (code === 'ECONNRESET') return new TransferError('the connection was cut', true);
  return new TransferError(message === '' ? String(code) : message, !LASTING.test(code ?? ''));
}

/**
 * Milliseconds that a Retry-After header asks for: seconds or an HTTP date (RFC 9110, 10.2.3).
 * @param now milliseconds since 1970
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
