import { createHash, timingSafeEqual } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Context, Hono } from 'hono';
import { explainDisk, isDiskFailure } from '../platform/diskErrors.ts';
import { KilnError } from '../platform/errors.ts';
import { acceptFile, type DirectoryExchange } from '../queue/exchange.ts';
import { sendFile, sizeOf } from './files.ts';

export interface StoreOptions {
  readonly exchange: DirectoryExchange;
  /** What requests have to bear (RFC 6750). */
  readonly token: string;
  /** How long an upload may say nothing before it is given up, in milliseconds; what has arrived of it stays. */
  readonly silentMs?: number;
}

const SILENT_MS = 20_000;

/**
 * The coordinator's store for its workers, to be mounted anywhere:
 *
 * | request | does |
 * | --- | --- |
 * | `GET /version` | the coordinator's version |
 * | `GET /files/SHA256` | a file; ranges (RFC 9110, 14) |
 * | `HEAD /files/SHA256` | 200 with its size; 404 with `Upload-Offset`, how much of it has arrived |
 * | `PATCH /files/SHA256?offset=N` | bytes of a file from N on; `Upload-Complete: ?1` with the last |
 * | `PATCH /logs/NAME?offset=N` | bytes of a log from N on; 409 with `Upload-Offset` when some before are missing |
 * | `GET /logs/NAME` | a log; ranges |
 */
export function storeRouter({ exchange, token, silentMs = SILENT_MS }: StoreOptions): Hono {
  const router = new Hono();
  const uploads = new OneByOne();
  router.use('*', async (context, next) => {
    if (!bears(context.req.header('authorization'), token)) {
      context.header('WWW-Authenticate', 'Bearer');
      return context.text('this store wants its bearer token\n', 401);
    }
    return next();
  });
  router.onError((error, context) => {
    if (!(error instanceof KilnError)) throw error;
    return context.text(
      `${error.message}\n`,
      error.kind === 'integrity' ? 422 : error.kind === 'usage' ? 400 : 409,
    );
  });
  router.get('/version', async (context) => context.text(`${await exchange.version()}\n`));
  // Hono answers HEAD by the GET handler: it tells by the method.
  router.get('/files/:sha256', async (context) => {
    const sha256 = context.req.param('sha256');
    const path = exchange.pathOf(sha256);
    const size = (await exchange.has(sha256)) ? await sizeOf(path) : undefined;
    if (size !== undefined) return sendFile(context, path, size);
    context.header('Upload-Offset', String((await sizeOf(`${path}.part`)) ?? 0));
    return context.text('no such file\n', 404);
  });
  router.patch('/files/:sha256', (context) => {
    const sha256 = context.req.param('sha256');
    const path = exchange.pathOf(sha256);
    const offset = wholeNumber(context.req.query('offset'));
    // Two that write at once would leave the bytes of neither, and the slower one would go on in the accepted file.
    return uploads.inTurn(path, async () => {
      if ((await sizeOf(path)) !== undefined) return context.body(null, 204);
      const partial = `${path}.part`;
      const there = (await sizeOf(partial)) ?? 0;
      if (offset !== there) {
        context.header('Upload-Offset', String(there));
        return context.text(`expected the bytes from ${there} on\n`, 409);
      }
      await mkdir(dirname(path), { recursive: true });
      await receive(context, partial, silentMs);
      if (context.req.header('upload-complete') === '?1') {
        try {
          await acceptFile(partial, path, sha256);
        } finally {
          await rm(partial, { force: true });
        }
      }
      return context.body(null, 204);
    });
  });
  router.patch('/logs/:delivery/:name', async (context) => {
    const name = `${context.req.param('delivery')}/${context.req.param('name')}`;
    const bytes = new Uint8Array(await context.req.arrayBuffer());
    context.header('Upload-Offset', String(await exchange.logSize(name)));
    await exchange.appendLog(name, wholeNumber(context.req.query('offset')), bytes);
    context.header('Upload-Offset', String(await exchange.logSize(name)));
    return context.body(null, 204);
  });
  router.get('/logs/:delivery/:name', async (context) => {
    const path = exchange.logPath(`${context.req.param('delivery')}/${context.req.param('name')}`);
    const size = await sizeOf(path);
    return size === undefined ? context.text('no such log\n', 404) : sendFile(context, path, size);
  });
  return router;
}

function bears(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}

function wholeNumber(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) {
    throw new KilnError('usage', `offset=${text ?? ''} is no whole number`);
  }
  return Number(text);
}

/** Does what is asked for under one name one after another, in the order in which it came. */
class OneByOne {
  readonly #last = new Map<string, Promise<unknown>>();

  inTurn<T>(name: string, action: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const mine = before.then(action);
    const over = mine
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(name) === over) this.#last.delete(name);
      });
    this.#last.set(name, over);
    return mine;
  }
}

/**
 * Adds a request's body to a file; what has arrived stays when the connection is cut.
 * @throws KilnError `failed`, transient: it was cut, or nothing came for so long; or the disk can't take it
 */
async function receive(context: Context, path: string, silentMs: number): Promise<void> {
  const { body } = context.req.raw;
  if (body === null) return;
  const silence = new AbortController();
  const listen = () => setTimeout(() => silence.abort(), silentMs);
  let timer = listen();
  try {
    await pipeline(
      Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]),
      async function* heard(chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          // How long the disk takes is not the worker's silence.
          clearTimeout(timer);
          yield chunk;
          timer = listen();
        }
      },
      createWriteStream(path, { flags: 'a' }),
      { signal: silence.signal },
    );
  } catch (error) {
    if (isDiskFailure(error)) {
      throw explainDisk('take in a file of a worker', error, {
        full: 'kiln gc says what can be freed',
        other: 'see to the disk of the coordinator',
      });
    }
    const why = silence.signal.aborted ? `nothing came for ${silentMs / 1000} s` : 'the connection was cut';
    throw new KilnError('failed', `an upload ended early: ${why}`, { transient: true, cause: error });
  } finally {
    clearTimeout(timer);
  }
}
