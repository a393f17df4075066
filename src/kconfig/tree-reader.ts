import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import type { SourceReader } from './cml1/tree.ts';

/** Longer than any file the configuration reads (Configure.help has 1.4 MB). */
const MAX_BYTES = 16 << 20;

/**
 * Reads the files of a kernel tree in a directory, one character per byte. The one place of this room that
 * touches a disk.
 * @throws KilnError `integrity` for a file that a symlink leads out of the tree, `invalid` for one too large.
 */
export function treeReader(directory: string): SourceReader {
  const root = realPath(directory);
  if (root === undefined) {
    throw new KilnError('usage', `there is no directory ${directory}`, { hint: 'give a kernel tree' });
  }
  return {
    read(path) {
      const file = realPath(join(root, path));
      if (file === undefined) return undefined;
      if (!file.startsWith(root + sep)) {
        throw new KilnError('integrity', `${path} leads out of the tree, to ${file}`, {
          place: { file: path },
        });
      }
      const stat = statSync(file);
      if (!stat.isFile()) return undefined;
      if (stat.size > MAX_BYTES) {
        throw new KilnError(
          'invalid',
          `${path} has ${stat.size} bytes, more than a file of its kind can have`,
          {
            place: { file: path },
          },
        );
      }
      return readFileSync(file, 'latin1');
    },
  };
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
