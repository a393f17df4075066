import { rm, stat } from 'node:fs/promises';
import type { ImageEntry } from './content.ts';
import { checkExt2, type Ext2Options, type Ext2Usage, fillExt2, formatExt2, type Geometry } from './ext2.ts';
import { type Limits, refuseTooSmall } from './limits.ts';

/** The room that `auto` leaves for what the node itself will write. */
const SPARE_KIB = 64;
const SPARE_INODES = 16;

/** mke2fs: "Not enough space to build proposed filesystem" below about this many free blocks. */
const MKE2FS_MINIMUM_FREE = 64;

/** Inodes that ext2 has before anything is in it: ten reserved ones (the root among them) and lost+found. */
const OWN_INODES = 11;

/**
 * Makes a file system with everything in it, and has e2fsck check it.
 * @param limits what the recipe asks for; `auto` is the smallest that fits, and some room to spare
 * @throws KilnError `failed` when it does not fit, with what is needed
 */
export async function makeExt2Image(
  image: string,
  entries: readonly ImageEntry[],
  limits: Limits,
  options: Ext2Options,
  log: string | undefined,
): Promise<Ext2Usage> {
  const usage =
    (await fillGiven(image, entries, limits, options)) ??
    (await fillMeasured(image, entries, limits, options));
  await checkExt2(image, options, log);
  return usage;
}

/** Takes the recipe at its word, which mostly fits; undefined where it does not, or is `auto`. */
async function fillGiven(
  image: string,
  entries: readonly ImageEntry[],
  { sizeKiB, inodes }: Limits,
  options: Ext2Options,
): Promise<Ext2Usage | undefined> {
  if (sizeKiB === 'auto' || inodes === 'auto' || inodes < OWN_INODES + entries.length) return undefined;
  try {
    await formatExt2(image, { sizeKiB, inodes }, options);
    return await fillExt2(image, entries, options);
  } catch {
    // Whoever measures it says by how much it is too small; what has nothing to do with that comes up there again.
    options.signal?.throwIfAborted();
    return undefined;
  }
}

async function fillMeasured(
  image: string,
  entries: readonly ImageEntry[],
  limits: Limits,
  options: Ext2Options,
): Promise<Ext2Usage> {
  const contentBlocks = await measure(`${image}.trial`, entries, options);
  const geometry = await chooseGeometry(`${image}.trial`, limits, entries.length, contentBlocks, options);
  await formatExt2(image, geometry, options);
  return fillExt2(image, entries, options);
}

/** Blocks that the entries take, found by putting them into an image that is surely large enough. */
async function measure(trial: string, entries: readonly ImageEntry[], options: Ext2Options): Promise<number> {
  let kib = 0;
  for (const entry of entries) {
    if (entry.type === 'file') kib += Math.ceil((await stat(entry.source)).size / 1024);
  }
  // An eighth covers inodes, bitmaps and indirect blocks many times over.
  const sizeKiB = 512 + kib + Math.ceil(kib / 8) + 2 * entries.length;
  try {
    const empty = await formatExt2(trial, { sizeKiB, inodes: OWN_INODES + entries.length }, options);
    const full = await fillExt2(trial, entries, options);
    return empty.freeBlocks - full.freeBlocks;
  } finally {
    await rm(trial, { force: true });
  }
}

async function chooseGeometry(
  trial: string,
  limits: Limits,
  entries: number,
  contentBlocks: number,
  options: Ext2Options,
): Promise<Geometry> {
  const neededInodes = OWN_INODES + entries;
  const inodes = limits.inodes === 'auto' ? neededInodes + SPARE_INODES : limits.inodes;
  const spare = limits.sizeKiB === 'auto' ? SPARE_KIB : 0;
  const fitting = Math.max(inodes, neededInodes);
  const neededKiB = await smallestSize(trial, fitting, contentBlocks + spare, options);
  const sizeKiB = limits.sizeKiB === 'auto' ? neededKiB : limits.sizeKiB;
  refuseTooSmall({ sizeKiB: neededKiB, inodes: neededInodes }, { sizeKiB, inodes });
  return { sizeKiB, inodes };
}

/** The fewest KiB of a file system with so many inodes that leaves so many blocks free. */
async function smallestSize(
  trial: string,
  inodes: number,
  freeBlocks: number,
  options: Ext2Options,
): Promise<number> {
  // From below: overhead only grows with size, so the first size that has room is the smallest.
  // The inode table (eight to a block) and five blocks of bookkeeping are the least that a file system has,
  // and mke2fs wants some fifty more to be free.
  let sizeKiB = Math.max(freeBlocks, MKE2FS_MINIMUM_FREE) + Math.ceil(inodes / 8) + 5;
  try {
    for (;;) {
      const empty = await formatExt2(trial, { sizeKiB, inodes }, options);
      if (empty.freeBlocks >= freeBlocks) return sizeKiB;
      sizeKiB += freeBlocks - empty.freeBlocks;
    }
  } finally {
    await rm(trial, { force: true });
  }
}
