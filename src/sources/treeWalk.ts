import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';

/**
 * Something in a directory tree. `path` is relative to the tree's top, its bytes one by one as Latin-1, so that
 * names in any encoding pass through unchanged; `pathOnDisk` gives it back to the system.
 */
export interface TreeItem {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
}

/**
 * Everything below a directory, sorted by the bytes of the paths.
 * @param keep decides by its name whether something, with all below it, counts
 */
export async function walkTree(top: string, keep: (name: string) => boolean): Promise<TreeItem[]> {
  const items: TreeItem[] = [];
  const pending = [''];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const entries = await readdir(pathOnDisk(top, directory), { withFileTypes: true, encoding: 'buffer' });
    for (const entry of entries) {
      const name = entry.name.toString('latin1');
      if (!keep(name)) continue;
      const path = directory === '' ? name : `${directory}/${name}`;
      const type = typeOf(entry);
      items.push({ path, type });
      if (type === 'directory') pending.push(path);
    }
  }
  return items.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function typeOf(entry: Dirent<Buffer>): TreeItem['type'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  return entry.isSymbolicLink() ? 'symlink' : 'other';
}

/** The path of an item of `walkTree`, as bytes. */
export function pathOnDisk(top: string, path: string): Buffer {
  return path === ''
    ? Buffer.from(top)
    : Buffer.concat([Buffer.from(`${top}/`), Buffer.from(path, 'latin1')]);
}
