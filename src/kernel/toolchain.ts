import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { digestOf } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import { baseEnvironment, type RunResult, run } from '../platform/process.ts';
import { stepPath } from '../platform/sandbox.ts';
import { optionalFlags } from './families.ts';
import { askInside, runInside, type ToolPlace } from './tool-place.ts';

/** The tools that turn a tree into a kernel, and what identifies them. */
export interface Toolchain {
  /** Where the tools are, and all steps of a build run. */
  readonly place: ToolPlace;
  /** Absolute path of the compiler for the kernel, as seen there. */
  readonly compiler: string;
  /** As the compiler says it, e.g. `gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)`. */
  readonly compilerVersion: string;
  readonly binutilsVersion: string;
  readonly makeVersion: string;
  /** Absolute path of the compiler for programs that run during the build. */
  readonly hostCompiler: string;
  /** Flags of the families' that the compiler or its assembler does not know. */
  readonly lacks: readonly string[];
  /** Absolute path of the compiler on this machine, for Kiln's init and boot images. */
  readonly initCompiler: string;
  /** Hex SHA-256 over all that can change what the tools produce; part of every step's key. */
  readonly fingerprint: string;
  /** Absolute paths on this machine that all of this was found out of; none for tools that are elsewhere. */
  readonly files: readonly string[];
}

/** The programs of this machine that a toolchain consists of, as absolute paths. */
export interface HostTools {
  readonly compiler: string;
  readonly hostCompiler: string;
  readonly assembler: string;
  readonly linker: string;
  readonly make: string;
}

export interface ToolchainRequest {
  /** A program's name or path: `gcc`, `gcc-11`, `/opt/gcc/bin/gcc`; as seen where it is. */
  readonly compiler: string;
  /** `gcc` by default. */
  readonly hostCompiler?: string;
  /** Where the tools are: on this machine by default. */
  readonly place?: ToolPlace;
}

/**
 * Finds the tools and asks each for its version; takes some hundredths of a second, elsewhere half a second.
 * The fingerprint covers the compiler's own description (target and configuration included), the size of
 * the compiler proper, the assembler, the linker and make, and elsewhere the contents of all of them: not paths,
 * dates or packages, so that the same tools on two machines are the same.
 * @throws KilnError `tool` naming the package, where a tool is missing; `invalid` for a compiler that is not GCC.
 */
export async function findToolchain(request: ToolchainRequest): Promise<Toolchain> {
  const { place = { kind: 'host' } } = request;
  if (place.kind === 'host') {
    const tools = locateHostTools(request);
    const answers = await askHost(tools, packageOf(request.compiler));
    const { compiler } = tools;
    const lacks = await lackedFlags(
      (args) => run('/bin/sh', args, { capture: true, timeoutMs: 20_000 }),
      compiler,
    );
    const { proper } = answers;
    const files = [...Object.values(tools), proper, dirname(proper)];
    return { ...describeTools(answers), place, lacks, initCompiler: compiler, files };
  }
  const [answers, host] = await Promise.all([
    askInside(place, request.compiler, request.hostCompiler ?? 'gcc'),
    findToolchain({ compiler: 'gcc' }),
  ]);
  const inside = describeTools(answers);
  const lacks = await lackedFlags((args) => runInside(place, ['/bin/sh', ...args]), inside.compiler);
  // Kiln's init is today's C: a compiler of the kernel's time need not know it.
  const fingerprint = digestOf({ inside: inside.fingerprint, init: host.fingerprint });
  return { ...inside, place, lacks, fingerprint, initCompiler: host.compiler, files: [] };
}

/** Prints those of the flags behind the compiler that it does not take. Mostly it takes all, and is asked once. */
const ASK_FLAGS = `
compiler=$1; shift
takes() { "$compiler" "$@" -c -x c /dev/null -o /dev/null > /dev/null 2>&1; }
takes "$@" && exit
# Some mean something else on 64 bits.
word=; takes -m32 && word=-m32
for flag; do takes $word "$flag" || printf '%s\\n' "$flag"; done
`;

