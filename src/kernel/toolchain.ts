import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { digestOf } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import { baseEnvironment, run } from '../platform/process.ts';

/** The tools that turn a tree into a kernel, and what identifies them. */
export interface Toolchain {
  /** Absolute path of the compiler for the kernel. */
  readonly compiler: string;
  /** As the compiler says it, e.g. `gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)`. */
  readonly compilerVersion: string;
  readonly binutilsVersion: string;
  readonly makeVersion: string;
  /** Absolute path of the compiler for programs that run during the build. */
  readonly hostCompiler: string;
  /** Hex SHA-256 over all that can change what the tools produce; part of every step's key. */
  readonly fingerprint: string;
}

export interface ToolchainRequest {
  /** A program's name or path: `gcc`, `gcc-11`, `/opt/gcc/bin/gcc`. */
  readonly compiler: string;
  /** `gcc` by default. */
  readonly hostCompiler?: string;
}

/**
 * Finds the tools and asks each for its version; takes some hundredths of a second.
 * The fingerprint covers the compiler's own description (target and configuration included), the size of
 * the compiler proper, the assembler, the linker and make: not paths, dates or packages, so that the same
 * tools on two machines are the same.
 * @throws KilnError `tool` naming the package, where a tool is missing; `invalid` for a compiler that is not GCC.
 */
export async function findToolchain(request: ToolchainRequest): Promise<Toolchain> {
  const compiler = findTool(request.compiler, packageOf(request.compiler));
  const hostCompiler = findTool(request.hostCompiler ?? 'gcc', packageOf(request.hostCompiler ?? 'gcc'));
  const assembler = findTool('as', 'binutils');
  const linker = findTool('ld', 'binutils');
  const make = findTool('make', 'make');
  for (const name of ['bash', 'gzip']) findTool(name, name);

  const [compilerSays, hostSays, cc1, assemblerSays, linkerSays, makeSays] = await Promise.all([
    describe(compiler, '-v'),
    describe(hostCompiler, '-v'),
    describe(compiler, '-print-prog-name=cc1'),
    describe(assembler, '--version'),
    describe(linker, '--version'),
    describe(make, '--version'),
  ]);
  const compilerVersion = gccVersion(compiler, compilerSays);
  const proper = cc1.find((line) => isAbsolute(line));
  if (proper === undefined) {
    throw new KilnError('tool', `${compiler} has no C compiler proper (cc1)`, {
      hint: `apt-get install ${packageOf(request.compiler)}`,
    });
  }
  const binutilsVersion = linkerSays[0] ?? '';
  const makeVersion = makeSays[0] ?? '';
  return {
    compiler,
    compilerVersion,
    binutilsVersion,
    makeVersion,
    hostCompiler,
    fingerprint: digestOf({
      compiler: withoutPaths(compilerSays),
      cc1: statSync(proper).size,
      host: gccVersion(hostCompiler, hostSays),
      assembler: [assemblerSays[0], statSync(assembler).size],
      linker: [binutilsVersion, statSync(linker).size],
      make: makeVersion,
    }),
  };
}

/** Debian's package of a compiler: its name without directories, e.g. `gcc-11`. */
function packageOf(compiler: string): string {
  return /(?:^|\/)(gcc(?:-\d+)?)$/.exec(compiler)?.[1] ?? 'gcc';
}

function findTool(name: string, packageName: string): string {
  const { PATH: folders = '' } = baseEnvironment();
  const candidates = name.includes('/')
    ? [name]
    : folders.split(delimiter).map((folder) => join(folder, name));
  const found = candidates.find(isExecutable);
  if (found === undefined) {
    throw new KilnError('tool', `${name} is not installed`, { hint: `apt-get install ${packageName}` });
  }
  return name.includes('/') ? realpathSync(found) : found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The lines that a tool prints about itself, on either stream. */
async function describe(tool: string, question: string): Promise<readonly string[]> {
  const result = await run(tool, [question], { timeoutMs: 20_000 });
  if (result.exitCode !== 0) {
    throw new KilnError('tool', `${tool} ${question} does not work`, { lines: result.tail });
  }
  return result.tail.filter((line) => line.trim() !== '').map((line) => line.trim());
}

function gccVersion(compiler: string, says: readonly string[]): string {
  const version = says.find((line) => line.startsWith('gcc version '));
  if (version === undefined) {
    throw new KilnError('invalid', `${compiler} is not GCC`, {
      hint: 'kernels of this age build with GCC alone: set toolchain.compiler to gcc or gcc-11',
      lines: says,
    });
  }
  return version;
}

function withoutPaths(says: readonly string[]): string[] {
  return says.filter((line) => !/^(?:COLLECT_|OFFLOAD_|Using built-in)/.test(line));
}
