import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

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
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    for (const hash of hashes.values()) hash.update(bytes);
  }
  const digests = Object.fromEntries([...hashes].map(([name, hash]) => [name, hash.digest('hex')]));
  return { size, ...digests } as unknown as FileDigests;
}
