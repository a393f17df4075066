import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { digestFile } from '../platform/digest.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { temporaryBeside } from '../platform/files.ts';
import { acceptFile, type Exchange } from './exchange.ts';

const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 250;

/** The exchange over the coordinator's HTTP store (src/server/store.ts). */
export class HttpExchange implements Exchange {
  readonly #base: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#base = `${url.replace(/\/+$/, '')}/store`;
    this.#token = token;
  }

  async version(): Promise<string> {
    const answer = await this.#request('GET', '/version', {});
    return (await answer.text()).trim();
  }

  async fetch(sha256: string, path: string, signal: AbortSignal): Promise<void> {
    await mkdir(dirname(path), { recursive: true });
    // Two jobs of one worker, or two workers of one home, may want the same file at once.
    const partial = temporaryBeside(path);
    try {
      await this.#again(signal, async () => {
        const have = await sizeOf(partial);
        const headers: Record<string, string> = have === 0 ? {} : { Range: `bytes=${have}-` };
        const answer = await this.#request('GET', `/files/${sha256}`, { headers, signal, accept: [416] });
        if (answer.status !== 416 && answer.body !== null) {
          const flags = answer.status === 206 ? 'a' : 'w';
          await pipeline(fromWeb(answer.body), createWriteStream(partial, { flags }), { signal });
        }
        try {
          await acceptFile(partial, path, sha256);
        } finally {
          await rm(partial, { force: true });
        }
      });
    } finally {
      await rm(partial, { force: true });
    }
  }

  async send(path: string, sha256: string, size: number, signal: AbortSignal): Promise<void> {
    const { sha256: found } = await digestFile(path);
    if (found !== sha256) throw new KilnError('integrity', `${path} is not what it was: sha256 ${found}`);
    await this.#again(signal, async () => {
      const known = await this.#request('HEAD', `/files/${sha256}`, { signal, accept: [404] });
      if (known.status === 200) return;
      const offset = Math.min(size, Number(known.headers.get('upload-offset') ?? 0));
      const body = offset < size ? Readable.toWeb(createReadStream(path, { start: offset })) : '';
      await this.#request('PATCH', `/files/${sha256}?offset=${offset}`, {
        signal,
        headers: { 'Upload-Complete': '?1' },
        body: body as NonNullable<RequestInit['body']>,
      });
    });
  }

  async appendLog(name: string, offset: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#again(signal, async () => {
      await this.#request('PATCH', `/logs/${name}?offset=${offset}`, {
        signal,
        body: bytes as Uint8Array<ArrayBuffer>,
      });
    });
  }

  /** Tries what may pass a few times, a little later each time. */
  async #again(signal: AbortSignal, action: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await action();
        return;
      } catch (error) {
        signal.throwIfAborted();
        const transient = !(error instanceof KilnError) || error.transient;
        if (!transient) throw error;
        if (attempt === ATTEMPTS) throw asKilnError(error, this.#base);
        await pause(FIRST_PAUSE_MS * 2 ** attempt, undefined, { signal }).catch(() => undefined);
        signal.throwIfAborted();
      }
    }
  }

  async #request(
    method: string,
    path: string,
    options: {
      headers?: Readonly<Record<string, string>>;
      body?: NonNullable<RequestInit['body']>;
      signal?: AbortSignal;
      accept?: readonly number[];
    },
  ): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(`${this.#base}${path}`, {
        method,
        headers: { ...options.headers, Authorization: `Bearer ${this.#token}` },
        ...(options.body === undefined ? {} : { body: options.body, duplex: 'half' as const }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      } as RequestInit);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw asKilnError(error, this.#base);
    }
    if (answer.ok || options.accept?.includes(answer.status) === true) return answer;
    throw refusal(this.#base, answer.status, (await answer.text()).trim());
  }
}

function refusal(base: string, status: number, words: string): KilnError {
  if (status === 401) {
    return new KilnError('usage', `the store at ${base} does not know this token`, {
      hint: 'give the one that kiln serve has written to store-token in its home: $KILN_STORE_TOKEN, or --token-file FILE',
    });
  }
  return new KilnError('failed', `the store at ${base} answered ${status}: ${words}`, {
    transient: status >= 404,
  });
}

function asKilnError(error: unknown, base: string): KilnError {
  if (error instanceof KilnError) return error;
  const cause = (error as { cause?: { message?: string } }).cause?.message ?? (error as Error).message;
  return new KilnError('failed', `the store at ${base} can't be reached: ${cause}`, {
    hint: 'see that kiln serve runs there, and that --store names it',
    transient: true,
    cause: error,
  });
}

function fromWeb(body: ReadableStream): Readable {
  return Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
