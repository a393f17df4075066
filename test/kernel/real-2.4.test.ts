import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { applyCompat, compile, configureTree, familyFor, findToolchain } from '../../src/kernel/index.ts';
import { sourceDateEpoch } from '../../src/platform/clock.ts';
import { output, run } from '../../src/platform/process.ts';

const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
const FRAGMENTS = ['cpu/586', 'netboot', 'serial-console', 'nic/8139too'];

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
async function bootUntil(image: string, wanted: RegExp): Promise<string[]> {
  const lines: string[] = [];
  const seen = new AbortController();
  const machine = ['-accel', 'tcg', '-m', '64', '-nographic', '-no-reboot', '-kernel', image];
  const network = ['-netdev', 'user,id=n0', '-device', 'rtl8139,netdev=n0'];
  await run('qemu-system-i386', [...machine, '-append', 'console=ttyS0 ip=dhcp panic=1', ...network], {
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
    `is built by this gcc, boots, and gets an address${why}`,
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

      const console = (await bootUntil(built.image, /my address is/)).join('\n');
      expect(console).toContain(`Linux version ${version} (kiln@kiln)`);
      expect(console).toContain('my address is 10.0.2.15');
    },
    600_000,
  );
});
