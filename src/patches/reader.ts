import { KilnError, type Place } from '../platform/errors.ts';
import { asBuffer, lineEnd, NEWLINE, RETURN } from './bytes.ts';

/** Reads a patch line by line without copying it. */
export class PatchReader {
  readonly bytes: Buffer;
  readonly name: string;
  /** Byte where the current line starts. */
  at = 0;
  /** Number of the current line, from 1. */
  line = 1;

  constructor(bytes: Uint8Array, name: string) {
    this.bytes = asBuffer(bytes);
    this.name = name;
  }

  get done(): boolean {
    return this.at >= this.bytes.length;
  }

  get place(): Place {
    return { file: this.name, line: this.line };
  }

  /** First byte of the current line. */
  get first(): number | undefined {
    return this.bytes[this.at];
  }

  /** Byte behind the newline that ends the line starting at `at`. */
  endOf(at: number): number {
    return lineEnd(this.bytes, at);
  }

  next(): void {
    this.at = this.endOf(this.at);
    this.line++;
  }

  /** True when the line starting at `at` begins with the ASCII text. */
  startsWith(text: string, at = this.at): boolean {
    const { bytes } = this;
    if (at + text.length > bytes.length) return false;
    for (let index = 0; index < text.length; index++) {
      if (bytes[at + index] !== text.charCodeAt(index)) return false;
    }
    return true;
  }

  /** The line starting at `at`, one character per byte, without its line end (LF or CR LF). */
  text(at = this.at): string {
    const end = this.endOf(at);
    return this.bytes.toString('latin1', at, this.contentEnd(at, end));
  }

  /** True when the line starting at `at` ends in CR LF. */
  hasReturn(at = this.at): boolean {
    const end = this.endOf(at);
    return this.bytes[end - 1] === NEWLINE && this.bytes[end - 2] === RETURN;
  }

  /** @throws KilnError `invalid`, at the current line. */
  fail(sentence: string, hint?: string): never {
    throw new KilnError('invalid', sentence, {
      place: this.place,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  private contentEnd(at: number, end: number): number {
    let last = end;
    if (last > at && this.bytes[last - 1] === NEWLINE) last--;
    if (last > at && this.bytes[last - 1] === RETURN) last--;
    return last;
  }
}
