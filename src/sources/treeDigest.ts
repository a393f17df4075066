import { createHash } from 'node:crypto';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { KilnError } from '../platform/errors.ts';
import { pathOnDisk, type TreeItem, walkTree } from './treeWalk.ts';

/** How many files are read at once. */
const AT_ONCE = 8;

export interface TreeDigest {
  readonly sha256: string;
  /** Bytes of all files. */
  readonly size: number;
  readonly members: number;
}

/**
 * A directory's digest: SHA-256 over one line per member, in the order of their paths' bytes. A line is
 * `<d|f|x|l> <SHA-256 of the content or of the link's target> <path>\0`; `x` is a file that its owner may execute,
 * a directory has `-` for content. Times, owners, other mode bits and everything named `.git` don't count.
 * @throws KilnError `invalid` for a device, socket or fifo.
 */
export async function digestTree(top: string, signal?: AbortSignal): Promise<TreeDigest> {
  const items = await walkTree(top, (name) => name !== '.git');
  const lines = new Array<string>(items.length);
  let size = 0;
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      signal?.throwIfAborted();
      const item = items[index];
      if (item === undefined) return;
      const { line, bytes } = await describe(top, item);
      lines[index] = line;
      size += bytes;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line, 'latin1');
  return { sha256: hash.digest('hex'), size, members: items.length };
}

async function describe(top: string, item: TreeItem): Promise<{ line: string; bytes: number }> {
  const path = pathOnDisk(top, item.path);
  switch (item.type) {
    case 'directory':
      return { line: `d - ${item.path}\0`, bytes: 0 };
    case 'symlink':
      return { line: `l ${sha256(await readlink(path, 'buffer'))} ${item.path}\0`, bytes: 0 };
    case 'file': {
      const executable = ((await lstat(path)).mode & 0o100) !== 0;
      const content = await readFile(path);
      return { line: `${executable ? 'x' : 'f'} ${sha256(content)} ${item.path}\0`, bytes: content.length };
    }
    case 'other':
      throw new KilnError(
        'invalid',
        `${path} is neither a file, a directory nor a symlink; no source holds that`,
        {
          hint: 'remove it, or give a copy of the directory without it',
        },
      );
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
