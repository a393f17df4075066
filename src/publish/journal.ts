import { crc32 } from 'node:zlib';

/** One bundle that a channel pointed to, numbered from 1 in the order of publishing. */
export interface Generation {
  readonly generation: number;
  readonly bundle: string;
  readonly recipe: string;
  readonly variant: string;
  /** The one file of the bundle that the channel is, in the classic single-file form. */
  readonly file?: string;
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

/** One move of the symlink. A rollback is a flip to an older generation; it makes no new one. */
export interface Flip {
  readonly at: string;
  readonly by: string;
  readonly reason: string;
  readonly from: number | null;
  readonly to: number;
}

/** A channel that is held where it is. */
export interface Pin {
  readonly at: string;
  readonly by: string;
  readonly reason: string;
  /** What it pointed to when it was pinned. */
  readonly generation: number | null;
}

/**
 * A channel's history. The symlink alone says what nodes boot; this says which generation that is, and how
 * it came about. `pending` is the intent noted before the symlink moves: found at a start, the symlink tells
 * whether the move happened.
 */
export interface ChannelRecord {
  readonly name: string;
  readonly current: number | null;
  readonly generations: readonly Generation[];
  readonly flips: readonly Flip[];
  readonly pin?: Pin;
  readonly pending?: Intent;
  /** The journal has its first line. */
  readonly opened?: true;
}

/** A move about to be made; with a generation when that is a new one. */
export interface Intent {
  readonly flip: Flip;
  readonly target: string;
  readonly generation?: Generation;
}

/** A line of a channel's journal. */
export type Entry =
  | { readonly type: 'channel'; readonly format: 'kiln-journal/1'; readonly name: string }
  | ({ readonly type: 'intent' } & Intent)
  | { readonly type: 'done'; readonly to: number }
  | { readonly type: 'dropped'; readonly to: number }
  | ({ readonly type: 'pin' } & Pin)
  | { readonly type: 'unpin'; readonly at: string; readonly by: string; readonly reason: string };

/**
 * A line for each entry: CRC-32 of the JSON in eight hex digits, a blank, the JSON. The file is only ever
 * appended to, so that a publish costs the same whatever the channel's age, and each line can tell by itself
 * whether it is whole.
 */
export function formatEntries(entries: readonly Entry[]): string {
  return entries
    .map((entry) => {
      const json = JSON.stringify(entry);
      return `${checksum(json)} ${json}\n`;
    })
    .join('');
}

/** What a journal's text says. */
export interface ReadJournal {
  readonly entries: readonly Entry[];
  /** Bytes up to the end of the last whole line: a tail that a crash tore begins here. */
  readonly whole: number;
}

/**
 * Reads a journal. A torn tail is what a crash leaves of a line that nobody relied on yet, and is left out;
 * a bad line with good ones behind it is damage.
 * @returns the number of the damaged line (from 1) where there is one
 */
export function parseJournal(bytes: Buffer): ReadJournal | { readonly damagedLine: number } {
  const entries: Entry[] = [];
  let at = 0;
  let line = 0;
  while (at < bytes.length) {
    line += 1;
    const end = bytes.indexOf(0x0a, at);
    const entry = end === -1 ? undefined : parseLine(bytes.toString('utf8', at, end));
    if (entry === undefined) {
      return hasWholeLine(bytes, end) ? { damagedLine: line } : { entries, whole: at };
    }
    entries.push(entry);
    at = end + 1;
  }
  return { entries, whole: at };
}

function hasWholeLine(bytes: Buffer, from: number): boolean {
  if (from === -1) return false;
  const rest = bytes.toString('utf8', from + 1).split('\n');
  return rest.slice(0, -1).some((text) => parseLine(text) !== undefined);
}

function parseLine(text: string): Entry | undefined {
  const json = text.slice(9);
  if (text[8] !== ' ' || text.slice(0, 8) !== checksum(json)) return undefined;
  return JSON.parse(json) as Entry;
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

/** Pure: the record that a journal's entries come to; a move that was not noted as done is still pending. */
export function foldJournal(name: string, entries: readonly Entry[]): ChannelRecord {
  const generations: Generation[] = [];
  const flips: Flip[] = [];
  let current: number | null = null;
  let pin: Pin | undefined;
  let pending: Intent | undefined;
  for (const entry of entries) {
    if (entry.type === 'intent') {
      const { flip, target, generation } = entry;
      pending = { flip, target, ...(generation === undefined ? {} : { generation }) };
    } else if (entry.type === 'done' && pending !== undefined) {
      if (pending.generation !== undefined) generations.push(pending.generation);
      flips.push(pending.flip);
      current = pending.flip.to;
      pending = undefined;
    } else if (entry.type === 'dropped') {
      pending = undefined;
    } else if (entry.type === 'pin') {
      pin = { at: entry.at, by: entry.by, reason: entry.reason, generation: entry.generation };
    } else if (entry.type === 'unpin') {
      pin = undefined;
    }
  }
  return {
    name,
    current,
    generations,
    flips,
    opened: true,
    ...(pin === undefined ? {} : { pin }),
    ...(pending === undefined ? {} : { pending }),
  };
}

/** Pure: applies or drops a pending move according to where the symlink points. */
export function settle(record: ChannelRecord, target: string | undefined): ChannelRecord {
  if (record.pending === undefined) return record;
  const { pending, ...settled } = record;
  if (target !== pending.target) return settled;
  return {
    ...settled,
    current: pending.flip.to,
    flips: [...record.flips, pending.flip],
    generations:
      pending.generation === undefined ? record.generations : [...record.generations, pending.generation],
  };
}
