import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { type FileSystem, makeDirectories } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';

/**
 * Space that is set aside while there is some, so that a full disk never costs the ability to roll back: a
 * flip needs a line in a journal and a symlink, and what this frees is enough for thousands.
 */
const RESERVE_BYTES = 64 * 1024;

function reservePath(home: Home): string {
  return join(home.channels, '.reserve');
}

/** Sets the space aside where it is not. @throws ENOSPC when there is none: nothing has been changed then */
export async function keepReserve(fs: FileSystem, home: Home): Promise<void> {
  const path = reservePath(home);
  if ((await fs.look(path))?.size === RESERVE_BYTES) return;
  await makeDirectories(fs, dirname(path));
  if ((await fs.look(path)) !== undefined) await fs.unlink(path);
  try {
    // Random, so that no file system compresses it away.
    await fs.createFile(path, randomBytes(RESERVE_BYTES), 0o600);
    await fs.sync(path);
  } catch (error) {
    await fs.removeTree(path);
    throw error;
  }
}

/** Gives the space back. @returns false when there was none set aside */
export async function spendReserve(fs: FileSystem, home: Home): Promise<boolean> {
  const path = reservePath(home);
  if ((await fs.look(path)) === undefined) return false;
  await fs.unlink(path);
  return true;
}
