import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { readlinkIfAny } from '../platform/files.ts';
import { type FileSystem, makeDirectories } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import {
  type ChannelRecord,
  type Entry,
  foldJournal,
  formatEntries,
  type Generation,
  parseJournal,
  settle,
} from './journal.ts';

const JOURNAL = 'journal';

/** Names in the TFTP root that are no channels: bundles, the nodes of canary lists, PXELINUX's directory. */
const RESERVED = ['bundles', 'nodes', 'pxelinux.cfg'];

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
  const part = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
  const parts = channel.split('/');
  if (RESERVED.includes(parts[0] ?? '') || channel.length > 200 || !parts.every((name) => part.test(name))) {
    throw new KilnError('usage', `${JSON.stringify(channel)} is not a channel's name`, {
      hint: `a path below the TFTP root of letters, digits, ".", "_" and "-", not under ${RESERVED.join('/, ')}/, e.g. lts/stable`,
    });
  }
}

/** A channel that has never been published to. */
export function emptyRecord(name: string): ChannelRecord {
  return { name, current: null, generations: [], flips: [] };
}

/** A channel's history as it is on the disk. */
export interface StoredChannel {
  /** A move that a crash cut short is settled by what the symlink says. */
  readonly record: ChannelRecord;
  /** What the journal itself says of that move. */
  readonly journal: ChannelRecord;
  /** Bytes of the journal that are whole, and all that there are: more when a crash tore its last line. */
  readonly whole: number;
  readonly size: number;
}

/** Reads a channel's history; undefined when there never was such a channel. */
export async function readStored(home: Home, channel: string): Promise<StoredChannel | undefined> {
  const file = journalPath(home, channel);
  const bytes = await readIfAny(file);
  if (bytes === undefined) return undefined;
  const read = parseJournal(bytes);
  if ('damagedLine' in read) {
    throw new KilnError('integrity', 'the history of the channel is damaged', {
      place: { file, line: read.damagedLine },
      hint: `what nodes boot is not affected (${linkPath(home, channel)} says it); restore the file from a backup`,
    });
  }
  // A crash while the channel's very first line was written: there is no such channel yet.
  if (read.entries.length === 0) return undefined;
  const journal = foldJournal(channel, read.entries);
  const record = settle(journal, await readlinkIfAny(linkPath(home, channel)));
  return { record, journal, whole: read.whole, size: bytes.length };
}

/** Reads a channel's history with a move that a crash cut short settled by what the symlink says; undefined for none. */
export async function readChannel(home: Home, channel: string): Promise<ChannelRecord | undefined> {
  return (await readStored(home, channel))?.record;
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

/**
 * Writes down what a crash left open: cuts a torn line off, and notes a pending move as done or dropped.
 * The caller holds the publish lock.
 * @returns the settled record; undefined when there is no such channel
 */
export async function settleChannel(
  fs: FileSystem,
  home: Home,
  channel: string,
): Promise<ChannelRecord | undefined> {
  const file = journalPath(home, channel);
  const stored = await readStored(home, channel);
  if (stored === undefined) {
    // Torn in its first line, or made and never written to.
    if ((await fs.look(file)) === undefined) return undefined;
    await fs.truncate(file, 0);
    await fs.sync(file);
    await fs.sync(dirname(file));
    return undefined;
  }
  const { record, journal, whole, size } = stored;
  if (size > whole) {
    await fs.truncate(file, whole);
    await fs.sync(file);
  }
  if (journal.pending !== undefined) {
    // The rename may have happened and not be durable yet: before it is noted as done it has to be.
    const directory = dirname(linkPath(home, channel));
    if ((await fs.look(directory)) !== undefined) await fs.sync(directory);
    const { to } = journal.pending.flip;
    const happened = record.flips.length > journal.flips.length;
    await appendEntries(fs, home, channel, [{ type: happened ? 'done' : 'dropped', to }]);
  }
  return record;
}

async function readIfAny(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Every channel's record, sorted by name. */
export async function listChannels(home: Home): Promise<ChannelRecord[]> {
  const names = await channelNames(home);
  const records = await Promise.all(names.map((name) => readChannel(home, name)));
  return records.filter((record) => record !== undefined);
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

/** The generation that the channel points to now. */
export function currentGeneration(record: ChannelRecord): Generation | undefined {
  return findGeneration(record, record.current);
}

/** A generation by its number. */
export function findGeneration(record: ChannelRecord, number: number | null): Generation | undefined {
  return record.generations.find(({ generation }) => generation === number);
}

/** @throws KilnError for a channel that was never published to. */
export function unknownChannel(channel: string): KilnError {
  return new KilnError('usage', `there is no channel ${channel}`, {
    hint: 'kiln channels lists those that there are',
  });
}
