/** Byte constants and line helpers: patches and files are bytes, never text in an assumed encoding. */
export const NEWLINE = 10;
export const RETURN = 13;
export const SPACE = 32;
export const PLUS = 43;
export const MINUS = 45;
export const BACKSLASH = 92;

const NO_BYTES = new Uint8Array(0);

/** An empty file's content. */
export function noBytes(): Uint8Array {
  return NO_BYTES;
}

/** A Buffer over the same memory. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One character per byte, so that any content survives a round trip through a string. */
export function latin1(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}

/** The bytes of a string made by `latin1`. */
export function fromLatin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** Bytes as a person reads them: UTF-8 where they are that, else Latin-1. */
export function readable(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return latin1(bytes);
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** Byte behind the newline that ends the line starting at `at`; the end of the bytes where there is none. */
export function lineEnd(bytes: Buffer, at: number): number {
  const newline = bytes.indexOf(NEWLINE, at);
  return newline < 0 ? bytes.length : newline + 1;
}

/** The lines of a file, each with its newline (the last one perhaps without), one character per byte. */
export function splitLines(bytes: Uint8Array): string[] {
  const lines = latin1(bytes).split(/(?<=\n)/);
  return lines.length === 1 && lines[0] === '' ? [] : lines;
}

/** Where lines start in a file; scanned only as far as asked. */
export class LineIndex {
  private starts = new Uint32Array(64);
  /** Lines whose start is known; line `known` (0-based) would start at `scanned`. */
  private known = 1;
  private scanned = 0;
  private readonly bytes: Uint8Array;
  /** The same bytes four at a time, as far as they go; none where they don't start at a multiple of four. */
  private readonly words: Int32Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    const aligned = (bytes.byteOffset & 3) === 0;
    this.words = new Int32Array(
      bytes.buffer,
      aligned ? bytes.byteOffset : 0,
      aligned ? bytes.length >> 2 : 0,
    );
  }

  /** Byte where the 0-based `line` starts; the file's length for the line behind the last; undefined beyond. */
  start(line: number): number | undefined {
    if (line >= this.known) this.scan(line);
    if (line < this.known) return this.starts[line];
    return undefined;
  }

  /** How many lines the file has; a last line without newline counts. */
  count(): number {
    this.scan(Number.POSITIVE_INFINITY);
    const last = this.starts[this.known - 1] ?? 0;
    return last === this.bytes.length ? this.known - 1 : this.known;
  }

  /** The 0-based line that starts at byte `at`, which must be the start of a line. */
  lineAt(at: number): number {
    while (this.scanned < at) if (!this.scan(this.known)) break;
    let low = 0;
    let high = this.known - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private scan(line: number): boolean {
    const { bytes, words } = this;
    const length = bytes.length;
    const before = this.known;
    let { starts, known, scanned: at } = this;
    // Locals, not fields: this loop passes over every byte of every file that is patched.
    while (known <= line && at < length) {
      // Four bytes at once while none of them is a newline ("Hacker's Delight", 6-1: find a zero byte).
      if ((at & 3) === 0) {
        for (let word = at >> 2; word < words.length; word++) {
          const zero = (words[word] as number) ^ 0x0a0a0a0a;
          if (((zero - 0x01010101) & ~zero & 0x80808080) !== 0) break;
          at += 4;
        }
        if (at >= length) break;
      }
      if (bytes[at++] !== NEWLINE) continue;
      if (known === starts.length) starts = this.grow();
      starts[known++] = at;
    }
    this.known = known;
    this.scanned = at;
    return known > before;
  }

  private grow(): Uint32Array<ArrayBuffer> {
    const bigger = new Uint32Array(this.starts.length * 4);
    bigger.set(this.starts);
    this.starts = bigger;
    return bigger;
  }
}
