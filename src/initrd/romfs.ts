import { alignUp, type DirectoryNode, type ImageNode } from './tree.ts';

/** Everything starts at a multiple of this; the lower bits of `next` hold the type. */
const ALIGNMENT = 16;
const HEADER_BYTES = 16;

/** The image is padded to whole blocks, as genromfs does, so that a block device holds all of it. */
const BLOCK_BYTES = 1024;

const VOLUME = 'kiln';

/** Types of a file header's low bits (linux/romfs_fs.h). */
const TYPE = { hardLink: 0, directory: 1, file: 2, symlink: 3, block: 4, character: 5 } as const;
const EXECUTABLE = 8;

/** A node with its place in the image. */
interface Placed {
  readonly node: ImageNode;
  readonly offset: number;
  readonly children: readonly Placed[];
  /** Offsets of the headers of `.` and `..`. */
  readonly links: readonly [number, number];
}

/**
 * A romfs image (Documentation/filesystems/romfs.txt), laid out as genromfs does. The format knows neither
 * owners nor modes: the kernel shows root's, 0755 for directories and programs, 0644 for other files and 0600
 * for devices; nor times.
 */
export function writeRomfs(root: DirectoryNode): Buffer {
  const start = HEADER_BYTES + nameBytes(VOLUME);
  const layout = new Layout(start);
  const placed = layout.root(root);
  const image = Buffer.alloc(alignUp(layout.end, BLOCK_BYTES));
  image.write('-rom1fs-', 'latin1');
  image.writeUInt32BE(layout.end, 8);
  image.write(VOLUME, HEADER_BYTES, 'latin1');
  // The root is its own first entry, `.`; `..` is a link to it.
  header(image, start, placed.links[1], TYPE.directory | EXECUTABLE, start, 0, '.');
  writeChildren(image, placed, placed);
  // The first 512 bytes sum up to zero, their checksum included.
  image.writeInt32BE(-sum(image, 0, Math.min(512, layout.end)) | 0, 12);
  return image;
}

/** Gives out places in the order of genromfs: a directory's header, what is in it, its next sibling. */
class Layout {
  end: number;

  constructor(start: number) {
    this.end = start;
  }

  root(node: DirectoryNode): Placed {
    const offset = this.#take('.', 0);
    const parent = this.#take('..', 0);
    return {
      node,
      offset,
      links: [offset, parent],
      children: node.children.map((child) => this.#place(child)),
    };
  }

  #place(node: ImageNode): Placed {
    const content = node.type === 'file' || node.type === 'symlink' ? node.content.length : 0;
    const offset = this.#take(node.name, content);
    if (node.type !== 'directory') return { node, offset, links: [0, 0], children: [] };
    const links = [this.#take('.', 0), this.#take('..', 0)] as const;
    return { node, offset, links, children: node.children.map((child) => this.#place(child)) };
  }

  #take(name: string, content: number): number {
    const offset = this.end;
    this.end += HEADER_BYTES + nameBytes(name) + alignUp(content, ALIGNMENT);
    return offset;
  }
}

function writeChildren(image: Buffer, directory: Placed, parent: Placed): void {
  const [self, up] = directory.links;
  const first = directory.children[0]?.offset ?? 0;
  if (directory !== parent) header(image, self, up, TYPE.hardLink, directory.offset, 0, '.');
  header(image, up, first, TYPE.hardLink, parent.offset, 0, '..');
  directory.children.forEach((child, index) => {
    writeNode(image, child, directory.children[index + 1]?.offset ?? 0);
    if (child.node.type === 'directory') writeChildren(image, child, directory);
  });
}

function writeNode(image: Buffer, { node, offset, links }: Placed, next: number): void {
  switch (node.type) {
    case 'directory':
      header(image, offset, next, TYPE.directory | EXECUTABLE, links[0], 0, node.name);
      return;
    case 'device': {
      const type = node.kind === 'c' ? TYPE.character : TYPE.block;
      header(image, offset, next, type, (node.major << 16) | node.minor, 0, node.name);
      return;
    }
    case 'file':
    case 'symlink': {
      const executable = node.type === 'file' && (node.mode & 0o111) !== 0 ? EXECUTABLE : 0;
      header(image, offset, next, TYPE[node.type] | executable, 0, node.content.length, node.name);
      node.content.copy(image, offset + HEADER_BYTES + nameBytes(node.name));
    }
  }
}

function header(
  image: Buffer,
  at: number,
  next: number,
  type: number,
  info: number,
  size: number,
  name: string,
): void {
  image.writeUInt32BE(next | type, at);
  image.writeUInt32BE(info, at + 4);
  image.writeUInt32BE(size, at + 8);
  image.write(name, at + HEADER_BYTES);
  image.writeInt32BE(-sum(image, at, HEADER_BYTES + nameBytes(name)) | 0, at + 12);
}

/** Sum of big-endian words, modulo 2^32. */
function sum(image: Buffer, from: number, size: number): number {
  let total = 0;
  for (let at = from; at < from + size; at += 4) total = (total + image.readInt32BE(at)) | 0;
  return total;
}

/** Bytes that a name takes with its final zero. */
function nameBytes(name: string): number {
  return alignUp(Buffer.byteLength(name) + 1, ALIGNMENT);
}
