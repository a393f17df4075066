import { open, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { baseEnvironment, run } from '../platform/process.ts';
import type { ImageEntry } from './content.ts';

/** Blocks are 1 KiB: what 2.2 and 2.4 mount from a RAM disk without a word. */
export const BLOCK_BYTES = 1024;

/** Fixed, so that an image's bytes depend on its content alone; no node ever looks a RAM disk up by them. */
const FILE_SYSTEM_UUID = '6b696c6e-0000-4000-8000-000000000000';
const HASH_SEED = '6b696c6e-0000-4000-8000-000000000001';

/** s_flags: directory hashes are signed, as on the i386 that mounts it; mke2fs notes the build host's habit. */
const SIGNED_HASH = 1;

export interface Geometry {
  readonly sizeKiB: number;
  readonly inodes: number;
}

/** What the super block counts (linux/ext2_fs.h, struct ext2_super_block); blocks are of BLOCK_BYTES. */
export interface Ext2Usage {
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
}

export interface Ext2Options {
  /** Seconds since 1970: the one time that stands in the image. */
  readonly epoch: number;
  readonly signal?: AbortSignal;
}

/**
 * Makes an empty ext2 file system: revision 1, no features, 128-byte inodes, no reserved blocks.
 * @returns what is free in it; mke2fs may round the inodes up to fill a block, and drops a last group
 * that would be all overhead.
 */
export async function formatExt2(
  image: string,
  geometry: Geometry,
  options: Ext2Options,
): Promise<Ext2Usage> {
  await rm(image, { force: true });
  const size = ['-b', String(BLOCK_BYTES), '-N', String(geometry.inodes)];
  const bare = ['-t', 'ext2', '-T', 'default', '-O', 'none', '-r', '1', '-I', '128', '-m', '0'];
  const fixed = ['-U', FILE_SYSTEM_UUID, '-E', `hash_seed=${HASH_SEED},root_owner=0:0,nodiscard`];
  const result = await run(
    'mke2fs',
    ['-q', '-F', ...bare, ...size, ...fixed, image, String(geometry.sizeKiB)],
    toolOptions(options),
  );
  if (result.exitCode !== 0) {
    throw new KilnError(
      'failed',
      `mke2fs could not make an image of ${geometry.sizeKiB} KiB and ${geometry.inodes} inodes`,
      { lines: result.tail, hint: 'initrd.size and initrd.inodes in the recipe decide both' },
    );
  }
  return readExt2Usage(image);
}

/**
 * Puts entries into a file system that `formatExt2` made, in the order given; parents come first.
 *
 * debugfs, not `mke2fs -d`: that takes owner, ctime and the order of names from the build host's file
 * system, so that its bytes differ between two users and between two machines. debugfs needs no root either.
 * @throws Error when debugfs complains of anything (it exits 0 even then).
 */
export async function fillExt2(
  image: string,
  entries: readonly ImageEntry[],
  options: Ext2Options,
): Promise<Ext2Usage> {
  const script = `${image}.debugfs`;
  await writeFile(script, debugfsScript(entries, options.epoch));
  const complaints: string[] = [];
  const result = await run('debugfs', ['-w', '-f', script, image], {
    ...toolOptions(options),
    onLine(line, stream) {
      if (stream === 'stderr' && !/^debugfs \d/.test(line) && line !== '') complaints.push(line);
    },
  });
  await rm(script, { force: true });
  if (result.exitCode !== 0 || complaints.length > 0) {
    throw new Error(`debugfs could not fill ${image}:\n${complaints.join('\n')}`);
  }
  return readExt2Usage(image);
}

/** @throws Error with e2fsck's words (which go to the log) unless the file system is clean. Changes nothing. */
export async function checkExt2(image: string, options: Ext2Options, log?: string): Promise<void> {
  const result = await run('e2fsck', ['-f', '-n', image], {
    ...toolOptions(options),
    ...(log === undefined ? {} : { log }),
  });
  if (result.exitCode !== 0) {
    throw new Error(`e2fsck finds faults in ${image}:\n${result.tail.join('\n')}`);
  }
}

/** Reads the super block's counters. */
export async function readExt2Usage(image: string): Promise<Ext2Usage> {
  const superBlock = Buffer.alloc(1024);
  const handle = await open(image, 'r');
  try {
    await handle.read(superBlock, 0, superBlock.length, 1024);
  } finally {
    await handle.close();
  }
  if (superBlock.readUInt16LE(56) !== 0xef53) throw new Error(`${image} holds no ext2 file system`);
  return {
    inodes: superBlock.readUInt32LE(0),
    blocks: superBlock.readUInt32LE(4),
    freeBlocks: superBlock.readUInt32LE(12),
    freeInodes: superBlock.readUInt32LE(16),
  };
}

/** The commands that make entries of an empty file system; debugfs(8) has their syntax. */
export function debugfsScript(entries: readonly ImageEntry[], epoch: number): string {
  const lines = [
    `set_current_time @${epoch}`,
    ...entries.flatMap(creation),
    // Afterwards, because a new name in a directory touches it.
    ...entries.flatMap((entry) => [
      `sif ${quote(`/${entry.path}`)} mode 0${inodeMode(entry).toString(8)}`,
      ...ownership(`/${entry.path}`, epoch),
    ]),
    ...ownership('/', epoch),
    ...ownership('/lost+found', epoch),
    `ssv flags ${SIGNED_HASH}`,
  ];
  return `${lines.join('\n')}\n`;
}

function ownership(path: string, epoch: number): string[] {
  return [
    ...['uid', 'gid'].map((field) => `sif ${quote(path)} ${field} 0`),
    ...['atime', 'ctime', 'mtime'].map((field) => `sif ${quote(path)} ${field} @${epoch}`),
  ];
}

function creation(entry: ImageEntry): string[] {
  const name = quote(basename(entry.path));
  // Not by paths: `write` and `mknod` take bare names, and `symlink` takes /name to be in the current directory.
  const enter = `cd ${quote(join('/', dirname(entry.path)))}`;
  switch (entry.type) {
    case 'directory':
      return [enter, `mkdir ${name}`];
    case 'file':
      return [enter, `write ${quote(entry.source)} ${name}`];
    case 'symlink':
      return [enter, `symlink ${name} ${quote(entry.target)}`];
    case 'device':
      return [enter, `mknod ${name} ${entry.kind} ${entry.major} ${entry.minor}`];
  }
}

/** Type and permission bits (linux/stat.h). */
function inodeMode(entry: ImageEntry): number {
  switch (entry.type) {
    case 'directory':
      return 0o040000 | entry.mode;
    case 'file':
      return 0o100000 | entry.mode;
    case 'symlink':
      return 0o120777;
    case 'device':
      return (entry.kind === 'c' ? 0o020000 : 0o060000) | entry.mode;
  }
}

/** A word of debugfs's command language: in double quotes, a quote within doubled. */
function quote(word: string): string {
  if (word.includes('\n')) {
    throw new KilnError('failed', `${JSON.stringify(word)}: a name with a line end can't go into an initrd`);
  }
  return `"${word.replaceAll('"', '""')}"`;
}

function toolOptions(options: Ext2Options) {
  const environment = baseEnvironment();
  return {
    env: {
      ...environment,
      // Where e2fsprogs lives; not on the PATH of a user who isn't root.
      PATH: `${environment.PATH}:/usr/sbin:/sbin`,
      E2FSPROGS_FAKE_TIME: String(options.epoch),
      // The host's own defaults must not reach the image.
      MKE2FS_CONFIG: '/dev/null',
    },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}
