import { inflateSync } from 'node:zlib';
import { KilnError } from '../platform/errors.ts';
import type { PatchReader } from './reader.ts';
import type { BinaryHunk } from './types.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~';
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));
/** No file of a kernel tree comes near this; a few kilobytes of zlib could otherwise ask for gigabytes. */
const LARGEST = 256 << 20;

/**
 * Reads the two halves behind a `GIT binary patch` line (Documentation/gitformat-pack for the delta,
 * git's base85.c and diff.c for the armour).
 * @throws KilnError `invalid` when the data are damaged
 */
export function readBinary(reader: PatchReader): { forward: BinaryHunk; reverse: BinaryHunk | undefined } {
  reader.next();
  const forward = readHalf(reader);
  if (forward === undefined) reader.fail('expected "literal SIZE" or "delta SIZE" behind GIT binary patch');
  return { forward, reverse: readHalf(reader) };
}

function readHalf(reader: PatchReader): BinaryHunk | undefined {
  const header = reader.done ? null : /^(literal|delta) (\d{1,10})$/.exec(reader.text());
  if (header === null) return undefined;
  const size = Number(header[2]);
  if (size > LARGEST) reader.fail(`a binary file of ${size} bytes is larger than Kiln accepts (${LARGEST})`);
  const place = reader.place;
  reader.next();
  const packed: Buffer[] = [];
  while (!reader.done && reader.text() !== '') {
    packed.push(decodeLine(reader));
    reader.next();
  }
  if (!reader.done) reader.next();
  let data: Buffer;
  try {
    data = inflateSync(Buffer.concat(packed), { maxOutputLength: Math.max(1, size) });
  } catch (cause) {
    throw new KilnError('invalid', 'the binary data are damaged', {
      place,
      cause,
    });
  }
  if (data.length !== size) reader.fail(`the binary data have ${data.length} bytes instead of ${size}`);
  return { kind: header[1] === 'literal' ? 'literal' : 'delta', data };
}

function decodeLine(reader: PatchReader): Buffer {
  const text = reader.text();
  const lead = text.charCodeAt(0);
  const length = lead >= 97 ? lead - 97 + 27 : lead - 65 + 1;
  const groups = (text.length - 1) / 5;
  if (length < 1 || length > 52 || groups !== Math.ceil(length / 4)) {
    reader.fail('a line of binary data is damaged');
  }
  const bytes = Buffer.alloc(groups * 4);
  for (let group = 0; group < groups; group++) {
    let value = 0;
    for (let digit = 0; digit < 5; digit++) {
      const part = VALUES.get(text.charAt(1 + group * 5 + digit));
      if (part === undefined)
        reader.fail('a line of binary data holds a character that base85 does not have');
      value = value * 85 + part;
    }
    if (value > 0xffffffff) reader.fail('a line of binary data is damaged');
    bytes.writeUInt32BE(value, group * 4);
  }
  return bytes.subarray(0, length);
}

/**
 * Applies one half of a binary patch.
 * @returns the new content, or undefined when the delta was made for another file
 */
export function applyBinary(hunk: BinaryHunk, source: Uint8Array): Uint8Array | undefined {
  return hunk.kind === 'literal' ? hunk.data : applyDelta(hunk.data, source);
}

function applyDelta(delta: Uint8Array, source: Uint8Array): Uint8Array | undefined {
  let at = 0;
  const byte = () => delta[at++] ?? 0;
  const size = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const part = byte();
      value += (part & 127) * scale;
      if (part < 128 || scale > 2 ** 35) return value;
    }
  };
  if (size() !== source.length) return undefined;
  const total = size();
  if (total > LARGEST) return undefined;
  const target = Buffer.alloc(total);
  let filled = 0;
  while (at < delta.length) {
    const op = byte();
    let piece: Uint8Array;
    if (op & 128) {
      let [offset, length] = [0, 0];
      for (let bit = 0; bit < 4; bit++) if (op & (1 << bit)) offset += byte() * 2 ** (8 * bit);
      for (let bit = 0; bit < 3; bit++) if (op & (16 << bit)) length += byte() * 2 ** (8 * bit);
      if (length === 0) length = 0x10000;
      piece = source.subarray(offset, offset + length);
      if (piece.length !== length) return undefined;
    } else {
      piece = delta.subarray(at, at + op);
      at += op;
      if (op === 0 || piece.length !== op) return undefined;
    }
    if (filled + piece.length > total) return undefined;
    target.set(piece, filled);
    filled += piece.length;
  }
  return filled === total ? target : undefined;
}