/** A flag that a compiler does not know turns off what it does not do. */
async function lackedFlags(
  ask: (args: readonly string[]) => Promise<RunResult>,
  compiler: string,
): Promise<string[]> {
  const result = await ask(['-c', ASK_FLAGS, 'sh', compiler, ...optionalFlags()]);
  return result.stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
}

/** What the tools have said of themselves. */
interface Answers {
  readonly compiler: string;
  readonly hostCompiler: string;
  readonly says: Readonly<Record<'compiler' | 'host' | 'assembler' | 'linker' | 'make', readonly string[]>>;
  /** What identifies the programs themselves. */
  readonly contents: unknown;
}

function describeTools(answers: Answers): Omit<Toolchain, 'place' | 'lacks' | 'initCompiler' | 'files'> {
  const { compiler, hostCompiler, says, contents } = answers;
  const binutilsVersion = says.linker[0] ?? '';
  const makeVersion = says.make[0] ?? '';
  return {
    compiler,
    compilerVersion: gccVersion(compiler, says.compiler),
    binutilsVersion,
    makeVersion,
    hostCompiler,
    fingerprint: digestOf({
      compiler: withoutPaths(says.compiler),
      host: gccVersion(hostCompiler, says.host),
      assembler: says.assembler[0],
      linker: binutilsVersion,
      make: makeVersion,
      contents,
    }),
  };
}

/**
 * Looks for this machine's tools, for a compiler along the PATH, for the others where steps will find them; runs nothing.
 * @throws KilnError `tool` naming the package of the first that is missing
 */
export function locateHostTools({ compiler, hostCompiler = 'gcc' }: ToolchainRequest): HostTools {
  for (const name of ['bash', 'gzip']) findTool(name, name);
  return {
    compiler: findTool(compiler, packageOf(compiler)),
    hostCompiler: findTool(hostCompiler, packageOf(hostCompiler)),
    assembler: findTool('as', 'binutils', stepPath()),
    linker: findTool('ld', 'binutils', stepPath()),
    make: findTool('make', 'make', stepPath()),
  };
}

async function askHost(
  { compiler, hostCompiler, assembler, linker, make }: HostTools,
  packageName: string,
): Promise<Answers & { readonly proper: string }> {
  const [compilerSays, hostSays, cc1, assemblerSays, linkerSays, makeSays] = await Promise.all([
    describe(compiler, '-v'),
    describe(hostCompiler, '-v'),
    describe(compiler, '-print-prog-name=cc1'),
    describe(assembler, '--version'),
    describe(linker, '--version'),
    describe(make, '--version'),
  ]);
  gccVersion(compiler, compilerSays);
  const proper = cc1.find((line) => isAbsolute(line));
  if (proper === undefined) throw noCompilerProper(compiler, packageName);
  return {
    proper,
    compiler,
    hostCompiler,
    says: {
      compiler: compilerSays,
      host: hostSays,
      assembler: assemblerSays,
      linker: linkerSays,
      make: makeSays,
    },
    contents: {
      cc1: statSync(proper).size,
      assembler: statSync(assembler).size,
      linker: statSync(linker).size,
    },
  };
}

function noCompilerProper(compiler: string, packageName: string): KilnError {
  return new KilnError('tool', `${compiler} has no C compiler proper (cc1)`, {
    hint: `apt-get install ${packageName}`,
  });
}

/** Debian's package of a compiler: its name without directories, e.g. `gcc-11`. */
function packageOf(compiler: string): string {
  return /(?:^|\/)(gcc(?:-\d+)?)$/.exec(compiler)?.[1] ?? 'gcc';
}

function findTool(name: string, packageName: string, path = baseEnvironment().PATH ?? ''): string {
  const candidates = name.includes('/') ? [name] : path.split(delimiter).map((folder) => join(folder, name));
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
