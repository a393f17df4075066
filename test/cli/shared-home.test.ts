import { chmodSync, chownSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { baseEnvironment, run } from '../../src/platform/process.ts';
import { CHECKOUT, freshDirectory, pathWithout } from '../support/kiln.ts';

// An ordinary user: nobody but this one, and no group but its own, is known where it mounts.
const USER = ['--user', '--map-root-user', '--'];
const can = process.getuid?.() === 0 && (await run('unshare', [...USER, 'true'])).exitCode === 0;

it.skipIf(!can)(
  "builds in a home that hands on a group which is not the user's own",
  async () => {
    const home = freshDirectory('shared');
    chownSync(home, 0, 12_345);
    chmodSync(home, 0o2775);
    // Without a boot: that would take most of the time.
    const env = { ...baseEnvironment(), PATH: pathWithout((name) => name.startsWith('qemu-system')) };
    const line = [join(CHECKOUT, 'kiln'), 'build', '--home', home, 'sample:ne2k', 'sample:rtl8139'];
    const { exitCode, tail } = await run('unshare', [...USER, ...line], { env });
    expect(exitCode, tail.join('\n')).toBe(0);
    expect(existsSync(join(home, 'tftp/sample/rtl8139/vmlinuz'))).toBe(true);
  },
  120_000,
);
