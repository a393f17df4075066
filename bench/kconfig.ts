import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  loadTree,
  mergeFragments,
  parseFragment,
  type Requested,
  resolveConfig,
  treeReader,
} from '../src/kconfig/index.ts';
import { exists } from '../src/platform/files.ts';
import { run } from '../src/platform/process.ts';

/** `make oldconfig` takes about half a second; more runs make the figure no better. */
const RIVAL_RUNS = Number(process.env.KILN_BENCH_OLDCONFIGS ?? 20);
const VARIANTS = 1000;
const VERSIONS = ['2.4.22', '2.4.37.11'];

/**
 * Kiln's resolver beside the tree's own `make oldconfig` on the same input: one configuration with everything
 * it takes (reading and parsing the Config.in files included), then a thousand variants of one tree.
 * Each result of the rival is compared with ours before any time counts.
 */
export async function bench(): Promise<void> {
  for (const version of VERSIONS) {
    const mirror = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
    const tarball = join(mirror, `linux-${version}.tar`);
    if (await exists(tarball)) await benchTree(version, tarball);
    else console.log(`kconfig on Linux ${version}: skipped, there is no ${tarball}`);
  }
}

async function benchTree(version: string, tarball: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'kiln-bench-kconfig-'));
  try {
    await unpack(tarball, directory);
    const base = await readFile(join(directory, 'arch/i386/defconfig'), 'latin1');
    const netboot = await readRequests('netboot');
    const variants = drawVariants(netboot);

    const resolveOnce = () =>
      timed(() => resolveConfig({ reader: treeReader(directory), arch: 'i386', base, requested: netboot }));
    const cold = resolveOnce();
    const rival = await timeRival(directory, base, variants.slice(0, RIVAL_RUNS));
    const once = medianOf(Array.from({ length: 9 }, resolveOnce));
    const tree = loadTree(treeReader(directory), 'i386');
    const many = timed(() => {
      for (const requested of variants) resolveConfig({ tree, base, requested });
    });
    report(version, rival, { cold, once, many });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function report(version: string, rival: number, ours: { cold: number; once: number; many: number }): void {
  const { cold, once, many } = ours;
  const all = rival * VARIANTS;
  const row = (what: string, time: number, ratio: number, limit: string) =>
    console.log(`  ${what.padEnd(36)} ${time.toFixed(1).padStart(9)} ms  1/${ratio.toFixed(0)}${limit}`);
  console.log(`kconfig on Linux ${version} (i386, defconfig and kconfig/netboot.config)`);
  row(`make oldconfig, mean of ${RIVAL_RUNS}`, rival, 1, '');
  row('first resolve in a process, parsing too', cold, rival / cold, '');
  row('one resolve, parsing included', once, rival / once, '  (at most 1/10)');
  row(`${VARIANTS} variants of one tree`, many, all / many, '  (at most 1/40)');
}

/** A different handful of options for each variant, on top of the same fragment. */
function drawVariants(netboot: readonly Requested[]): Requested[][] {
  const symbols = [
    '8139TOO',
    'NE2K_PCI',
    'PCNET32',
    'TULIP',
    'E100',
    'E1000',
    'IDE',
    'SCSI',
    'USB',
    'SOUND',
    'SMP',
  ];
  return Array.from({ length: VARIANTS }, (_, number) => {
    const lines = symbols.map(
      (symbol, bit) => `CONFIG_${symbol}=${(number >> (bit % 10)) & 1 ? 'y' : 'n'}\n`,
    );
    return [...netboot, ...parseFragment(lines.join(''), 'variant').options];
  });
}

async function timeRival(directory: string, base: string, variants: readonly Requested[][]): Promise<number> {
  let total = 0;
  for (const requested of variants) {
    const { config } = mergeFragments(base, [{ file: 'variant', options: requested }]);
    await writeFile(join(directory, '.config'), config, 'latin1');
    const start = performance.now();
    const result = await run('sh', ['-c', 'yes "" | make ARCH=i386 oldconfig >/dev/null'], {
      cwd: directory,
    });
    total += performance.now() - start;
    if (result.exitCode !== 0) throw new Error(`make oldconfig failed: ${result.tail.join('\n')}`);
    const ours = resolveConfig({ reader: treeReader(directory), arch: 'i386', base, requested });
    if ((await readFile(join(directory, '.config'), 'latin1')) !== ours.dotConfig) {
      throw new Error('make oldconfig gave another .config: the times would mean nothing');
    }
  }
  return total / variants.length;
}

/** What `make oldconfig` needs of a tree. */
async function unpack(tarball: string, directory: string): Promise<void> {
  const wanted = ['config*.in', 'Config*.in', 'defconfig', 'scripts/Configure', 'Makefile', 'Rules.make'];
  const args = ['-C', directory, '--strip-components=1', '-xf', tarball, '--wildcards'];
  const result = await run('tar', [...args, ...wanted.map((name) => `*/${name}`)]);
  if (result.exitCode !== 0) throw new Error(result.tail.join('\n'));
  await mkdir(join(directory, 'include/linux'), { recursive: true });
  await mkdir(join(directory, 'include/asm-i386'), { recursive: true });
}

async function readRequests(name: string): Promise<readonly Requested[]> {
  const file = `kconfig/${name}.config`;
  return parseFragment(await readFile(join(import.meta.dirname, '..', file), 'utf8'), file).options;
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

function medianOf(times: readonly number[]): number {
  const sorted = [...times].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
