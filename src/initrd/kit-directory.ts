import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import type { ImageEntry } from './content.ts';

/** Everything below a directory as entries of an image, sorted by name, `.git` left out. */
export async function readKitDirectory(top: string): Promise<ImageEntry[]> {
  const entries: ImageEntry[] = [];
  const walk = async (directory: string) => {
    for (const name of (await readdir(join(top, directory))).sort()) {
      // Not part of the tree's digest either.
      if (name === '.git') continue;
      const path = directory === '' ? name : `${directory}/${name}`;
      const entry = await entryOf(join(top, path), path);
      entries.push(entry);
      if (entry.type === 'directory') await walk(path);
    }
  };
  await walk('');
  return entries;
}

/** The builder's umask must not show: what the owner may execute is 0755, the rest 0644. */
async function entryOf(source: string, path: string): Promise<ImageEntry> {
  const stats = await lstat(source);
  if (stats.isDirectory()) return { type: 'directory', path, mode: 0o755 };
  if (stats.isSymbolicLink()) return { type: 'symlink', path, target: await readlink(source) };
  if (stats.isFile()) return { type: 'file', path, mode: (stats.mode & 0o100) === 0 ? 0o644 : 0o755, source };
  throw new KilnError('invalid', `${source} is neither a file, a directory nor a symlink`, {
    hint: 'leave devices out (Kiln adds those that a node needs) or give the kit as a tarball, which can hold them',
  });
}
