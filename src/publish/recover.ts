import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileSystem, isTemporary, sweepTemporaries } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { linkCanaries } from './canary.ts';
import { channelNames, settleChannel } from './channels.ts';

/**
 * Settles what crashes left open in all channels, and removes half-made things from the TFTP root. Every
 * change does this for its own channel first; this is for all of them. The caller holds the publish lock.
 * @param attempt what runs each part of it, and may go on to the next when one fails
 * @returns what was removed
 */
export async function recover(
  fs: FileSystem,
  home: Home,
  attempt: (part: () => Promise<unknown>) => Promise<unknown> = (part) => part(),
): Promise<string[]> {
  for (const channel of await channelNames(home)) {
    await attempt(() => settleChannel(fs, home, channel));
  }
  await attempt(() => linkCanaries(fs, home));
  const swept = await sweepTemporaries(fs, home.channels);
  for (const { path, name } of await walkTftp(home)) {
    if (!isTemporary(name)) continue;
    await fs.removeTree(path);
    swept.push(path);
  }
  return swept;
}

/** Something below the TFTP root. */
export interface TftpEntry {
  /** Relative to the root. */
  readonly below: string;
  readonly path: string;
  readonly name: string;
  readonly kind: 'directory' | 'file' | 'symlink' | 'other';
}

/** Everything below the TFTP root, parents first; the insides of `bundles/<id>/` and of temporaries left out. */
export async function walkTftp(home: Home, below = ''): Promise<TftpEntry[]> {
  const entries: TftpEntry[] = [];
  const directory = join(home.tftp, below);
  if (below === '' && !(await isDirectory(directory))) return [];
  for (const found of (await readdir(directory, { withFileTypes: true })).sort(byName)) {
    const path = join(below, found.name);
    const kind = found.isDirectory()
      ? 'directory'
      : found.isSymbolicLink()
        ? 'symlink'
        : found.isFile()
          ? 'file'
          : 'other';
    entries.push({ below: path, path: join(home.tftp, path), name: found.name, kind });
    if (kind === 'directory' && below !== 'bundles' && !isTemporary(found.name)) {
      entries.push(...(await walkTftp(home, path)));
    }
  }
  return entries;
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1;
}

async function isDirectory(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
