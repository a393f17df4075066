import { mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { assertBundle, bundleDirectory, readBundle, type StoredBundle } from '../bundle/index.ts';
import { nowIso } from '../platform/clock.ts';
import { KilnError } from '../platform/errors.ts';
import { exists, replaceSymlink, syncDirectory } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { lockSoon } from '../platform/lock.ts';
import {
  type ChannelRecord,
  checkChannelName,
  currentGeneration,
  emptyRecord,
  type Flip,
  type Generation,
  linkPath,
  linkTarget,
  readChannel,
  writeChannel,
} from './channels.ts';
import { assertPlaceForLink, placeBundle } from './tftp.ts';

export interface PublishOptions {
  /** Who does it; the login name by default. */
  readonly by?: string;
  readonly reason?: string;
}

export interface Published {
  readonly channel: string;
  readonly generation: number;
  readonly bundle: string;
  /** False when the channel pointed to this bundle already, and nothing was done. */
  readonly flipped: boolean;
}

/**
 * Makes a bundle the next generation of a channel and points nodes to it: verifies every byte, puts the boot
 * files below the TFTP root, flips the symlink. Nodes see the old generation or the new one, never a mixture.
 * @throws KilnError `integrity` for a damaged bundle, `locked` while another process publishes
 */
export async function publishBundle(
  home: Home,
  bundle: StoredBundle,
  channel: string,
  options: PublishOptions = {},
): Promise<Published> {
  checkChannelName(channel);
  return withPublishLock(home, `publish ${bundle.manifest.id} to ${channel}`, async () => {
    await assertBundle(bundle.directory, bundle.manifest);
    const record = (await readChannel(home, channel)) ?? emptyRecord(channel);
    const { id, recipe, variant } = bundle.manifest;
    const now = currentGeneration(record);
    await placeBundle(home.tftp, bundle);
    if (now?.bundle === id && now.recipe === recipe && now.variant === variant) {
      await flip(home, record, {
        ...stamp(options, 'points there already'),
        from: now.generation,
        to: now.generation,
      });
      return { channel, generation: now.generation, bundle: id, flipped: false };
    }
    const { at, by, reason } = stamp(options, 'built');
    const number = (record.generations.at(-1)?.generation ?? 0) + 1;
    const generation: Generation = { generation: number, bundle: id, recipe, variant, at, by, reason };
    const next = { ...record, generations: [...record.generations, generation] };
    await flip(home, next, { at, by, reason, from: record.current, to: number });
    return { channel, generation: number, bundle: id, flipped: true };
  });
}

/**
 * Points a channel back to an older generation, after verifying the bundle that it leads to.
 * @param to the generation's number; the one before the present one by default
 */
export async function rollback(
  home: Home,
  channel: string,
  to: number | undefined,
  options: PublishOptions = {},
): Promise<Published> {
  checkChannelName(channel);
  return withPublishLock(home, `rollback ${channel}`, async () => {
    const record = await readChannel(home, channel);
    if (record === undefined) throw unknownChannel(channel);
    const target = chooseGeneration(record, to);
    const bundle = await bundleOf(home, target);
    await assertBundle(bundle.directory, bundle.manifest);
    await placeBundle(home.tftp, bundle);
    const flipped = target.generation !== record.current;
    await flip(home, record, {
      ...stamp(options, `rolled back to ${target.generation}`),
      from: record.current,
      to: target.generation,
    });
    return { channel, generation: target.generation, bundle: target.bundle, flipped };
  });
}

/** @throws KilnError for a channel that was never published to. */
export function unknownChannel(channel: string): KilnError {
  return new KilnError('usage', `there is no channel ${channel}`, {
    hint: 'kiln channels lists those that there are',
  });
}

function chooseGeneration(record: ChannelRecord, to: number | undefined): Generation {
  const numbers = record.generations.map(({ generation }) => generation);
  const wanted = to ?? Math.max(...numbers.filter((number) => number < (record.current ?? 0)));
  const found = record.generations.find(({ generation }) => generation === wanted);
  if (found !== undefined) return found;
  throw new KilnError(
    'usage',
    to === undefined
      ? `channel ${record.name} is at its first generation`
      : `channel ${record.name} has no generation ${to}`,
    { hint: `it has ${numbers.join(', ')}; kiln channels ${record.name} shows them` },
  );
}

async function bundleOf(home: Home, generation: Generation): Promise<StoredBundle> {
  const directory = bundleDirectory(home, generation.recipe, generation.variant, generation.bundle);
  if (!(await exists(directory))) {
    throw new KilnError(
      'integrity',
      `bundle ${generation.bundle} of generation ${generation.generation} is gone`,
      {
        place: { file: directory },
        hint: 'choose another generation with --to, or build it again',
      },
    );
  }
  return readBundle(directory);
}

/**
 * The flip, in the order that survives a power cut at any point: the intent is noted, the link is replaced
 * by one rename (durably, and read back), the move is noted as done. A flip to where the link points
 * already mends a link that was removed by hand and writes nothing else.
 */
async function flip(home: Home, record: ChannelRecord, move: Flip): Promise<void> {
  const link = linkPath(home, record.name);
  const generation = record.generations.find((one) => one.generation === move.to);
  if (generation === undefined) throw new Error(`${record.name} has no generation ${move.to}`);
  const target = linkTarget(record.name, generation.bundle);
  await assertPlaceForLink(link);
  await makeDirectories(dirname(link));
  if (move.from === move.to) {
    await replaceSymlink(target, link);
    return;
  }
  await writeChannel(home, { ...record, pending: { flip: move, target } });
  await replaceSymlink(target, link);
  await writeChannel(home, { ...record, current: move.to, flips: [...record.flips, move] });
}

async function makeDirectories(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

function stamp(options: PublishOptions, reason: string): { at: string; by: string; reason: string } {
  return { at: nowIso(), by: options.by ?? userInfo().username, reason: options.reason ?? reason };
}

async function withPublishLock<T>(home: Home, what: string, action: () => Promise<T>): Promise<T> {
  const held = await lockSoon(`${home.locks}/publish.lock`, what);
  try {
    return await action();
  } finally {
    held.release();
  }
}
