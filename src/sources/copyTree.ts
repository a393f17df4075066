import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { run } from '../platform/process.ts';
import { digestTree } from './treeDigest.ts';
import type { FetchedSource, SourceNews } from './types.ts';

const SCRIPT = `umask 022 && mkdir "$2" &&
tar -C "$1" --exclude=.git -cf - . | tar -C "$2" --no-same-owner --no-same-permissions -xf -`;

/**
 * Copies a directory that was given as a source, without anything named `.git`, and reads the copy through.
 * @returns the copy, in a new directory below `work`
 * @throws KilnError `integrity` when the directory is no longer what it was when it was digested.
 */
export async function copyTree(
  source: FetchedSource,
  work: string,
  tell: (news: SourceNews) => void,
  signal: AbortSignal | undefined,
): Promise<{ readonly tree: string; readonly decoder: string; readonly members: number }> {
  const decoder = 'tar | tar';
  tell({ status: 'unpacking', decoder });
  const tree = join(work, 'tree');
  const abort = signal === undefined ? {} : { signal };
  const result = await run('sh', ['-c', SCRIPT, 'sh', source.path, tree], abort);
  signal?.throwIfAborted();
  const lines = result.tail.slice(-20);
  if (result.exitCode !== 0) {
    throw new KilnError('failed', `${source.path} could not be copied to ${tree}`, {
      lines,
      hint: 'see what tar said; often the disk is full',
    });
  }
  const copied = await digestTree(tree, signal);
  if (copied.sha256 !== source.sha256) {
    throw new KilnError('integrity', `${source.path} is not as it was when it was digested`, {
      lines,
      hint: 'run the command again when nothing writes to the directory any more',
    });
  }
  return { tree, decoder, members: copied.members };
}
