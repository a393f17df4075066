import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { applyCompat, compile, configureTree, familyFor, findToolchain } from '../../src/kernel/index.ts';
import { sourceDateEpoch } from '../../src/platform/clock.ts';
import { output } from '../../src/platform/process.ts';
import { cardArguments, consoleOf } from '../support/machine.ts';
import { registersImage } from './registers/image.ts';

const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
const FRAGMENTS = ['cpu/586', 'netboot', 'serial-console', 'nic/8139too'];

/** Every system call but exit and the two returns from a signal (119, 173), which the others' time limit makes. */
const CALLED = Array.from({ length: 260 }, (_, index) => index + 1).filter(
  (number) => ![1, 119, 173].includes(number),
);

/** The system calls of one of the lists that the program in test/kernel/registers prints. */
function callNumbers(console: string, how: string): number[] {
  return (new RegExp(`registers ${how}((?: \\d+)*)`).exec(console)?.[1] ?? '').trim().split(' ').map(Number);
}

function tarball(version: string): string | undefined {
  const name = new RegExp(`^linux-${version.replaceAll('.', '\\.')}\\.tar(?:\\.\\w+)?$`);
  const found = existsSync(MIRROR) ? readdirSync(MIRROR).find((entry) => name.test(entry)) : undefined;
  return found === undefined ? undefined : join(MIRROR, found);
}

async function unpack(archive: string, version: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-real-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await output('tar', ['-xf', archive, '-C', folder]);
  const top = readdirSync(folder)[0] ?? `linux-${version}`;
  return join(folder, top);
}

describe.each(['2.4.22', '2.4.37.11'])('Linux %s', (version) => {
  const archive = tarball(version);
  const why = archive === undefined ? ` (skipped: no linux-${version} tarball)` : '';

  test.skipIf(archive === undefined)(
    `is built by this gcc, boots, gets an address, and no system call changes a register${why}`,
    async () => {
      const tree = await unpack(archive ?? '', version);
      const family = familyFor(version);
      const toolchain = await findToolchain({ compiler: 'gcc' });
      expect(applyCompat(tree, family.compatRules).length).toBeGreaterThan(5);
      applyCompat(tree, family.reproducibleRules);
      expect(applyCompat(tree, [...family.compatRules, ...family.reproducibleRules])).toEqual([]);

      const fragments = FRAGMENTS.map((name) => readFileSync(`kconfig/${name}.config`, 'utf8'));
      writeFileSync(join(tree, '.config'), `${fragments.join('')}CONFIG_BLK_DEV_LOOP=m\n`);
      const config = await configureTree(tree, family, toolchain);
      expect(readFileSync(config, 'utf8')).toMatch(/^CONFIG_8139TOO=y$/m);
      const built = await compile(tree, family, toolchain, {
        jobs: 2,
        modulesInto: `${tree}.root`,
        buildDate: sourceDateEpoch({}),
      });
      expect(built.release).toBe(version);
      expect(existsSync(join(built.modules ?? '', 'kernel/drivers/block/loop.o'))).toBe(true);
      expect(existsSync(join(built.modules ?? '', 'build'))).toBe(false);

      const initrd = await registersImage(join(tree, '..'));
      const cmdline = 'console=ttyS0 ip=dhcp root=/dev/ram0 rw panic=1';
      const kernel = ['-kernel', built.image, '-initrd', initrd, '-append', cmdline];
      const machine = [...kernel, ...cardArguments('rtl8139')];
      const console = await consoleOf(machine, /registers done|Kernel panic/);
      expect(console).toContain(`Linux version ${version} (kiln@kiln)`);
      expect(console).toContain('my address is 10.0.2.15');
      expect(console).toContain('kiln: registers done');
      expect(console).toContain('kiln: registers iopl 3');
      expect(console.match(/registers changed .*/g) ?? []).toEqual([]);
      const called = ['succeeded', 'refused'].flatMap((how) => callNumbers(console, how));
      expect(called.sort((a, b) => a - b)).toEqual(CALLED);
    },
    1_500_000,
  );
});
