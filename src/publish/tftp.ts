import type { Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { BOOT_FILES, checkBundle, type StoredBundle } from '../bundle/index.ts';
import { hasErrno } from '../platform/errors.ts';
import { temporaryBeside } from '../platform/files.ts';
import { discard, disk, type FileSystem, makeDirectories } from '../platform/filesystem.ts';

/** Where a bundle's boot files are below a TFTP root. */
export function servedDirectory(tftpRoot: string, id: string): string {
  return join(tftpRoot, 'bundles', id);
}

/** The files of a bundle that are served. */
export function servedFiles(bundle: StoredBundle): string[] {
  return BOOT_FILES.filter((name) => bundle.manifest.files[name] !== undefined);
}

/**
 * Puts a bundle's boot files below a TFTP root as `bundles/<id>/`: hard links (copies where the root is on
 * another file system), whole or not at all, durable when it returns. Files that are there already are left
 * as they are when they are right; a damaged one is replaced by rename, never written to, so that a
 * download under way keeps its bytes.
 */
export async function placeBundle(
  tftpRoot: string,
  bundle: StoredBundle,
  fs: FileSystem = disk,
): Promise<void> {
  const directory = servedDirectory(tftpRoot, bundle.manifest.id);
  const found = await fs.look(directory);
  if (found?.isDirectory()) {
    await replaceDamaged(fs, directory, bundle);
    return;
  }
  const parent = dirname(directory);
  await makeDirectories(fs, parent);
  const temporary = temporaryBeside(directory);
  try {
    await fs.makeDirectory(temporary);
    for (const name of servedFiles(bundle)) {
      await linkOrCopy(fs, join(bundle.directory, name), join(temporary, name));
    }
    await fs.sync(temporary);
    // A symlink in its place, say: a server that chroots can't follow one that leaves the root.
    if (found !== undefined) await fs.removeTree(directory);
    await fs.rename(temporary, directory);
  } catch (error) {
    await discard(fs, temporary);
    throw error;
  }
  await fs.sync(parent);
}

async function replaceDamaged(fs: FileSystem, directory: string, bundle: StoredBundle): Promise<void> {
  for (const name of await servedFaults(fs, directory, bundle)) {
    const temporary = temporaryBeside(join(directory, name));
    try {
      await linkOrCopy(fs, join(bundle.directory, name), temporary);
      if ((await fs.look(join(directory, name)))?.isDirectory()) await fs.removeTree(join(directory, name));
      await fs.rename(temporary, join(directory, name));
    } catch (error) {
      await discard(fs, temporary);
      throw error;
    }
  }
  // Also where all is right: who put it there may have been stopped before this.
  await fs.sync(directory);
  await fs.sync(dirname(directory));
}

/** Names of served files that are missing, not what the manifest says, or not for a server's user to read. */
export async function servedFaults(
  fs: FileSystem,
  directory: string,
  bundle: StoredBundle,
): Promise<string[]> {
  const faults: string[] = [];
  for (const name of servedFiles(bundle)) {
    const served = await fs.look(join(directory, name));
    const stored = await fs.look(join(bundle.directory, name));
    if (served?.isFile() && isForAll(served)) {
      // The same inode as in the store, which was verified a moment ago, needs no second reading.
      if (served.ino === stored?.ino && served.dev === stored.dev) continue;
      const found = await checkBundle(directory, bundle.manifest, [name], { records: false });
      if (found.length === 0) continue;
    }
    faults.push(name);
  }
  return faults;
}

/** TFTP servers run as users of their own. */
function isForAll({ mode }: Stats): boolean {
  return (mode & 0o444) === 0o444;
}

async function linkOrCopy(fs: FileSystem, from: string, to: string): Promise<void> {
  try {
    await fs.link(from, to);
  } catch (error) {
    // EMLINK: too many links; EPERM: a file system without hard links.
    if (!hasErrno(error, 'EXDEV', 'EMLINK', 'EPERM')) throw error;
    await fs.copy(from, to);
    await fs.sync(to);
  }
  // A store that was copied under a strict umask.
  const made = await fs.look(to);
  if (made !== undefined && !isForAll(made)) await fs.chmod(to, 0o444);
}
