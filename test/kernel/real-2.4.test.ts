import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { applyCompat, compile, configureTree, familyFor, findToolchain } from '../../src/kernel/index.ts';
import { sourceDateEpoch } from '../../src/platform/clock.ts';
import { output, run } from '../../src/platform/process.ts';
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

/** What a kernel must print within this time, on a machine that is busy with other things as well. */
const BOOT_LIMIT_MS = 120_000;

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

/** Boots a kernel and gives what it prints, until a line matches or the limit is reached. */
async function bootUntil(image: string, initrd: string, wanted: RegExp): Promise<string[]> {
  const lines: string[] = [];
  const seen = new AbortController();
  const machine = [
    '-accel',
    'tcg',
    '-m',
    '64',
    '-nographic',
    '-no-reboot',
    '-kernel',
    image,
    '-initrd',
    initrd,
  ];
  const cmdline = 'console=ttyS0 ip=dhcp root=/dev/ram0 rw panic=1';
  const network = ['-netdev', 'user,id=n0', '-device', 'rtl8139,netdev=n0'];
  await run('qemu-system-i386', [...machine, '-append', cmdline, ...network], {
    timeoutMs: BOOT_LIMIT_MS,
    signal: seen.signal,
    onLine: (line) => {
      lines.push(line);
      if (wanted.test(line)) seen.abort();
    },
  });
  return lines;
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
      const console = (await bootUntil(built.image, initrd, /registers done|Kernel panic/)).join('\n');
      expect(console).toContain(`Linux version ${version} (kiln@kiln)`);
      expect(console).toContain('my address is 10.0.2.15');
      expect(console).toContain('kiln: registers done');
      expect(console).toContain('kiln: registers iopl 3');
      expect(console.match(/registers changed .*/g) ?? []).toEqual([]);
      const called = ['succeeded', 'refused'].flatMap((how) => callNumbers(console, how));
      expect(called.sort((a, b) => a - b)).toEqual(CALLED);
    },
    600_000,
  );
});
