/** A command that arrived whole: its words, and how many bytes it took. */
export interface Taken {
  readonly words: readonly Buffer[];
  readonly length: number;
}

/** Larger than any result of a compiler's; whoever says more is no ccache. */
const LONGEST = 1 << 28;

/**
 * Takes a command off the front of what a client of Redis has sent: an array of bulk strings (RESP,
 * https://redis.io/docs/latest/develop/reference/protocol-spec).
 * @returns undefined while some of it is missing
 * @throws Error for anything else
 */
export function takeCommand(bytes: Buffer): Taken | undefined {
  const head = readLength(bytes, 0, '*');
  if (head === undefined) return undefined;
  let { at } = head;
  const words: Buffer[] = [];
  while (words.length < head.value) {
    const length = readLength(bytes, at, '$');
    if (length === undefined) return undefined;
    const end = length.at + length.value;
    if (bytes.length < end + 2) return undefined;
    words.push(bytes.subarray(length.at, end));
    at = end + 2;
  }
  return { words, length: at };
}

function readLength(bytes: Buffer, at: number, sign: '*' | '$'): { value: number; at: number } | undefined {
  const end = bytes.indexOf('\r\n', at, 'latin1');
  const line = bytes.toString('latin1', at, end < 0 ? at + 16 : end);
  if (end < 0 && line.length < 16) return undefined;
  const value = line.startsWith(sign) && /^.\d{1,9}$/.test(line) ? Number(line.slice(1)) : Number.NaN;
  if (!(value <= LONGEST)) throw new Error(`expected ${sign} and a length, found ${JSON.stringify(line)}`);
  return { value, at: end + 2 };
}

/** What Redis answers, as bytes. */
export const reply = {
  ok: Buffer.from('+OK\r\n'),
  nothing: Buffer.from('$-1\r\n'),
  count: (value: number) => Buffer.from(`:${value}\r\n`),
  error: (words: string) => Buffer.from(`-ERR ${words.replaceAll(/[\r\n]+/g, ' ')}\r\n`),
  bytes: (value: Uint8Array) =>
    Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]),
} as const;
