import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';

/** Hex SHA-256 of bytes or of a string's UTF-8. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/**
 * Hex SHA-256 of a value's canonical JSON: object keys sorted, `undefined` members left out.
 * Equal values give equal digests whatever order their keys were written in.
 */
export function digestOf(value: unknown): string {
  return sha256(canonicalJson(value));
}

/** JSON with sorted object keys and no white space. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (member === null || typeof member !== 'object' || Array.isArray(member)) return member;
    const record = member as Record<string, unknown>;
    return Object.fromEntries(
      Object.keys(record)
        .sort()
        .map((key) => [key, record[key]]),
    );
  });
}

export interface FileDigests {
  readonly size: number;
  readonly sha256: string;
  readonly sha1?: string;
  readonly md5?: string;
}

/** Reads a file once and gives its size, SHA-256 and, where asked, the older digests upstreams published. */
export async function digestFile(path: string, also: readonly ('md5' | 'sha1')[] = []): Promise<FileDigests> {
  const hashes = new Map<string, Hash>();
  for (const name of ['sha256', ...also]) hashes.set(name, createHash(name));
  let size = 0;
  for await (const bytes of chunksOf(path)) {
    size += bytes.length;
    for (const hash of hashes.values()) hash.update(bytes);
  }
  const digests = Object.fromEntries([...hashes].map(([name, hash]) => [name, hash.digest('hex')]));
  return { size, ...digests } as unknown as FileDigests;
}

const CHUNK = 1 << 20;

/** Pairs of buffers that no file is read into just now: whoever needs memory for each of a bundle's files keeps V8 clearing up. */
const idle: (readonly [Buffer, Buffer])[] = [];
const MOST_IDLE = 4;

/**
 * A file's bytes in order. While one chunk is looked at the next is read, into one of two buffers: a chunk is valid
 * until the one after it is asked for. (A stream makes a new buffer for each, and leaves a kernel's size in garbage.)
 */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path);
  let buffers = idle.pop() ?? ([Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)] as const);
  let reading = file.read(buffers[0], 0, CHUNK);
  try {
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      const chunk = buffers[0].subarray(0, bytesRead);
      buffers = [buffers[1], buffers[0]];
      reading = file.read(buffers[0], 0, CHUNK);
      yield chunk;
    }
  } finally {
    // Who looks no further may leave a chunk that is still being read.
    await reading.catch(() => undefined);
    if (idle.length < MOST_IDLE) idle.push(buffers);
    await file.close();
  }
}
