import { stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno, KilnError } from './errors.ts';

/** Where everything that Kiln writes is; every path below one directory. See docs/architecture.md. */
export interface Home {
  readonly root: string;
  /** `bundles/<recipe>/<variant>/<id>/` */
  readonly bundles: string;
  /** What the TFTP server serves. */
  readonly tftp: string;
  /** Safe to delete: sources, trees, step outputs, work trees. */
  readonly cache: string;
  /** One record per channel: its generations and flips. */
  readonly channels: string;
  /** What bundles are signed with, and whose signatures count. */
  readonly keys: string;
  readonly locks: string;
  readonly logs: string;
}

/** The layout of the home at `root` (an absolute path); touches nothing. */
export function homeAt(root: string): Home {
  return {
    root,
    bundles: join(root, 'bundles'),
    tftp: join(root, 'tftp'),
    cache: join(root, 'cache'),
    channels: join(root, 'channels'),
    keys: join(root, 'keys'),
    locks: join(root, 'locks'),
    logs: join(root, 'logs'),
  };
}

/** PROC_SUPER_MAGIC and AUTOFS_SUPER_MAGIC of linux/magic.h. */
const WITHOUT_DIRECTORIES = [0x9fa0, 0x0187];

/**
 * Refuses a home that is not there and never will be: below /proc, or where autofs mounts what it knows. mkdir(2) says
 * there that the parent is missing, and Node makes the parent and tries again, for ever.
 * @throws KilnError `usage`
 */
export async function refuseImpossible({ root }: Home): Promise<void> {
  const above = await nearestThere(root);
  if (above === undefined || above === root) return;
  if (!WITHOUT_DIRECTORIES.includes((await statfs(above)).type)) return;
  throw new KilnError('usage', `${root} can't be the home: nobody can make a directory in ${above}`, {
    hint: 'name another with --home DIR or $KILN_HOME',
  });
}

/** The path, or the nearest directory above it that is there; undefined for what can't be told. */
async function nearestThere(path: string): Promise<string | undefined> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    return hasErrno(error, 'ENOENT') && dirname(path) !== path ? nearestThere(dirname(path)) : undefined;
  }
}
