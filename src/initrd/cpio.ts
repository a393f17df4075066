import { alignUp, type DirectoryNode, type ImageNode, inodeMode } from './tree.ts';

/** What cpio(1) pads an archive to. */
const BLOCK_BYTES = 512;

/**
 * An initramfs: a cpio archive in the format newc (the kernel's Documentation/driver-api/early-userspace/
 * buffer-format.rst). Everything belongs to root; inode numbers count from 1, parents first.
 * @param epoch seconds since 1970, the time of every member
 */
export function writeCpio(root: DirectoryNode, epoch: number): Buffer {
  const parts: Buffer[] = [];
  let inode = 0;
  const add = (node: ImageNode, path: string) => {
    inode += 1;
    parts.push(member(node, path, inode, epoch));
    if (node.type === 'directory') for (const child of node.children) add(child, `${path}/${child.name}`);
  };
  for (const child of root.children) add(child, child.name);
  parts.push(header('TRAILER!!!', { nlink: 1 }));
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat(parts, alignUp(size, BLOCK_BYTES));
}

function member(node: ImageNode, path: string, inode: number, epoch: number): Buffer {
  const content = node.type === 'file' || node.type === 'symlink' ? node.content : Buffer.alloc(0);
  const head = header(path, {
    inode,
    mode: inodeMode(node),
    nlink: node.type === 'directory' ? 2 : 1,
    mtime: epoch,
    size: content.length,
    ...(node.type === 'device' ? { major: node.major, minor: node.minor } : {}),
  });
  return Buffer.concat([head, content], alignUp(head.length + content.length, 4));
}

interface HeaderFields {
  readonly inode?: number;
  readonly mode?: number;
  readonly nlink: number;
  readonly mtime?: number;
  readonly size?: number;
  readonly major?: number;
  readonly minor?: number;
}

function header(path: string, fields: HeaderFields): Buffer {
  const { inode = 0, mode = 0, nlink, mtime = 0, size = 0, major = 0, minor = 0 } = fields;
  const name = Buffer.from(`${path}\0`);
  // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const numbers = [inode, mode, 0, 0, nlink, mtime, size, 0, 0, major, minor, name.length, 0];
  const text = numbers.map((value) => value.toString(16).toUpperCase().padStart(8, '0')).join('');
  const bytes = Buffer.concat([Buffer.from(`070701${text}`), name]);
  return Buffer.concat([bytes], alignUp(bytes.length, 4));
}
