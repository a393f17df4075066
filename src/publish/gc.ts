import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { bundleDirectory, listBundles, type StoredBundle } from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { exists, listIfAny, readlinkIfAny, temporaryBeside } from '../platform/files.ts';
import { disk, type FileSystem, isTemporary } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { type Lock, lockSoon, tryLock } from '../platform/lock.ts';
import { assertCanaryChannels } from './canary.ts';
import { sparingly, withPublishLock } from './change.ts';
import { linkPath, listChannels, listStates } from './channels.ts';
import type { Garbage } from './garbage.ts';
import { type CacheGarbage, type CacheLimits, cacheGarbage, lastUse } from './gc-cache.ts';
import { listPlaced } from './modules.ts';
import { bundleOfLink, isRecent, neededByChannels, type Retention } from './needed.ts';
import { recover, walkTftp } from './recover.ts';
import { nfsRoots } from './settings.ts';
import { servedDirectory } from './tftp.ts';
import { treeBytes } from './tree-bytes.ts';

export interface GcOptions extends Retention, CacheLimits {
  /** Say what would be done, and do nothing. */
  readonly dryRun: boolean;
  readonly fileSystem?: FileSystem;
}

export interface GcReport {
  readonly garbage: readonly Garbage[];
  readonly bytes: number;
  /** Bundles that stay, and what for. */
  readonly kept: readonly { readonly bundle: string; readonly why: string }[];
  /** Why something was left alone that might have gone. */
  readonly notes: readonly string[];
}

/**
 * Drops what no channel's last generations, pin, canary, link or running node may need: bundles with their
 * served files and modules, and what the cache was not asked for in a long time. One at a time in a home, and nobody
 * publishes while it looks at bundles; the cache's gigabytes keep nobody from a publish or a rollback. Whatever cuts it
 * short, what is there is whole.
 * @throws KilnError `integrity` when a channel's history is damaged, or a channel leads nowhere: then nobody
 * knows what is needed, and nothing is dropped
 */
export async function collectGarbage(home: Home, options: GcOptions): Promise<GcReport> {
  const fs = options.fileSystem ?? disk;
  const only = await lockSoon(`${home.locks}/gc.lock`, 'kiln gc');
  try {
    // Before any build lock is taken here: who holds one is building.
    const cache = await cacheGarbage(home, options);
    const bundles = await withPublishLock(home, 'gc', () =>
      // What frees a full disk must not need space on it: settling a channel takes a line in its journal.
      sparingly(fs, home, () => collectBundles(fs, home, options)),
    );
    if (!options.dryRun) for (const one of cache.garbage) await removeCached(fs, one);
    const cached = cache.garbage.map(({ kind, path, bytes, why }) => ({ kind, path, bytes, why }));
    const garbage = [...bundles.garbage, ...cached];
    return {
      garbage,
      bytes: garbage.reduce((sum, { bytes }) => sum + bytes, 0),
      kept: bundles.kept,
      notes: cache.notes,
    };
  } finally {
    only.release();
  }
}

type BundlesReport = Pick<GcReport, 'garbage' | 'kept'>;

async function collectBundles(fs: FileSystem, home: Home, options: GcOptions): Promise<BundlesReport> {
  if (!options.dryRun) await recover(fs, home);
  await assertNothingDangles(home);
  const locks = new Map<string, Lock>();
  try {
    const report = await plan(home, options, locks);
    if (!options.dryRun) for (const one of report.garbage) await remove(fs, one);
    return report;
  } finally {
    for (const held of locks.values()) held.release();
  }
}

/** @throws KilnError `integrity` for a channel that leads nowhere, or a canary of no channel */
async function assertNothingDangles(home: Home): Promise<void> {
  await assertCanaryChannels(home);
  for (const { name, current } of await listStates(home)) {
    if (current === null || (await exists(linkPath(home, name)))) continue;
    throw new KilnError('integrity', `channel ${name} leads nowhere: nothing was dropped`, {
      place: { file: linkPath(home, name) },
      hint: 'kiln verify --repair mends the link, or kiln publish gives the channel something to boot',
    });
  }
}

async function plan(home: Home, options: GcOptions, locks: Map<string, Lock>): Promise<BundlesReport> {
  const needed = neededByChannels(await listChannels(home), options);
  for (const { below, path, kind } of await walkTftp(home)) {
    if (kind !== 'symlink') continue;
    for (const id of await bundlesOfLink(home, below, path)) {
      if (!needed.has(id)) needed.set(id, `${below} in the TFTP root leads to it`);
    }
  }
  const bundles = await listBundles(home);
  const garbage: Garbage[] = [];
  const doomed = new Set<string>();
  for (const bundle of bundles) {
    const { id } = bundle.manifest;
    const reason = needed.get(id) ?? (await reasonToStay(home, bundle, options, locks));
    if (reason === undefined) {
      doomed.add(id);
      garbage.push(...(await garbageOf(home, bundle)));
    } else needed.set(id, reason);
  }
  garbage.push(...(await orphans(home, new Set(bundles.map(({ manifest }) => manifest.id)), needed)));
  const stay = bundles.filter(({ manifest }) => !doomed.has(manifest.id));
  // Of bundles with a pinned release several may use the modules that the first of them brought.
  const releases = new Set(stay.map(({ manifest }) => manifest.release));
  for (const root of await nfsRoots(home)) {
    for (const { directory, bundle, release, home: owner, claimed } of await listPlaced(root)) {
      // Another home's modules are its own affair, and what LTSP's nodes boot is known to no channel.
      if (owner !== home.root || claimed || needed.has(bundle) || releases.has(release)) continue;
      const why = `modules of ${bundle}`;
      garbage.push({ kind: 'modules', path: directory, bytes: await treeBytes(directory), why });
    }
  }
  return {
    garbage,
    kept: stay.map(({ manifest: { id } }) => ({ bundle: id, why: needed.get(id) ?? '' })),
  };
}

