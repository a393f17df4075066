import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { explain, request, retryAfterMs, TransferError } from './http.ts';
import type { PartialFile, Validators } from './partial.ts';
import { hasDigest, type Mismatch, type Pins } from './pins.ts';
import type { Patience, SourceNews } from './types.ts';

export const DEFAULT_PATIENCE: Patience = {
  attempts: 4,
  firstDelayMs: 500,
  maxDelayMs: 60_000,
  stallMs: 30_000,
};

/** No source is larger; bounds what an unpinned URL can pour onto the disk. */
const MAX_BYTES = 4 * 2 ** 30;
/** Bytes between two `downloading` events. */
const PROGRESS_STEP = 256 * 1024;

/** The server has another file than the one pinned: its size says so before its digest could. */
export class WrongSizeError extends Error {
  override readonly name = 'WrongSizeError';
  readonly mismatch: Mismatch;

  constructor(expected: number, found: number) {
    super(`size is ${found} bytes, expected ${expected} bytes`);
    this.mismatch = { what: 'size', expected: String(expected), found: String(found) };
  }
}

export interface Download {
  readonly url: string;
  readonly partial: PartialFile;
  readonly pins: Pins;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly report: (news: SourceNews) => void;
}

/**
 * Brings the rest of a URL's file into its partial file: asks for what is missing, tries again with growing
 * delays, starts over when the file has changed on the server. The bytes are not judged here, but by digest.
 * @returns whether bytes of more than one answer were joined
 * @throws TransferError when the URL is given up; WrongSizeError; KilnError when the disk is full.
 */
export async function download(context: Download): Promise<{ readonly joined: boolean }> {
  const { url, partial, patience, signal, report } = context;
  let furthest = partial.length;
  let failures = 0;
  if (isComplete(partial)) return { joined: true };
  for (;;) {
    try {
      return { joined: (await transfer(context)) > 0 };
    } catch (error) {
      if (!(error instanceof TransferError) || !error.retry) throw error;
      // Whoever gets on, however slowly, is not given up.
      failures = partial.length > furthest ? 1 : failures + 1;
      furthest = Math.max(furthest, partial.length);
      const afterMs = error.afterMs ?? delayBefore(failures, patience);
      if (failures >= patience.attempts || afterMs > patience.maxDelayMs) throw error;
      report({ status: 'retrying', url, reason: error.message, attempt: failures + 1, afterMs });
      await sleep(afterMs, undefined, { signal }).catch((reason: unknown) => {
        throw explain(reason, signal);
      });
    }
  }
}

function isComplete(partial: PartialFile): boolean {
  return partial.length > 0 && partial.length === partial.validators.total;
}

function delayBefore(failures: number, patience: Patience): number {
  return Math.min(patience.firstDelayMs * 2 ** (failures - 1), patience.maxDelayMs);
}

/** One answer of the server, written to the partial file; gives the offset it began at. */
async function transfer(context: Download): Promise<number> {
  const { url, partial, pins, patience, signal, report } = context;
  const asked = partial.length;
  const { response, body } = await request(url, {
    headers: { 'user-agent': 'kiln', 'accept-encoding': 'identity', ...rangeHeaders(partial, pins) },
    signal,
    stallMs: patience.stallMs,
    keepSecure: pins.sha256 === undefined,
  });
  try {
    await judgeStatus(response, partial);
    const at = response.statusCode === 206 ? await continued(response, partial) : 0;
    if (at === 0 && asked > 0) await partial.restart();
    if (at > 0) report({ status: 'resumed', url, at });
    const validators = validatorsOf(response, at);
    if (validators.total !== undefined) refuseWrongSize(pins, validators.total);
    await partial.expect(validators);
    await receive(body, validators.total, context);
    return at;
  } finally {
    response.destroy();
  }
}

function rangeHeaders(partial: PartialFile, pins: Pins): Record<string, string> {
  const { etag, lastModified } = partial.validators;
  const validator = etag ?? lastModified;
  // With neither, nothing could tell that the rest belongs to another file than the beginning.
  if (partial.length === 0 || (validator === undefined && !hasDigest(pins))) return {};
  return {
    range: `bytes=${partial.length}-`,
    ...(validator === undefined ? {} : { 'if-range': validator }),
  };
}

async function judgeStatus(response: IncomingMessage, partial: PartialFile): Promise<void> {
  const status = response.statusCode ?? 0;
  if (status === 200 || (status === 206 && partial.length > 0)) return;
  if (status === 416 && partial.length > 0) {
    await partial.restart();
    throw new TransferError('the file on the server is shorter than what was received of it', true);
  }
  const words = `the server answers ${status} ${response.statusMessage ?? ''}`.trimEnd();
  const retry = status === 408 || status === 429 || status >= 500;
  throw new TransferError(words, retry, retryAfterMs(response.headers['retry-after'], Date.now()));
}

/** The offset at which a 206 goes on; anything but the place we are at starts the download over. */
async function continued(response: IncomingMessage, partial: PartialFile): Promise<number> {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers['content-range'] ?? '');
  const { total } = partial.validators;
  const sameFile = total === undefined || range?.[2] === '*' || Number(range?.[2]) === total;
  if (Number(range?.[1]) === partial.length && sameFile) return partial.length;
  await partial.restart();
  throw new TransferError('the server answers with another part of the file than asked for', true);
}

function validatorsOf(response: IncomingMessage, at: number): Validators {
  const { etag, 'last-modified': lastModified, 'content-length': length } = response.headers;
  return {
    ...(etag === undefined || etag.startsWith('W/') ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
    ...(length === undefined ? {} : { total: at + Number(length) }),
  };
}

function refuseWrongSize(pins: Pins, size: number): void {
  if (pins.size !== undefined && size !== pins.size) throw new WrongSizeError(pins.size, size);
  if (size > MAX_BYTES) throw new TransferError(`is larger than ${MAX_BYTES} bytes`, false);
}

async function receive(
  body: AsyncIterable<Buffer>,
  total: number | undefined,
  context: Download,
): Promise<void> {
  const { url, partial, pins, signal, report } = context;
  const most = pins.size ?? MAX_BYTES;
  const tell = () =>
    report({
      status: 'downloading',
      url,
      received: partial.length,
      ...(total === undefined ? {} : { total }),
    });
  let told = partial.length;
  tell();
  try {
    for await (const chunk of body) {
      await partial.append(chunk);
      if (partial.length > most) refuseWrongSize(pins, partial.length);
      if (partial.length - told < PROGRESS_STEP) continue;
      told = partial.length;
      tell();
    }
  } catch (error) {
    throw explain(error, signal);
  }
  if (total !== undefined && partial.length < total) throw new TransferError('the connection was cut', true);
  tell();
}
