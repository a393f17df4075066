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
 * Where a channel stands: what its next flip has to know, and no more. The symlink alone says what nodes boot;
 * this says which generation that is.
 */
export interface ChannelState {
  readonly name: string;
  /** What it points to; null before its first flip. */
  readonly current: Generation | null;
  /** The number of its newest generation; 0 for none. */
  readonly latest: number;
  /** The flip that got it to where it is. */
  readonly moved: Flip | null;
  readonly pin?: Pin;
}

/** A channel with its whole history. */
export interface ChannelRecord extends ChannelState {
  readonly generations: readonly Generation[];
  readonly flips: readonly Flip[];
}

/** A move about to be made, noted before the symlink moves: found at a start, the symlink tells whether it happened. */
export interface Intent {
  readonly flip: Flip;
  readonly target: string;
  /** The generation, when the move makes a new one. */
  readonly generation?: Generation;
  /** The generation that it goes back to, said again, so that nobody has to look for it further up. */
  readonly back?: Generation;
}

/** What all that stands above it in the journal comes to: nobody has to read further up to go on. */
export type Checkpoint = Pick<ChannelState, 'current' | 'latest' | 'moved' | 'pin'>;

/** A line of a channel's journal. */
export type Entry =
  | { readonly type: 'channel'; readonly format: 'kiln-journal/1'; readonly name: string }
  | ({ readonly type: 'checkpoint' } & Checkpoint)
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

/** Reads a line without its end; undefined for one that is torn or damaged. */
export function parseLine(text: string): Entry | undefined {
  const json = text.slice(9);
  if (text[8] !== ' ' || text.slice(0, 8) !== checksum(json)) return undefined;
  return JSON.parse(json) as Entry;
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

/** A channel that has never been published to. */
export function emptyState(name: string): ChannelState {
  return { name, current: null, latest: 0, moved: null };
}

/** Where a channel stands, without its history. */
export function stateOf({ generations, flips, ...state }: ChannelRecord): ChannelState {
  return state;
}

/** The checkpoint that says where a channel stands. */
export function checkpointOf({ current, latest, moved, pin }: ChannelState): Entry {
  return { type: 'checkpoint', current, latest, moved, ...(pin === undefined ? {} : { pin }) };
}

/** What a journal comes to. */
export interface Folded {
  readonly record: ChannelRecord;
  /** The entry that ends a move which was not noted as done; undefined where none is open. */
  readonly closing: Entry | undefined;
}

/**
 * Pure: what a journal's entries come to; a move that a crash cut short counts as done or dropped by where the symlink
 * points.
 * @param entries from the journal's beginning, or from a checkpoint: then the record has what follows that alone
 * @param target what the channel's symlink says; undefined where there is none
 * @returns the number of the line (from 1) of a checkpoint that says something else than the entries before it
 */
export function foldJournal(
  name: string,
  entries: readonly Entry[],
  target: string | undefined,
): Folded | { readonly damagedLine: number } {
  const generations: Generation[] = [];
  const flips: Flip[] = [];
  let now: Standing = emptyState(name);
  const apply = (entry: Entry) => {
    if (entry.type === 'done' && now.pending !== undefined) {
      if (now.pending.generation !== undefined) generations.push(now.pending.generation);
      flips.push(now.pending.flip);
    }
    now = next(now, entry);
  };
  for (const [index, entry] of entries.entries()) {
    if (entry.type === 'checkpoint' && index > 0 && !isSame(entry, checkpointOf(now))) {
      return { damagedLine: index + 1 };
    }
    apply(entry);
  }
  const closing = closingOf(now, target);
  if (closing !== undefined) apply(closing);
  return { record: { ...now, generations, flips }, closing };
}

interface Standing extends ChannelState {
  readonly pending?: Intent;
}

function isSame(one: Entry, other: Entry): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function closingOf({ pending }: Standing, target: string | undefined): Entry | undefined {
  if (pending === undefined) return undefined;
  return { type: target === pending.target ? 'done' : 'dropped', to: pending.flip.to };
}

function next(now: Standing, entry: Entry): Standing {
  const { pending, ...settled } = now;
  switch (entry.type) {
    case 'channel':
      return now;
    case 'checkpoint': {
      const { type, ...checkpoint } = entry;
      return { name: now.name, ...checkpoint };
    }
    case 'intent': {
      const { type, ...intent } = entry;
      return { ...settled, pending: intent };
    }
    case 'done':
      return pending === undefined ? now : arrive(settled, pending);
    case 'dropped':
      return settled;
    case 'pin': {
      const { type, ...pin } = entry;
      return { ...now, pin };
    }
    case 'unpin': {
      const { pin, ...free } = now;
      return free;
    }
  }
}

function arrive(state: ChannelState, { flip, generation, back }: Intent): ChannelState {
  const current = generation ?? back ?? null;
  return { ...state, current, latest: Math.max(state.latest, generation?.generation ?? 0), moved: flip };
}