/**
 * The bundles that a symlink leads into, whoever made it: by what it says, and by where it ends, by way of other links
 * or of an absolute path, in the TFTP root or in the store.
 */
async function bundlesOfLink(home: Home, below: string, path: string): Promise<string[]> {
  const said = bundleOfLink(below, (await readlinkIfAny(path)) ?? '');
  const end = await realPathIfAny(path);
  const [served] = within(await realPathIfAny(join(home.tftp, 'bundles')), end);
  const [, , stored] = within(await realPathIfAny(home.bundles), end);
  return [said, served, stored].filter((id) => id !== undefined);
}

/** The names on the way from a directory to a path below it; none for one that is not. */
function within(directory: string | undefined, path: string | undefined): string[] {
  if (directory === undefined || !path?.startsWith(`${directory}/`)) return [];
  return path.slice(directory.length + 1).split('/');
}

async function realPathIfAny(path: string): Promise<string | undefined> {
  return (await exists(path)) ? realpath(path) : undefined;
}

/** Why a bundle that no channel needs stays all the same. Takes its variant's build lock, so that nobody publishes it meanwhile. */
async function reasonToStay(
  home: Home,
  { directory, manifest }: StoredBundle,
  options: GcOptions,
  locks: Map<string, Lock>,
): Promise<string | undefined> {
  const { mtime } = await stat(directory);
  if (isRecent(mtime, options)) return `put there at ${mtime.toISOString()}, less than the grace time ago`;
  if (options.dryRun) return undefined;
  const path = `${home.locks}/build/${manifest.recipe}/${manifest.variant}.lock`;
  if (locks.has(path)) return undefined;
  const taken = tryLock(path, 'kiln gc');
  if (!('release' in taken)) return 'its variant is being built';
  locks.set(path, taken);
  return undefined;
}

/** What there is of a bundle: what is served first, so that nothing is served that could not be verified. */
async function garbageOf(home: Home, { directory, manifest }: StoredBundle): Promise<Garbage[]> {
  const { recipe, variant, id } = manifest;
  const why = `no channel needs ${recipe}:${variant} ${id}`;
  const served = servedDirectory(home.tftp, id);
  const gates = `${bundleDirectory(home, recipe, variant, id)}.gates.json`;
  return [
    // Hard links to the store's files: they free nothing by themselves.
    ...((await exists(served)) ? [{ kind: 'served' as const, path: served, bytes: 0, why }] : []),
    { kind: 'bundle', path: directory, bytes: await treeBytes(directory), why },
    ...((await exists(gates)) ? [{ kind: 'bundle' as const, path: gates, bytes: 0, why }] : []),
  ];
}

/** Served directories whose bundle is gone, and what a gc that was killed had moved out of its place. */
async function orphans(
  home: Home,
  stored: ReadonlySet<string>,
  needed: ReadonlyMap<string, string>,
): Promise<Garbage[]> {
  const found: Garbage[] = [];
  for (const id of await listIfAny(join(home.tftp, 'bundles'))) {
    if (stored.has(id) || needed.has(id)) continue;
    const path = servedDirectory(home.tftp, id);
    const why = 'served, and in the store no more';
    found.push({ kind: 'served', path, bytes: await treeBytes(path), why });
  }
  for (const recipe of await listIfAny(home.bundles)) {
    for (const variant of await listIfAny(join(home.bundles, recipe))) {
      for (const name of await listIfAny(join(home.bundles, recipe, variant))) {
        if (!isTemporary(name)) continue;
        const path = join(home.bundles, recipe, variant, name);
        found.push({ kind: 'left over', path, bytes: await treeBytes(path), why: 'half removed' });
      }
    }
  }
  return found;
}

/** Out of its place by one rename, then away: nobody ever finds half of it under its name. */
async function remove(fs: FileSystem, { path, kind }: Garbage): Promise<void> {
  if ((await fs.look(path)) === undefined) return;
  if (isTemporary(basename(path)) || kind === 'log') {
    await fs.removeTree(path);
    return;
  }
  const temporary = temporaryBeside(path);
  await fs.rename(path, temporary);
  await fs.sync(dirname(path));
  await fs.removeTree(temporary);
}

/** A build that has begun since it was looked at may use it, and says so by its time. */
async function removeCached(fs: FileSystem, garbage: CacheGarbage): Promise<void> {
  const used = await lastUse(garbage.path);
  if (used !== undefined && used <= garbage.usedMs) await remove(fs, garbage);
}
