import { readFile } from 'node:fs/promises';
import type { ImageEntry } from './content.ts';

/** A name of an image with what is below it, for the formats that Kiln writes itself. */
export type ImageNode =
  | DirectoryNode
  | { readonly type: 'file'; readonly name: string; readonly mode: number; readonly content: Buffer }
  | { readonly type: 'symlink'; readonly name: string; readonly mode: number; readonly content: Buffer }
  | DeviceNode;

export interface DirectoryNode {
  readonly type: 'directory';
  readonly name: string;
  readonly mode: number;
  /** Sorted by the bytes of their names. */
  readonly children: readonly ImageNode[];
}

export interface DeviceNode {
  readonly type: 'device';
  readonly name: string;
  readonly mode: number;
  readonly kind: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
}

/** Reads the content of entries and hangs them below a root; parents come before what is in them. */
export async function loadTree(entries: readonly ImageEntry[]): Promise<DirectoryNode> {
  const below = new Map<string, ImageEntry[]>();
  for (const entry of entries) {
    const parent = entry.path.includes('/') ? entry.path.slice(0, entry.path.lastIndexOf('/')) : '';
    below.set(parent, [...(below.get(parent) ?? []), entry]);
  }
  const childrenOf = async (path: string): Promise<ImageNode[]> => {
    const children = await Promise.all((below.get(path) ?? []).map(load));
    return children.sort((one, other) => Buffer.compare(Buffer.from(one.name), Buffer.from(other.name)));
  };
  const load = async (entry: ImageEntry): Promise<ImageNode> => {
    const name = entry.path.slice(entry.path.lastIndexOf('/') + 1);
    switch (entry.type) {
      case 'directory':
        return { type: 'directory', name, mode: entry.mode, children: await childrenOf(entry.path) };
      case 'file':
        return { type: 'file', name, mode: entry.mode, content: await readFile(entry.source) };
      case 'symlink':
        return { type: 'symlink', name, mode: 0o777, content: Buffer.from(entry.target) };
      case 'device': {
        const { mode, kind, major, minor } = entry;
        return { type: 'device', name, mode, kind, major, minor };
      }
    }
  };
  return { type: 'directory', name: '', mode: 0o755, children: await childrenOf('') };
}

/** Type and permission bits of an inode (linux/stat.h). */
export function inodeMode(node: ImageNode): number {
  switch (node.type) {
    case 'directory':
      return 0o040000 | node.mode;
    case 'file':
      return 0o100000 | node.mode;
    case 'symlink':
      return 0o120777;
    case 'device':
      return (node.kind === 'c' ? 0o020000 : 0o060000) | node.mode;
  }
}

/** Names below a directory, and the directory itself. */
export function countNodes(node: ImageNode): number {
  return node.type === 'directory' ? node.children.reduce((sum, child) => sum + countNodes(child), 1) : 1;
}

/** The next multiple of a power of two. */
export function alignUp(size: number, alignment: number): number {
  return (size + alignment - 1) & -alignment;
}
