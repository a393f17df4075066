import { readdir } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { readlinkIfAny, readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';

/** One bundle that a channel pointed to, numbered from 1 in the order of publishing. */
export interface Generation {
  readonly generation: number;
  readonly bundle: string;
  readonly recipe: string;
  readonly variant: string;
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

/**
 * A channel's record on disk. The symlink alone says what nodes boot; this says which generation that is,
 * and how it came about. `pending` is the intent noted before the symlink moves: found at a start, the
 * symlink tells whether the move happened.
 */
export interface ChannelRecord {
  readonly format: 'kiln-channel/1';
  readonly name: string;
  readonly current: number | null;
  readonly generations: readonly Generation[];
  readonly flips: readonly Flip[];
  readonly pending?: { readonly flip: Flip; readonly target: string };
}

const RECORD = 'channel.json';

/** Where a channel's record is. Channels are nested names, so the record is a file in a directory. */
export function recordPath(home: Home, channel: string): string {
  return join(home.channels, channel, RECORD);
}

/** The channel's symlink. */
export function linkPath(home: Home, channel: string): string {
  return join(home.tftp, channel);
}

/** What the channel's symlink says when it points to a bundle: relative, and inside the TFTP root. */
export function linkTarget(channel: string, bundle: string): string {
  return posix.relative(posix.dirname(posix.join('/', channel)), `/bundles/${bundle}`);
}

/** @throws KilnError `usage` for a name that is no path below the TFTP root or that would hide bundles/. */
export function checkChannelName(channel: string): void {
  const part = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
  const parts = channel.split('/');
  if (parts[0] === 'bundles' || channel.length > 200 || !parts.every((name) => part.test(name))) {
    throw new KilnError('usage', `${JSON.stringify(channel)} is not a channel's name`, {
      hint: 'a path below the TFTP root of letters, digits, ".", "_" and "-", not under bundles/, e.g. lts/stable',
    });
  }
}

/** A channel that has never been published to. */
export function emptyRecord(name: string): ChannelRecord {
  return { format: 'kiln-channel/1', name, current: null, generations: [], flips: [] };
}

/** Reads a channel's record with a move that a crash cut short settled by what the symlink says; undefined for none. */
export async function readChannel(home: Home, channel: string): Promise<ChannelRecord | undefined> {
  const file = recordPath(home, channel);
  const text = await readTextIfAny(file);
  if (text === undefined) return undefined;
  let record: ChannelRecord;
  try {
    record = JSON.parse(text) as ChannelRecord;
  } catch (error) {
    throw new KilnError('integrity', `${file} is damaged: ${(error as Error).message}`, {
      hint: `what nodes boot is not affected (${linkPath(home, channel)} says it); restore the record from a backup`,
    });
  }
  return settle(record, await readlinkIfAny(linkPath(home, channel)));
}

/** Pure: applies or drops a pending move according to where the symlink points. */
export function settle(record: ChannelRecord, target: string | undefined): ChannelRecord {
  if (record.pending === undefined) return record;
  const { pending, ...settled } = record;
  if (target === pending.target) {
    return { ...settled, current: pending.flip.to, flips: [...record.flips, pending.flip] };
  }
  return {
    ...settled,
    // The generation that was about to be published never was.
    generations: record.generations.filter(
      ({ generation }) =>
        generation !== pending.flip.to || record.flips.some((flip) => flip.to === generation),
    ),
  };
}

export async function writeChannel(home: Home, record: ChannelRecord): Promise<void> {
  await writeFileAtomic(recordPath(home, record.name), `${JSON.stringify(record, null, 1)}\n`);
}

/** Every channel's record, sorted by name. */
export async function listChannels(home: Home): Promise<ChannelRecord[]> {
  const names = await channelNames(home, '');
  const records = await Promise.all(names.map((name) => readChannel(home, name)));
  return records.filter((record) => record !== undefined);
}

async function channelNames(home: Home, prefix: string): Promise<string[]> {
  const directory = join(home.channels, prefix);
  const names: string[] = [];
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) names.push(...(await channelNames(home, posix.join(prefix, entry.name))));
    else if (entry.name === RECORD && prefix !== '') names.push(prefix);
  }
  return names;
}

/** The generation that the channel points to now. */
export function currentGeneration(record: ChannelRecord): Generation | undefined {
  return record.generations.find(({ generation }) => generation === record.current);
}
