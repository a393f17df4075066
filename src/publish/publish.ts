import { realpath } from 'node:fs/promises';
import {
  adoptBundle,
  assertBundle,
  bundleDirectory,
  readStored,
  type StoredBundle,
} from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import type { FileSystem } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { type ChangeOptions, change, changeKnown, stamp } from './change.ts';
import {
  checkChannelName,
  linkTarget,
  newChannel,
  readGeneration,
  readState,
  type SettledChannel,
  targetOf,
  unknownChannel,
} from './channels.ts';
import { flip, mendLink } from './flip.ts';
import { assertFollowers } from './followers.ts';
import type { ChannelState, Generation } from './journal.ts';
import { placeModules } from './modules.ts';
import { assertNotPinned } from './pin.ts';
import { assertPolicy } from './policy.ts';
import { keepReserve } from './reserve.ts';
import { nfsRoots } from './settings.ts';
import { placeBundle } from './tftp.ts';

export interface PublishOptions extends ChangeOptions {
  /**
   * The classic form: the channel is one file of the bundle (the NBI image, else the kernel) instead of the
   * directory of its boot files. By default a channel keeps the form that it has.
   */
  readonly singleFile?: boolean;
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
 * files below the TFTP root, flips the symlink. A bundle that is not in the store is copied there first. Nodes see the old generation or the new one, never a mixture.
 * @throws KilnError `integrity` for a damaged bundle, `locked` while another process publishes, `failed` for a
 * pinned channel, one by which nodes would find no configuration any more, or a full disk
 */
export async function publishBundle(
  home: Home,
  bundle: StoredBundle,
  channel: string,
  options: PublishOptions = {},
): Promise<Published> {
  checkChannelName(channel);
  const { id, recipe, variant } = bundle.manifest;
  const what = `publish ${id} to ${channel}`;
  const action = async (fs: FileSystem, known: SettledChannel | undefined): Promise<Published> => {
    const settled = known ?? newChannel(channel);
    const { state } = settled;
    const now = state.current ?? undefined;
    const file = singleFile(bundle, options.singleFile ?? now?.file !== undefined);
    const target = linkTarget(channel, id, file);
    const same =
      now?.recipe === recipe && now.variant === variant && targetOf(channel, now) === target
        ? now
        : undefined;
    if (same === undefined) {
      assertNotPinned(state, options);
      await assertFollowers(fs, home, channel, bundle.manifest, file);
    }
    await keepReserve(fs, home);
    const stored = (await isStored(home, bundle)) ? bundle : await takeIn(fs, home, bundle);
    await makeReady(fs, home, stored);
    if (same !== undefined) {
      await mendLink(fs, home, channel, target);
      return { channel, generation: same.generation, bundle: id, flipped: false };
    }
    const { at, by, reason } = stamp(options, 'built');
    const number = state.latest + 1;
    const made = file === undefined ? {} : { file };
    const generation: Generation = {
      generation: number,
      bundle: id,
      recipe,
      variant,
      ...made,
      at,
      by,
      reason,
    };
    await flip(fs, home, settled, {
      flip: { at, by, reason, from: now?.generation ?? null, to: number },
      target,
      generation,
    });
    return { channel, generation: number, bundle: id, flipped: true };
  };
  return change(home, channel, what, options, action, false);
}

/**
 * Points a channel back to an older generation, after verifying the bundle that it leads to. Works on a full
 * disk: space for it is set aside.
 * @param to the generation's number; the one before the present one by default
 */
export async function rollback(
  home: Home,
  channel: string,
  to: number | undefined,
  options: ChangeOptions = {},
): Promise<Published> {
  return changeKnown(home, channel, `rollback ${channel}`, options, async (fs, settled) => {
    const { state } = settled;
    const from = state.current?.generation ?? null;
    const generation = await chooseGeneration(home, state, to);
    const flipped = generation.generation !== from;
    if (flipped) assertNotPinned(state, options);
    const bundle = await bundleOf(home, generation);
    if (flipped) await assertFollowers(fs, home, channel, bundle.manifest, generation.file);
    await makeReady(fs, home, bundle);
    const target = targetOf(channel, generation);
    if (flipped) {
      const { at, by, reason } = stamp(options, `rolled back to ${generation.generation}`);
      const move = { at, by, reason, from, to: generation.generation };
      await flip(fs, home, settled, { flip: move, target, back: generation });
    } else {
      await mendLink(fs, home, channel, target);
    }
    return { channel, generation: generation.generation, bundle: generation.bundle, flipped };
  });
}

/**
 * Publishes what one channel points to in another: a new generation there, no rebuild.
 * @throws KilnError `usage` when there is no such channel
 */
export async function promote(
  home: Home,
  from: string,
  to: string,
  options: PublishOptions = {},
): Promise<Published> {
  checkChannelName(from);
  const generation = (await readState(home, from))?.current ?? undefined;
  if (generation === undefined) throw unknownChannel(from);
  const bundle = await bundleOf(home, generation);
  const reason = `promoted from ${from}, generation ${generation.generation}`;
  return publishBundle(home, bundle, to, { ...options, reason: options.reason ?? reason });
}

async function isStored(home: Home, { directory, manifest }: StoredBundle): Promise<boolean> {
  const { recipe, variant, id } = manifest;
  const place = bundleDirectory(home, recipe, variant, id);
  return (await exists(place)) && (await realpath(place)) === (await realpath(directory));
}

/** Copies a bundle from outside into the store, where a rollback will look for it. */
async function takeIn(fs: FileSystem, home: Home, bundle: StoredBundle): Promise<StoredBundle> {
  await assertBundle(bundle.directory, bundle.manifest);
  await assertPolicy(home, bundle);
  return adoptBundle(home, bundle, fs);
}

/** All that a flip to a bundle relies on, verified and in its place before the flip. */
async function makeReady(fs: FileSystem, home: Home, bundle: StoredBundle): Promise<void> {
  await assertBundle(bundle.directory, bundle.manifest);
  await assertPolicy(home, bundle);
  for (const root of await nfsRoots(home)) await placeModules(fs, home, root, bundle);
  await placeBundle(home.tftp, bundle, fs);
}

/** The file that is a channel in the classic form: an NBI image where the bundle has one, else the kernel. */
function singleFile(bundle: StoredBundle, wanted: boolean): string | undefined {
  if (!wanted) return undefined;
  return ['vmlinuz.nbi', 'vmlinuz'].find((name) => bundle.manifest.files[name] !== undefined);
}

async function chooseGeneration(
  home: Home,
  state: ChannelState,
  to: number | undefined,
): Promise<Generation> {
  const { name, current, latest } = state;
  const found = await readGeneration(home, state, to ?? (current?.generation ?? 0) - 1);
  if (found !== undefined) return found;
  throw new KilnError(
    'usage',
    to === undefined
      ? `channel ${name} is at its first generation`
      : `channel ${name} has no generation ${to}`,
    { hint: `it has 1 to ${latest}; kiln history ${name} shows them` },
  );
}

/** The stored bundle of a generation. @throws KilnError `integrity` when it is gone */
export async function bundleOf(home: Home, generation: Generation): Promise<StoredBundle> {
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
  return readStored(home, generation.recipe, generation.variant, generation.bundle);
}
