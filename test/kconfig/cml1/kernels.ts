import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SourceReader } from '../../../src/kconfig/index.ts';
import { run } from '../../../src/platform/process.ts';

/** The tarball of a kernel in the mirror directory, or undefined where there is none. */
export function kernelTarball(version: string): string | undefined {
  const path = join(process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror'), `linux-${version}.tar`);
  return existsSync(path) ? path : undefined;
}

/** What of a kernel tree the configuration needs: a few hundred small files. */
export interface ConfigFiles {
  readonly directory: string;
  readonly reader: SourceReader;
  readonly architectures: () => string[];
  readonly remove: () => Promise<void>;
}

/** Unpacks the Config.in files, the defaults, the help and scripts/Configure of a kernel. */
export async function unpackConfigFiles(tarball: string): Promise<ConfigFiles> {
  const directory = await mkdtemp(join(tmpdir(), 'kiln-kconfig-'));
  const wanted = ['*/config*.in', '*/Config*.in', '*/defconfig', '*/scripts/Configure', '*/Configure.help'];
  const result = await run('tar', [
    ...['-C', directory, '--strip-components=1', '-xf', tarball, '--wildcards', ...wanted],
    `linux-*/Makefile`,
    '--exclude=*/*/Makefile',
  ]);
  if (result.exitCode !== 0) throw new Error(result.tail.join('\n'));
  await mkdir(join(directory, 'include/linux'), { recursive: true });
  return {
    directory,
    reader: directoryReader(directory),
    architectures: () => readdirSync(join(directory, 'arch')).sort(),
    remove: () => rm(directory, { recursive: true }),
  };
}

export function directoryReader(directory: string): SourceReader {
  return {
    read(path) {
      const file = join(directory, path);
      return existsSync(file) ? readFileSync(file, 'latin1') : undefined;
    },
  };
}

export interface Configured {
  readonly dotConfig: string;
  readonly autoconf: string;
}

/** Runs the tree's own scripts/Configure as `yes "" | make oldconfig` does; undefined when it never ends. */
export async function configure(
  directory: string,
  arch: string,
  base: string,
  timeoutMs = 300_000,
): Promise<Configured | undefined> {
  await writeFile(join(directory, '.config'), base, 'latin1');
  const command = `yes "" | bash --norc scripts/Configure -d arch/${arch}/config.in >.out`;
  const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C', ARCH: arch };
  const result = await run('sh', ['-c', command], { cwd: directory, env, timeoutMs });
  if (result.timedOut) return undefined;
  if (result.exitCode !== 0) throw new Error(`scripts/Configure failed: ${result.tail.join('\n')}`);
  return {
    dotConfig: await readFile(join(directory, '.config'), 'latin1'),
    autoconf: await readFile(join(directory, 'include/linux/autoconf.h'), 'latin1'),
  };
}
