import { join } from 'node:path';
import { listIfAny } from '../platform/files.ts';
import { disk } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { tryLock } from '../platform/lock.ts';
import { isAlive } from '../platform/process.ts';
import type { Garbage } from './garbage.ts';
import { treeBytes } from './tree-bytes.ts';

export interface CacheLimits {
  /** What was not used for longer goes. */
  readonly cacheAgeMs: number;
  /** When there is more, what was not used for longest goes until there is not; undefined: no limit. */
  readonly cacheBytes: number | undefined;
  readonly now: Date;
}

/** What the cache can do without, as long as nobody has used it since. */
export interface CacheGarbage extends Garbage {
  readonly usedMs: number;
}

interface CacheEntry {
  readonly path: string;
  readonly usedMs: number;
}

/**
 * What the cache can do without: step outputs, sources, rejected bundles, work trees of dead builds, old logs.
 * Deleting any of it costs time, nothing else; while a build runs, it is left alone.
 */
export async function cacheGarbage(
  home: Home,
  limits: CacheLimits,
): Promise<{ garbage: CacheGarbage[]; notes: string[] }> {
  const builder = await runningBuild(home);
  if (builder !== undefined) {
    return { garbage: [], notes: [`the cache was left alone: ${builder} is running`] };
  }
  const entries = await cacheEntries(home);
  const garbage: CacheGarbage[] = [];
  const old = (entry: CacheEntry) => limits.now.getTime() - entry.usedMs > limits.cacheAgeMs;
  const add = async (entry: CacheEntry, kind: Garbage['kind'], why: string) => {
    garbage.push({ ...entry, kind, bytes: await treeBytes(entry.path), why });
  };
  for (const entry of entries.filter(old)) await add(entry, 'cache', 'not used in a long time');
  if (limits.cacheBytes !== undefined) {
    garbage.push(
      ...(await overflow(
        entries.filter((entry) => !old(entry)),
        limits.cacheBytes,
      )),
    );
  }
  for (const path of await deadWork(home)) {
    await add({ path, usedMs: Number.POSITIVE_INFINITY }, 'cache', 'of a build that is gone');
  }
  const logs = await Promise.all([
    entriesBelow(home.logs, 3),
    entriesBelow(join(home.cache, 'exchange/logs'), 2),
  ]);
  for (const log of logs.flat().filter(old)) await add(log, 'log', 'old');
  return { garbage, notes: [] };
}

/** The entries that have to go, least recently used first, for the rest to fit. */
async function overflow(entries: readonly CacheEntry[], limit: number): Promise<CacheGarbage[]> {
  const garbage: CacheGarbage[] = [];
  let total = 0;
  for (const entry of [...entries].sort((a, b) => b.usedMs - a.usedMs)) {
    const bytes = await treeBytes(entry.path);
    total += bytes;
    if (total > limit) garbage.push({ ...entry, kind: 'cache', bytes, why: 'more than cache-size' });
  }
  return garbage;
}

async function cacheEntries(home: Home): Promise<CacheEntry[]> {
  const found = await Promise.all([
    entriesBelow(join(home.cache, 'steps'), 2),
    entriesBelow(join(home.cache, 'sources/sha256'), 2),
    entriesBelow(join(home.cache, 'rejected'), 2),
    entriesBelow(join(home.cache, 'notes'), 1),
    // What a fleet's machines have sent each other: a coordinator's, and a worker's.
    entriesBelow(join(home.cache, 'exchange/files'), 2),
    entriesBelow(join(home.cache, 'parcels'), 1),
  ]);
  return found.flat();
}

/** What is so many directories down, with when it was last used: steps are touched when they are, sources read. */
async function entriesBelow(directory: string, depth: number): Promise<CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for (const name of await listIfAny(directory)) {
    const path = join(directory, name);
    if (depth > 1) entries.push(...(await entriesBelow(path, depth - 1)));
    else if (deadOrDone(name)) {
      const usedMs = await lastUse(path);
      // What is gone by now is somebody else's to tell.
      if (usedMs !== undefined) entries.push({ path, usedMs });
    }
  }
  return entries;
}

/** When something of the cache was last used, in milliseconds since 1970; undefined where there is nothing. */
export async function lastUse(path: string): Promise<number | undefined> {
  const found = await disk.look(path);
  if (found === undefined) return undefined;
  return found.isDirectory() ? found.mtimeMs : Math.max(found.mtimeMs, found.atimeMs);
}

/** False for what a live process is still writing. */
function deadOrDone(name: string): boolean {
  const pid = /\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name)?.[1];
  return pid === undefined || !isAlive(Number(pid));
}

/** Work directories of builds that are gone. */
async function deadWork(home: Home): Promise<string[]> {
  const work = join(home.cache, 'work');
  return (await listIfAny(work))
    .filter((name) => /\.\d+\.[0-9a-f]{8}\.tmp$/.test(name) && deadOrDone(name))
    .map((name) => join(work, name));
}

/** Words for a build that runs in this home; undefined for none. */
async function runningBuild(home: Home): Promise<string | undefined> {
  const root = join(home.locks, 'build');
  for (const recipe of await listIfAny(root)) {
    for (const name of await listIfAny(join(root, recipe))) {
      if (!name.endsWith('.lock')) continue;
      const taken = tryLock(join(root, recipe, name), 'kiln gc');
      if (!('release' in taken)) return taken.heldBy?.what ?? 'a build';
      taken.release();
    }
  }
  return undefined;
}
