import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Context } from 'hono';
import { hasErrno } from '../platform/errors.ts';

/** A file's size; undefined where there is none. */
export async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * The whole file, or the one range that is asked for: `bytes=A-` or `bytes=A-B` (RFC 9110, 14).
 * @param more headers besides those of the range
 */
export function sendFile(
  context: Context,
  path: string,
  size: number,
  more: Readonly<Record<string, string>> = {},
): Response {
  const range = rangeOf(context);
  const start = range === undefined ? 0 : range.start;
  const end = Math.min(range?.end ?? size - 1, size - 1);
  if (range !== undefined && (start >= size || start > end)) {
    return new Response(null, { status: 416, headers: { 'Content-Range': `bytes */${size}` } });
  }
  const headers: Record<string, string> = {
    'Content-Type': 'application/octet-stream',
    'Content-Length': String(Math.max(0, end - start + 1)),
    'Accept-Ranges': 'bytes',
    ...more,
    ...(range === undefined ? {} : { 'Content-Range': `bytes ${start}-${end}/${size}` }),
  };
  const status = range === undefined ? 200 : 206;
  if (context.req.method === 'HEAD' || size === 0) return new Response(null, { status, headers });
  const body = Readable.toWeb(createReadStream(path, { start, end })) as ReadableStream;
  return new Response(body, { status, headers });
}

function rangeOf(context: Context): { readonly start: number; readonly end: number | undefined } | undefined {
  const match = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(context.req.header('range') ?? '');
  if (match === null) return undefined;
  return { start: Number(match[1]), end: match[2] === '' ? undefined : Number(match[2]) };
}

/**
 * A file from a byte on, and what is added to it, until somebody says that nothing will be.
 * @param more returns when there may be more; false when there won't be
 */
export function followFile(
  path: string,
  from: number,
  more: () => Promise<boolean>,
): ReadableStream<Uint8Array> {
  let at = from;
  let going = true;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const chunk = await readAt(path, at);
          if (chunk.length > 0) {
            at += chunk.length;
            return controller.enqueue(chunk);
          }
          if (!going) return controller.close();
          // What was written before the end was told is still to be read.
          going = await more();
        }
      },
    },
    { highWaterMark: 0 },
  );
}

async function readAt(path: string, at: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1 << 16), 0, 1 << 16, at);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
