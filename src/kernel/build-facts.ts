import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readTextIfAny } from '../platform/files.ts';
import { BUILDER, compileHeader, unixDate } from './compile-header.ts';
import type { BuildFacts, KernelFamily } from './family.ts';
import type { Toolchain } from './toolchain.ts';

/**
 * Gives date, user and host of the build values of Kiln's choice.
 * @param config the tree's final `.config`
 * @param buildDate seconds since 1970
 * @returns arguments for make
 */
export async function stateBuildFacts(
  top: string,
  family: KernelFamily,
  toolchain: Toolchain,
  config: string,
  buildDate: number,
): Promise<string[]> {
  const { buildFacts } = family;
  if (buildFacts.kind === 'header') {
    return ownCompileHeader(top, buildFacts, toolchain, config, buildDate);
  }
  return [
    `KBUILD_BUILD_TIMESTAMP=${unixDate(buildDate)}`,
    `KBUILD_BUILD_USER=${BUILDER}`,
    `KBUILD_BUILD_HOST=${BUILDER}`,
    'KBUILD_BUILD_VERSION=1',
  ];
}

/**
 * Writes the header with the facts of the build in the place of make, whose rule would put the date, the user
 * and the host into it, and drops the objects that were made with another text. A tree whose Makefile asks
 * for none of these keeps its own rule.
 * @returns the argument that makes make leave the header alone
 */
async function ownCompileHeader(
  top: string,
  header: BuildFacts & { kind: 'header' },
  toolchain: Toolchain,
  config: string,
  buildDate: number,
): Promise<string[]> {
  const makefile = await readFile(join(top, 'Makefile'), 'latin1');
  if (!makefile.includes('LINUX_COMPILE_HOST')) return [];
  const text = compileHeader({
    buildDate,
    smp: /^CONFIG_SMP=y$/m.test(config),
    compilerVersion: toolchain.compilerVersion,
  });
  const path = join(top, header.file);
  if ((await readTextIfAny(path)) !== text) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    for (const user of header.users) await rm(join(top, user), { force: true });
  }
  return [`--old-file=${header.file}`];
}
