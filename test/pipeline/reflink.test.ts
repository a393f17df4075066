import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { run } from '../../src/platform/process.ts';

const scratch = mkdtempSync(join(tmpdir(), 'kiln-reflink-'));
const [image, mounted] = ['image', 'mounted'].map((name) => join(scratch, name)) as [string, string];
mkdirSync(mounted);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Runs a program where a file system that shares blocks is mounted, which goes when the program has ended. */
const where = (...program: string[]) => {
  const script = 'mount -o loop "$1" "$2" && shift 2 && exec "$@"';
  const own = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', image, mounted];
  return run('unshare', [...own, ...program]);
};

/** Why there is none here; mkfs.xfs makes none below 300 MB, of which next to nothing is written. */
async function fault(): Promise<string | undefined> {
  const made = await run('sh', ['-c', 'truncate -s 320M "$0" && mkfs.xfs -q "$0"', image]);
  if (made.exitCode !== 0) return 'no mkfs.xfs';
  return (await where('true')).exitCode === 0 ? undefined : 'no right to mount, or no XFS in this kernel';
}

const reason = await fault();

test.skipIf(reason !== undefined)(
  `a tree that is a copy shares its blocks with the prepared one until it is changed${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  async () => {
    const program = join(import.meta.dirname, 'reflink-trees.ts');
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', program];
    const result = await where(...node, mounted);
    expect(result.tail.join('\n')).toBe('{"shared":true,"kept":true}');
  },
);
