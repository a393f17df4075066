import { createHash } from 'node:crypto';
import { KilnError } from '../platform/errors.ts';
import { explain, request, retryAfterMs, TransferError } from '../sources/index.ts';
import type { Validators } from './state.ts';

/** How long a server may take. */
export interface AskPatience {
  /** Milliseconds without a byte. */
  readonly stallMs: number;
  /** Milliseconds in all. */
  readonly totalMs: number;
}

export const LISTING_PATIENCE: AskPatience = { stallMs: 30_000, totalMs: 60_000 };
export const FILE_PATIENCE: AskPatience = { stallMs: 30_000, totalMs: 10 * 60_000 };

/** Largest listing that is read, in bytes. */
export const MOST_LISTING_BYTES = 4 * 2 ** 20;

export type Asked<T> =
  /** As it was when the validators were given. */
  | { readonly status: 'same' }
  | { readonly status: 'new'; readonly value: T; readonly validators: Validators; readonly url: string }
  | {
      readonly status: 'failed';
      readonly reason: string;
      readonly retryAfterMs: number | undefined;
    };

type Head = { readonly url: string; readonly contentType: string; readonly length: number | undefined };

interface Reading<T> {
  /** Takes the body as it comes; what it throws as a KilnError is the reason of the failure. */
  readonly read: (head: Head, body: AsyncIterable<Buffer>) => Promise<T>;
  readonly patience: AskPatience;
  readonly signal: AbortSignal;
}

/**
 * Asks for a URL unless it is as it was (If-None-Match, If-Modified-Since: RFC 9110, 13.1). What goes wrong on the
 * way is a value; only an abort by the signal throws.
 */
export async function askFor<T>(url: string, before: Validators, reading: Reading<T>): Promise<Asked<T>> {
  const { patience, signal } = reading;
  const late = AbortSignal.timeout(patience.totalMs);
  const both = AbortSignal.any([signal, late]);
  try {
    const {
      url: from,
      response,
      body,
    } = await request(url, {
      headers: { 'user-agent': 'kiln (watch)', 'accept-encoding': 'identity', ...conditions(before) },
      signal: both,
      stallMs: patience.stallMs,
      keepSecure: true,
    });
    try {
      const { statusCode = 0, statusMessage = '', headers } = response;
      if (statusCode === 304) return { status: 'same' };
      if (statusCode !== 200) {
        return failed(
          `the server answers ${statusCode} ${statusMessage}`.trimEnd(),
          retryAfterMs(headers['retry-after'], Date.now()),
        );
      }
      const length = headers['content-length'];
      const head: Head = {
        url: from,
        contentType: headers['content-type'] ?? '',
        length: length === undefined ? undefined : Number(length),
      };
      const value = await reading.read(head, body);
      return { status: 'new', value, validators: validatorsOf(headers), url: from };
    } finally {
      response.destroy();
    }
  } catch (thrown) {
    signal.throwIfAborted();
    if (late.aborted) return failed(`it took longer than ${patience.totalMs / 1000} s`);
    const error = explain(thrown, signal);
    if (error instanceof TransferError) return failed(error.message, error.afterMs);
    if (error instanceof KilnError) return failed(error.message);
    throw error;
  }
}

function failed(reason: string, retryAfter?: number): Extract<Asked<never>, { status: 'failed' }> {
  return { status: 'failed', reason, retryAfterMs: retryAfter };
}

function conditions({ etag, lastModified }: Validators): Record<string, string> {
  return {
    ...(etag === undefined ? {} : { 'if-none-match': etag }),
    ...(lastModified === undefined ? {} : { 'if-modified-since': lastModified }),
  };
}

function validatorsOf(headers: Readonly<Record<string, string | string[] | undefined>>): Validators {
  const { etag, 'last-modified': lastModified } = headers;
  return {
    ...(typeof etag === 'string' ? { etag } : {}),
    ...(typeof lastModified === 'string' ? { lastModified } : {}),
  };
}

/** The text of a listing. @throws KilnError for one that is too large or was cut off */
export async function readText({ length }: Head, body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const tooLarge = () =>
    new KilnError('failed', `the listing is larger than ${MOST_LISTING_BYTES / 2 ** 20} MiB`, {
      transient: true,
    });
  if (length !== undefined && length > MOST_LISTING_BYTES) throw tooLarge();
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MOST_LISTING_BYTES) throw tooLarge();
  }
  if (length !== undefined && size < length) throw cut();
  return Buffer.concat(chunks).toString('utf8');
}

/** The digests of a file that may be so large, for comparing with its pins. */
export function readDigests(most: number) {
  return async ({ length, contentType }: Head, body: AsyncIterable<Buffer>) => {
    // A file that is gone is often answered by a page that says so.
    if (/\bhtml\b/.test(contentType)) {
      throw new KilnError('failed', 'the server answers with a web page', { transient: true });
    }
    const hashes = (['sha256', 'sha1', 'md5'] as const).map((name) => [name, createHash(name)] as const);
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      for (const [, hash] of hashes) hash.update(chunk);
      // Larger than it must be: its size says enough.
      if (size > most) return { size: length ?? size };
    }
    if (length !== undefined && size < length) throw cut();
    return { size, ...Object.fromEntries(hashes.map(([name, hash]) => [name, hash.digest('hex')])) };
  };
}

function cut(): KilnError {
  return new KilnError('failed', 'the connection was cut', { transient: true });
}
