import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { CHANNEL_NAME, isChannelName } from '../platform/channel-name.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { readlinkIfAny } from '../platform/files.ts';
import { type FileSystem, makeDirectories } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import {
  type ChannelRecord,
  type ChannelState,
  checkpointOf,
  type Entry,
  emptyState,
  type Folded,
  foldJournal,
  formatEntries,
  type Generation,
  parseJournal,
  parseLine,
  stateOf,
} from './journal.ts';
import { type JournalEnd, readFromLast } from './tail.ts';

const JOURNAL = 'journal';

/** Where a channel's history is. Channels are nested names, so it is a file in a directory. */
export function journalPath(home: Home, channel: string): string {
  return join(home.channels, channel, JOURNAL);
}

/** The channel's symlink. */
export function linkPath(home: Home, channel: string): string {
  return join(home.tftp, channel);
}

/**
 * What the channel's symlink says when it points to a bundle: relative, and inside the TFTP root.
 * @param file the one file of the bundle that it leads to, in the classic single-file form
 */
export function linkTarget(channel: string, bundle: string, file?: string): string {
  const target = file === undefined ? `/bundles/${bundle}` : `/bundles/${bundle}/${file}`;
  return posix.relative(posix.dirname(posix.join('/', channel)), target);
}

/** The target of a generation's symlink. */
export function targetOf(channel: string, generation: Generation): string {
  return linkTarget(channel, generation.bundle, generation.file);
}

/** @throws KilnError `usage` for a name that is no path below the TFTP root or that would hide bundles/. */
export function checkChannelName(channel: string): void {
  if (isChannelName(channel)) return;
  throw new KilnError('usage', `${JSON.stringify(channel)} is not a channel's name`, { hint: CHANNEL_NAME });
}

/** A channel's history as it is on the disk, or the end of it. */
export interface StoredChannel extends Folded {
  /** Bytes of the journal that are whole, and all that there are: more when a crash tore its last line. */
  readonly whole: number;
  readonly size: number;
  /** Whole bytes since the last checkpoint. */
  readonly tail: number;
}

/** What a journal is searched for when only where its channel stands is asked. */
const CHECKPOINT_MARK = '{"type":"checkpoint",';

/**
 * Reads a channel's history; undefined when there never was such a channel.
 * @param extent `tail`: from the last checkpoint on, at the same cost whatever the channel's age; damage above it
 * is not seen
 */
export async function readStored(
  home: Home,
  channel: string,
  extent: 'all' | 'tail',
): Promise<StoredChannel | undefined> {
  const file = journalPath(home, channel);
  const end = extent === 'tail' ? await readFromLast(file, CHECKPOINT_MARK) : await wholeFile(file);
  if (end === undefined) return undefined;
  const { bytes, offset } = end;
  const read = parseJournal(bytes);
  if ('damagedLine' in read) return damaged(read.damagedLine);
  const link = await readlinkIfAny(linkPath(home, channel));
  const folded = foldJournal(channel, read.entries, link);
  if ('damagedLine' in folded) return damaged(folded.damagedLine);
  if (read.whole < bytes.length || read.entries.length === 0) {
    // What a crash tears is a line that the link does not rely on yet. If it does, that line was whole once.
    const { current } = folded.record;
    const told = current === null ? undefined : targetOf(channel, current);
    if (link !== undefined && link !== told) {
      const longer = (await stat(file)).size > offset + bytes.length;
      // Or it was being written while it was read.
      return longer ? readStored(home, channel, extent) : damaged(read.entries.length + 1);
    }
  }
  // A crash while the channel's very first line was written: there is no such channel yet.
  if (read.entries.length === 0) return undefined;
  return { ...folded, whole: offset + read.whole, size: offset + bytes.length, tail: read.whole };

  async function damaged(line: number): Promise<StoredChannel | undefined> {
    // Its number in the file is known to who reads all of it.
    if (offset > 0) return readStored(home, channel, 'all');
    throw new KilnError('integrity', 'the history of the channel is damaged', {
      place: { file, line },
      hint: `what nodes boot is not affected (${linkPath(home, channel)} says it); restore the file from a backup, or move it away: the channel then begins anew`,
    });
  }
}

async function wholeFile(path: string): Promise<JournalEnd | undefined> {
  const bytes = await readIfAny(path);
  return bytes === undefined ? undefined : { bytes, offset: 0 };
}

/**
 * Reads all of a channel's history, with a move that a crash cut short settled by what the symlink says; undefined for
 * none. @throws KilnError `integrity` when any of it is damaged
 */
export async function readChannel(home: Home, channel: string): Promise<ChannelRecord | undefined> {
  return (await readStored(home, channel, 'all'))?.record;
}

/** Reads where a channel stands, whatever its age; undefined where there is no such channel. */
export async function readState(home: Home, channel: string): Promise<ChannelState | undefined> {
  const stored = await readStored(home, channel, 'tail');
  return stored === undefined ? undefined : stateOf(stored.record);
}

