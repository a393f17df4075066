import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { KilnError } from '../platform/errors.ts';
import { run } from '../platform/process.ts';
import { alignUp, type DirectoryNode, type ImageNode, inodeMode } from './tree.ts';

const MAGIC = 0x28cd3d45;
/** FSID_VERSION_2 and SORTED_DIRS (linux/cramfs_fs.h). */
const FLAGS = 3;
const SUPER_BYTES = 76;
const INODE_BYTES = 12;
const ROOT_AT = 64;

/** What a block is compressed from; the page of the machine that mounts it. */
const PAGE_BYTES = 4096;
const LARGEST_FILE = 0xffffff;
const LONGEST_NAME = 252;

export interface CramfsOptions {
  /** Directory for files on the way, on the disk. */
  readonly workDirectory: string;
  readonly signal?: AbortSignal;
}

/** A node with what the image says of it. */
interface Inode {
  readonly node: ImageNode;
  readonly children: readonly Inode[];
  /** Compressed blocks of its content. */
  readonly blocks: readonly Buffer[];
  offset: number;
}

/**
 * A cramfs image (linux/cramfs_fs.h, version 2 with sorted directories), for machines of little-endian order
 * and pages of 4 KiB; padded to whole pages, as mkfs.cramfs does. The format has no times.
 * @throws KilnError `failed` for what cramfs can't hold: a file of 16 MiB, a name over 252 bytes, a
 * device number over 255; `tool` when gzip is missing
 */
export async function writeCramfs(root: DirectoryNode, options: CramfsOptions): Promise<Buffer> {
  refuseUnfit(root, '');
  const inodes: Inode[] = [];
  const blocks = await compressPages(pagesOf(root), options);
  const top = build(root, inodes, blocks);
  let at = SUPER_BYTES;
  // All directories stand before all content; fsck.cramfs insists.
  for (const inode of inodes) {
    if (inode.children.length === 0) continue;
    inode.offset = at;
    at += directoryBytes(inode);
  }
  for (const inode of inodes) {
    if (inode.blocks.length === 0) continue;
    inode.offset = at;
    at += contentBytes(inode);
  }
  const image = Buffer.alloc(alignUp(at, PAGE_BYTES));
  writeSuper(image, inodes);
  writeInode(image, ROOT_AT, top);
  for (const inode of inodes) writeContent(image, inode);
  image.writeUInt32LE(crc32(image), 32);
  return image;
}

function refuseUnfit(node: ImageNode, path: string): void {
  const content = contentOf(node);
  const why =
    content.length > LARGEST_FILE
      ? `has ${content.length} bytes, and ${LARGEST_FILE} are the most`
      : Buffer.byteLength(node.name) > LONGEST_NAME
        ? `has a name of more than ${LONGEST_NAME} bytes`
        : node.type === 'device' && (node.major > 255 || node.minor > 255)
          ? `is device ${node.major}:${node.minor}, and 255:255 is the last`
          : undefined;
  if (why !== undefined) {
    throw new KilnError('failed', `${path} can't go into a cramfs: it ${why}`, {
      hint: 'initrd.format: ext2 has no such limit',
    });
  }
  if (node.type === 'directory')
    for (const child of node.children) refuseUnfit(child, `${path}/${child.name}`);
}

function contentOf(node: ImageNode): Buffer {
  return node.type === 'file' || node.type === 'symlink' ? node.content : Buffer.alloc(0);
}

function* pagesOf(node: ImageNode): Generator<Buffer> {
  const content = contentOf(node);
  for (let at = 0; at < content.length; at += PAGE_BYTES) yield content.subarray(at, at + PAGE_BYTES);
  if (node.type === 'directory') for (const child of node.children) yield* pagesOf(child);
}

/** Nodes with their blocks; `into` gets them in the order in which they are placed, parents first. */
function build(node: ImageNode, into: Inode[], blocks: Iterator<Buffer>): Inode {
  const children: Inode[] = [];
  const own = Array.from({ length: Math.ceil(contentOf(node).length / PAGE_BYTES) }, () => {
    const { value } = blocks.next() as IteratorYieldResult<Buffer>;
    return value;
  });
  const inode: Inode = { node, children, blocks: own, offset: 0 };
  into.push(inode);
  if (node.type === 'directory') for (const child of node.children) children.push(build(child, into, blocks));
  return inode;
}

