/** A call whose bytes are not what the procedure takes. */
export class Garbage extends Error {}

/** Reads XDR (RFC 1014): big-endian words, strings padded to them. Every method throws Garbage where too little is left. */
export class XdrReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(): number {
    return this.fixed(4).readUInt32BE();
  }

  /** Bytes of a length that both sides know. */
  fixed(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Garbage();
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = Math.min(this.#bytes.length, this.#at + padded(length));
    return bytes;
  }

  /** Bytes that say how many they are. */
  opaque(most: number): Buffer {
    const length = this.number();
    if (length > most) throw new Garbage();
    return this.fixed(length);
  }
}

export function words(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length);
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number >>> 0, 4 * index);
  return bytes;
}

export function opaque(bytes: Buffer): Buffer {
  return Buffer.concat([words(bytes.length), bytes], 4 + padded(bytes.length));
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
