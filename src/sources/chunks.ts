import type { Readable } from 'node:stream';

/** Bytes that may wait for a slow disk before the sender is made to wait. */
const MOST_WAITING = 4 * 2 ** 20;

/**
 * Starts reading a stream at once, and gives its chunks in order; when it fails, first all that had come, then the
 * error. (A stream's own iterator throws away what it holds when a connection is cut, and misses a cut that comes
 * before it is asked; a resumed download would fetch it all again.)
 */
export function chunksOf(stream: Readable): AsyncGenerator<Buffer> {
  const waiting: Buffer[] = [];
  const state: { bytes: number; end?: { readonly error?: unknown } } = { bytes: 0 };
  let news = Promise.withResolvers<void>();
  const end = (how: { readonly error?: unknown }) => {
    state.end ??= how;
    news.resolve();
  };
  stream.on('data', (chunk: Buffer) => {
    waiting.push(chunk);
    state.bytes += chunk.length;
    if (state.bytes > MOST_WAITING) stream.pause();
    news.resolve();
  });
  stream.on('end', () => end({}));
  stream.on('error', (error) => end({ error }));
  stream.on('close', () => end({ error: Object.assign(new Error('closed'), { code: 'ECONNRESET' }) }));

  async function* take(): AsyncGenerator<Buffer> {
    for (;;) {
      for (let chunk = waiting.shift(); chunk !== undefined; chunk = waiting.shift()) {
        state.bytes -= chunk.length;
        yield chunk;
      }
      if (state.end?.error !== undefined) throw state.end.error;
      if (state.end !== undefined) return;
      stream.resume();
      await news.promise;
      news = Promise.withResolvers<void>();
    }
  }
  return take();
}
