import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { run } from '../platform/process.ts';
import { builtinKit, type ImageEntry, moduleEntries, niclistEntries } from './content.ts';
import { checkExt2, type Ext2Options, fillExt2, formatExt2, type Geometry } from './ext2.ts';
import { compileInit } from './init.ts';

export interface InitrdRequest {
  /** Directory for the result and for what is made on the way; created where it is missing. */
  readonly workDirectory: string;
  /** Path or name of gcc. */
  readonly compiler: string;
  /** What `uname -r` will say: the modules go to lib/modules/<release>. */
  readonly release: string;
  /** Directory that holds lib/modules/<release>; without it the image has no modules. */
  readonly modulesRoot?: string;
  /** The file that becomes /etc/niclist, by which init finds the module of its network card. */
  readonly niclist?: string;
  /** Size of the file system in KiB, or the smallest that fits with 64 KiB to spare. */
  readonly sizeKiB: number | 'auto';
  /** Inodes of the file system, or as many as are used and 16 to spare. */
  readonly inodes: number | 'auto';
  /** Seconds since 1970 that stand in the image instead of the time of the build. */
  readonly epoch: number;
  readonly signal?: AbortSignal;
  /** File that the tools' output is appended to. */
  readonly log?: string;
}

export interface Initrd {
  /** Path of the gzipped image, `initrd.gz` in the work directory. */
  readonly image: string;
  /** The file system's size; above 4096 the kernel needs `ramdisk_size=` on its command line. */
  readonly sizeKiB: number;
  readonly inodes: number;
  /** What is in use, the file system's own blocks and inodes included. */
  readonly usedKiB: number;
  readonly usedInodes: number;
  readonly compressedBytes: number;
}

/** The room that `auto` leaves for what the node itself will write. */
const SPARE_KIB = 64;
const SPARE_INODES = 16;

/** mke2fs: "Not enough space to build proposed filesystem" below about this many free blocks. */
const MKE2FS_MINIMUM_FREE = 64;

/** Inodes that ext2 has before anything is in it: ten reserved ones (the root among them) and lost+found. */
const OWN_INODES = 11;

/**
 * Makes the initrd of one variant: an ext2 image, gzipped, with Kiln's init and the variant's modules.
 * Needs no root, and gives the same bytes for every user, directory and date.
 * @throws KilnError `failed` when it does not fit, with what is needed; or when init does not compile;
 * `tool` when gcc, mke2fs, debugfs, e2fsck or gzip is missing.
 */
export async function makeInitrd(request: InitrdRequest): Promise<Initrd> {
  const { workDirectory } = request;
  await mkdir(workDirectory, { recursive: true });
  const common = {
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    ...(request.log === undefined ? {} : { log: request.log }),
  };
  const options: Ext2Options = { epoch: request.epoch, ...(request.signal && { signal: request.signal }) };
  const init = join(workDirectory, 'init');
  await compileInit({ compiler: request.compiler, output: init, ...common });
  const entries = [
    ...builtinKit(init),
    ...niclistEntries(request.niclist),
    ...(await moduleEntries(request.modulesRoot, request.release)),
  ];

  const image = join(workDirectory, 'initrd.img');
  const contentBlocks = await measure(`${image}.trial`, entries, options);
  const geometry = await chooseGeometry(`${image}.trial`, request, entries.length, contentBlocks, options);
  await formatExt2(image, geometry, options);
  const usage = await fillExt2(image, entries, options);
  await checkExt2(image, options, request.log);
  const compressed = await gzip(image, join(workDirectory, 'initrd.gz'), common);
  return {
    image: compressed,
    sizeKiB: geometry.sizeKiB,
    inodes: usage.inodes,
    usedKiB: usage.blocks - usage.freeBlocks,
    usedInodes: usage.inodes - usage.freeInodes,
    compressedBytes: (await stat(compressed)).size,
  };
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
  request: InitrdRequest,
  entries: number,
  contentBlocks: number,
  options: Ext2Options,
): Promise<Geometry> {
  const neededInodes = OWN_INODES + entries;
  const inodes = request.inodes === 'auto' ? neededInodes + SPARE_INODES : request.inodes;
  const spare = request.sizeKiB === 'auto' ? SPARE_KIB : 0;
  const fitting = Math.max(inodes, neededInodes);
  const neededKiB = await smallestSize(trial, fitting, contentBlocks + spare, options);
  const sizeKiB = request.sizeKiB === 'auto' ? neededKiB : request.sizeKiB;
  if (sizeKiB < neededKiB || inodes < neededInodes) {
    throw new KilnError(
      'failed',
      `the initrd needs ${neededKiB} KiB and ${neededInodes} inodes, and is given ${sizeKiB} KiB and ${inodes} inodes`,
      { hint: `set initrd.size to ${neededKiB} and initrd.inodes to ${fitting} or more, or both to auto` },
    );
  }
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

/**
 * GNU gzip rather than Node's zlib: the latter's output depends on the processor that it runs on.
 * -n leaves name and time out of the header.
 */
async function gzip(
  file: string,
  target: string,
  options: { signal?: AbortSignal; log?: string },
): Promise<string> {
  const result = await run('gzip', ['-9', '-n', '-f', file], options);
  if (result.exitCode !== 0) throw new Error(`gzip ${file} failed:\n${result.tail.join('\n')}`);
  await rename(`${file}.gz`, target);
  return target;
}
