import { createHash, type Hash } from 'node:crypto';
import type { FileDigests } from '../platform/digest.ts';

/** Digests of bytes as they pass, so that a file is read once. */
export class Digester {
  private readonly hashes: ReadonlyMap<string, Hash>;
  private bytes = 0;

  constructor(also: readonly ('md5' | 'sha1')[]) {
    this.hashes = new Map(['sha256' as const, ...also].map((name) => [name, createHash(name)]));
  }

  get size(): number {
    return this.bytes;
  }

  update(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    for (const hash of this.hashes.values()) hash.update(chunk);
  }

  /** The digests of all that has passed; nothing more may pass after. */
  digests(): FileDigests {
    const hex = new Map([...this.hashes].map(([name, hash]) => [name, hash.digest('hex')]));
    const sha1 = hex.get('sha1');
    const md5 = hex.get('md5');
    return {
      size: this.bytes,
      sha256: hex.get('sha256') ?? '',
      ...(sha1 === undefined ? {} : { sha1 }),
      ...(md5 === undefined ? {} : { md5 }),
    };
  }
}
