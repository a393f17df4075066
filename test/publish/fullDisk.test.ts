import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freshDirectory } from '../support/kiln.ts';
import { shareOf } from './share.ts';

interface Outcome {
  readonly pieces: number;
  readonly publish: string;
  readonly published: string;
  readonly rolledBack: string;
  readonly back: string;
  readonly faults: readonly string[];
}

const SCRIPT = join(import.meta.dirname, 'fullDisk.ts');
const NODE = `"${process.execPath}" --disable-warning=ExperimentalWarning`;

/** Runs a command in a mount namespace of its own, in a fresh directory. */
function inNamespace(command: string) {
  return spawnSync('unshare', ['-m', 'sh', '-euc', command, 'sh', freshDirectory('full'), SCRIPT], {
    encoding: 'utf8',
  });
}

/** The outcomes on a small file system, made by the command, that is mounted at `m`. */
function run(mount: string, what: string): Outcome[] {
  const ran = inNamespace(`cd "$1"; mkdir m; ${mount}; exec ${NODE} "$2" "$1/m" ${what} ${shareOf(1, 4)}`);
  if (ran.status !== 0) throw new Error(`exit ${ran.status}:\n${ran.stderr}\n${ran.stdout}`);
  return ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome);
}

const MOUNTS = [
  ['blocks of tmpfs', 'mount -t tmpfs -o size=1m none m', 'blocks'],
  ['inodes of tmpfs', 'mount -t tmpfs -o size=4m,nr_inodes=400 none m', 'inodes'],
  [
    'blocks of ext4',
    'truncate -s 8M image; mkfs.ext4 -q -m 0 -b 1024 image; mount -o loop image m',
    'blocks',
  ],
] as const;

describe('on a file system that is full but for a few pieces', () => {
  for (const [name, mount, what] of MOUNTS) {
    const allowed = inNamespace(`cd "$1"; mkdir m; ${mount}`).status === 0;
    const claim =
      'a bundle is stored and published, or the disk is said to be full; what is there is whole, and a rollback works';
    it.skipIf(!allowed)(`(${name}) ${claim}${allowed ? '' : ' (skipped: mounting is not allowed)'}`, () => {
      const outcomes = run(mount, what);
      expect(outcomes[0]?.publish).toMatch(/the disk is full/);
      expect(outcomes.at(-1)?.publish).toBe('done');
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          publish: expect.stringMatching(/^done$|the disk is full$/),
          published: outcome.publish === 'done' ? '../bundles/three' : '../bundles/two',
          rolledBack: 'done',
          back: '../bundles/one',
          faults: [],
        });
      }
    });
  }
});