function directoryBytes({ children }: Inode): number {
  return children.reduce((sum, { node }) => sum + INODE_BYTES + nameBytes(node), 0);
}

/** A pointer for each block, to the block's end, then the blocks. */
function contentBytes({ blocks }: Inode): number {
  return alignUp(
    blocks.reduce((sum, block) => sum + 4 + block.length, 0),
    4,
  );
}

function nameBytes(node: ImageNode): number {
  return alignUp(Buffer.byteLength(node.name), 4);
}

function writeSuper(image: Buffer, inodes: readonly Inode[]): void {
  image.writeUInt32LE(MAGIC, 0);
  image.writeUInt32LE(image.length, 4);
  image.writeUInt32LE(FLAGS, 8);
  image.write('Compressed ROMFS', 16, 'latin1');
  // fsid: crc (at 32, last of all), edition, blocks, files
  image.writeUInt32LE(
    inodes.reduce((sum, { blocks }) => sum + blocks.length, 0),
    40,
  );
  image.writeUInt32LE(inodes.length, 44);
  image.write('kiln', 48, 'latin1');
}

/** mode:16 uid:16, size:24 gid:8, namelen:6 offset:26; lengths and offsets count in words. */
function writeInode(image: Buffer, at: number, inode: Inode): void {
  const { node, offset } = inode;
  const size =
    node.type === 'directory'
      ? directoryBytes(inode)
      : node.type === 'device'
        ? (node.major << 8) | node.minor
        : node.content.length;
  image.writeUInt16LE(inodeMode(node), at);
  image.writeUIntLE(size, at + 4, 3);
  image.writeUInt32LE(((nameBytes(node) / 4) | ((offset / 4) << 6)) >>> 0, at + 8);
}

function writeContent(image: Buffer, inode: Inode): void {
  let at = inode.offset;
  for (const child of inode.children) {
    writeInode(image, at, child);
    image.write(child.node.name, at + INODE_BYTES);
    at += INODE_BYTES + nameBytes(child.node);
  }
  let end = at + 4 * inode.blocks.length;
  for (const block of inode.blocks) {
    block.copy(image, end);
    end += block.length;
    image.writeUInt32LE(end, at);
    at += 4;
  }
}

/** Files for one run of gzip. */
const AT_ONCE = 1000;

/**
 * Compresses pages as zlib streams. GNU gzip does it, a file for each page, because the output of Node's zlib
 * depends on the processor that it runs on; the deflate stream within is the same in both formats.
 */
async function compressPages(pages: Iterable<Buffer>, options: CramfsOptions): Promise<Iterator<Buffer>> {
  const directory = join(options.workDirectory, 'pages');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  try {
    const all = [...pages];
    const names = all.map((_page, index) => index.toString().padStart(6, '0'));
    for (const [index, page] of all.entries()) await writeFile(join(directory, names[index] ?? ''), page);
    for (let from = 0; from < names.length; from += AT_ONCE) {
      const result = await run('gzip', ['-9', '-n', ...names.slice(from, from + AT_ONCE)], {
        cwd: directory,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      options.signal?.throwIfAborted();
      if (result.exitCode !== 0) throw new Error(`gzip failed:\n${result.tail.join('\n')}`);
    }
    const blocks = await Promise.all(
      all.map(async (page, index) => zlibStream(await readFile(join(directory, `${names[index]}.gz`)), page)),
    );
    return blocks.values();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** RFC 1952 to RFC 1950: ten bytes of header and eight of trailer give way to two and Adler-32. */
function zlibStream(gzip: Buffer, page: Buffer): Buffer {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(adler32(page));
  return Buffer.concat([Buffer.from([0x78, 0xda]), gzip.subarray(10, -8), checksum]);
}

function adler32(bytes: Buffer): number {
  let low = 1;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % 65521;
    high = (high + low) % 65521;
  }
  return ((high << 16) | low) >>> 0;
}