/** A generation of a channel by its number, at the cost of how long ago it was named; undefined for none. */
export async function readGeneration(
  home: Home,
  { name, current, latest }: ChannelState,
  number: number,
): Promise<Generation | undefined> {
  if (number < 1 || number > latest) return undefined;
  if (current?.generation === number) return current;
  // Wherever an entry names it, it names all of it; numbers that were done are not used again.
  const end = await readFromLast(journalPath(home, name), `{"generation":${number},`);
  const [line = ''] = end?.bytes.toString('utf8', 0, end.bytes.indexOf(0x0a)).split('\n') ?? [];
  const entry = parseLine(line);
  const named =
    entry?.type === 'intent'
      ? [entry.generation, entry.back]
      : entry?.type === 'checkpoint'
        ? [entry.current]
        : [];
  const found = named.find((one) => one?.generation === number);
  if (found) return found;
  return (await readChannel(home, name))?.generations.find(({ generation }) => generation === number);
}

/** Appends to a channel's journal; durable when it returns. Makes the journal where there is none. */
export async function appendEntries(
  fs: FileSystem,
  home: Home,
  channel: string,
  entries: readonly Entry[],
): Promise<void> {
  const file = journalPath(home, channel);
  const size = (await fs.look(file))?.size;
  if (size === undefined) await makeDirectories(fs, dirname(file));
  try {
    await fs.append(file, Buffer.from(formatEntries(entries)));
    await fs.sync(file);
    if (size === undefined) await fs.sync(dirname(file));
  } catch (error) {
    // Half a line of a disk that is full must not stand before the next one.
    if ((await fs.look(file)) !== undefined) await fs.truncate(file, size ?? 0);
    throw error;
  }
}

/** Where a channel stands, as who is about to change it sees it. */
export interface SettledChannel {
  readonly state: ChannelState;
  /** What its journal needs before the next entry: a first line, or a checkpoint when the last one is far. */
  readonly preamble: readonly Entry[];
}

/** Bytes of a journal from one checkpoint to the next: a hundred flips or so. */
const CHECKPOINT_EVERY = 32 * 1024;

/** A channel that has never been published to. */
export function newChannel(name: string): SettledChannel {
  return { state: emptyState(name), preamble: [{ type: 'channel', format: 'kiln-journal/1', name }] };
}

/**
 * Writes down what a crash left open: cuts a torn line off, and notes a pending move as done or dropped.
 * The caller holds the publish lock.
 * @returns undefined when there is no such channel
 */
export async function settleChannel(
  fs: FileSystem,
  home: Home,
  channel: string,
): Promise<SettledChannel | undefined> {
  const file = journalPath(home, channel);
  const stored = await readStored(home, channel, 'tail');
  if (stored === undefined) {
    // Torn in its first line, or made and never written to.
    if ((await fs.look(file)) === undefined) return undefined;
    await fs.truncate(file, 0);
    await fs.sync(file);
    await fs.sync(dirname(file));
    return undefined;
  }
  if (stored.size > stored.whole) {
    await fs.truncate(file, stored.whole);
    await fs.sync(file);
  }
  if (stored.closing !== undefined) {
    // The rename may have happened and not be durable yet: before it is noted as done it has to be.
    const directory = dirname(linkPath(home, channel));
    if ((await fs.look(directory)) !== undefined) await fs.sync(directory);
    await appendEntries(fs, home, channel, [stored.closing]);
  }
  const state = stateOf(stored.record);
  return { state, preamble: stored.tail > CHECKPOINT_EVERY ? [checkpointOf(state)] : [] };
}

async function readIfAny(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Every channel with its whole history, sorted by name. */
export async function listChannels(home: Home): Promise<ChannelRecord[]> {
  const names = await channelNames(home);
  const records = await Promise.all(names.map((name) => readChannel(home, name)));
  return records.filter((record) => record !== undefined);
}

/** Where every channel stands, sorted by name; costs the same whatever their age. */
export async function listStates(home: Home): Promise<ChannelState[]> {
  const names = await channelNames(home);
  const states = await Promise.all(names.map((name) => readState(home, name)));
  return states.filter((state) => state !== undefined);
}

/** The names of all channels, sorted. */
export async function channelNames(home: Home, prefix = ''): Promise<string[]> {
  const directory = join(home.channels, prefix);
  const names: string[] = [];
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) names.push(...(await channelNames(home, posix.join(prefix, entry.name))));
    else if (entry.name === JOURNAL && prefix !== '') names.push(prefix);
  }
  return names;
}

/** @throws KilnError for a channel that was never published to. */
export function unknownChannel(channel: string): KilnError {
  return new KilnError('usage', `there is no channel ${channel}`, {
    hint: 'kiln channels lists those that there are',
  });
}
