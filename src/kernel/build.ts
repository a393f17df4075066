import { mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { exists, readTextIfAny, removeTree } from '../platform/files.ts';
import type { Jobserver, JobserverClient } from '../platform/jobserver.ts';
import { baseEnvironment } from '../platform/process.ts';
import { openAir, type Sandbox } from '../platform/sandbox.ts';
import { stateBuildFacts } from './build-facts.ts';
import { settleTimes } from './dependencies.ts';
import type { KernelFamily } from './family.ts';
import { caseTwin, type MakeOutput, readMakeOutput } from './make-output.ts';
import { makeVariables } from './make-variables.ts';
import type { Toolchain } from './toolchain.ts';
import { keepShippedFiles, kernelRelease, readKernelVersion, restoreExecutableBits } from './tree.ts';

/** What every run of make in a tree has in common. */
export interface MakeOptions {
  /** What make runs in; its directory holds the tree and all else that make writes. The open air by default. */
  readonly sandbox?: Sandbox;
  /** The pool of jobs that make draws from, in place of a number of its own. */
  readonly jobserver?: Jobserver;
  readonly signal?: AbortSignal;
  /** File that make's whole output is appended to. */
  readonly log?: string;
  readonly onLine?: (line: string) => void;
  /** Added to the environment that make runs in, e.g. ccache's directory. */
  readonly env?: Readonly<Record<string, string>>;
  /** Put before the compiler, e.g. `ccache`. */
  readonly launcher?: string;
  /** Directories outside the sandbox's own that the launcher writes to. */
  readonly writable?: readonly string[];
}

export interface ConfigureOptions extends MakeOptions {
  /** Milliseconds after which a configuration that still asks is given up; 120,000 by default. */
  readonly timeoutMs?: number;
}

export interface CompileOptions extends MakeOptions {
  /** Processes at the same time, where there is no jobserver. */
  readonly jobs: number;
  /**
   * What the tree has seen: nothing (`fresh`, the default), a build of another configuration (`built`), or one at this
   * very path whose dependencies, `make dep`, are this configuration's too (`depended`).
   */
  readonly history?: 'fresh' | 'built' | 'depended';
  /** Directory that gets `lib/modules/<release>/`; what is under it of that name is replaced. */
  readonly modulesInto: string;
  /** Seconds since 1970 that stand for the time of the build in all its results. */
  readonly buildDate: number;
  readonly onProgress?: (progress: CompileProgress) => void;
}

export interface CompileProgress {
  /** Files compiled so far. */
  readonly compiled: number;
  /** The latest of them, relative to the tree. */
  readonly file: string;
}

/** What a build leaves, as absolute paths. */
export interface CompiledKernel {
  readonly release: string;
  readonly image: string;
  readonly systemMap: string;
  /** `.../lib/modules/<release>`, or undefined for a kernel without modules. */
  readonly modules: string | undefined;
  readonly compiled: number;
}

/**
 * Runs the family's configuration program over the tree's `.config`, without asking: what the file does not
 * decide gets its default. Before that the scripts get their executable bits, and files that the tree ships
 * ready-made become newer than their sources, in case the tree's modes and times were lost on its way here.
 * @returns the path of the `.config`
 * @throws KilnError `failed` when it fails or goes on asking
 */
export async function configureTree(
  tree: string,
  family: KernelFamily,
  toolchain: Toolchain,
  options: ConfigureOptions = {},
): Promise<string> {
  const top = await realpath(tree);
  restoreExecutableBits(top);
  keepShippedFiles(top, family.shipped);
  const target = family.targets.config;
  const timeoutMs = options.timeoutMs ?? 120_000;
  const place = placeOf(top, options);
  const result = await place.run('make', [...makeArguments(place, family, toolchain, options), target], {
    ...runOptions(place, options),
    // An end of file is no answer to its questions, an empty line is: the default.
    input: '\n'.repeat(20_000),
    timeoutMs,
  });
  options.signal?.throwIfAborted();
  if (result.exitCode !== 0) {
    const sentence = result.timedOut
      ? `make ${target} still asked for values after ${timeoutMs / 1000} s`
      : `make ${target} failed`;
    throw new KilnError('failed', sentence, {
      lines: result.tail.slice(-20),
      ...(options.log === undefined ? {} : { log: options.log }),
    });
  }
  return join(top, family.paths.config);
}

/**
 * Builds a configured tree: dependencies, image, modules, and the modules' installation under `modulesInto`.
 * A tree that was built before is brought up to date. Two builds of one tree and configuration give the same
 * bytes, whatever their directories, dates and machines are, provided `family.reproducibleRules` were applied.
 * @throws KilnError `failed` with the first errors of compiler, assembler or linker (not make's last lines)
 */
export async function compile(
  tree: string,
  family: KernelFamily,
  toolchain: Toolchain,
  options: CompileOptions,
): Promise<CompiledKernel> {
  const top = await realpath(tree);
  const release = kernelRelease(readKernelVersion(top));
  const config = await readConfig(top, family);
  const modular = /^CONFIG_MODULES=y$/m.test(config);
  const extra = await stateBuildFacts(top, family, toolchain, config, options.buildDate);

  const { targets, paths } = family;
  // What gcc takes __DATE__ and __TIME__ from, which drivers put into their messages.
  const env = { SOURCE_DATE_EPOCH: String(options.buildDate), ...options.env };
  const place = placeOf(top, options);
  const { jobserver, ...rest } = options;
  // An older make speaks another protocol.
  const drawing = jobserver !== undefined && isMake(toolchain, 4, 2) ? { jobserver } : {};
  const build = new TreeBuild(place, toolchain, release, { ...rest, ...drawing, env }, [
    ...makeArguments(place, family, toolchain, options),
    // Each command's output in one piece, under the directory that it ran in.
    ...(isMake(toolchain, 4, 0) ? ['--output-sync=target'] : []),
    ...extra,
  ]);
  const { history = 'fresh' } = options;
  if (history !== 'depended') await build.make([targets.depend]);
  if (history === 'fresh' && family.paths.optionHeaders !== undefined) {
    await build.make([family.paths.optionHeaders]);
    settleTimes(top);
  }
  await refuseOtherRelease(top, family, release);
  const modules = join(options.modulesInto, 'lib/modules', release);
  // Where no option is m two walks through all directories would come upon nothing, or upon what is built in.
  const some = modular && (family.noModules === undefined || /^CONFIG_\w+=m$/m.test(config));
  await build.make(some ? [targets.image, targets.modules] : [targets.image]);
  if (some) {
    await mkdir(options.modulesInto, { recursive: true });
    const into = place.inside(await realpath(options.modulesInto));
    // One process: the rule that empties the directory is not ordered before those that fill it.
    await build.make([targets.install, `INSTALL_MOD_PATH=${into}`], { alone: true });
  } else if (modular) {
    await removeTree(modules);
    for (const name of ['.', ...(family.noModules ?? [])])
      await mkdir(join(modules, name), { recursive: true });
  }
  // Symlinks to the tree, which is nowhere to be found on the machine that the modules are for.
  if (modular) for (const link of ['build', 'source']) await rm(join(modules, link), { force: true });
  const image = join(top, paths.image);
  const systemMap = join(top, paths.systemMap);
  for (const path of [image, systemMap]) {
    if (!(await exists(path)))
      throw new KilnError('failed', `make ended well and left no ${path}`, build.details([]));
  }
  return { release, image, systemMap, modules: modular ? modules : undefined, compiled: build.compiled };
}

/** Runs make with both of its streams in one, so that an error stays behind the directory it belongs to. */
export const ONE_STREAM: readonly string[] = ['-c', 'exec make "$@" 2>&1', 'make'];

/** The same with a jobserver's pool as descriptor 3. */
const WITH_POOL: readonly string[] = ['-c', 'exec make "$@" 2>&1 3<>"$KILN_POOL"', 'make'];

/** Runs make's targets one after another in one tree, and counts what they compile. */
class TreeBuild {
  compiled = 0;
  readonly #place: Place;
  readonly #toolchain: Toolchain;
  readonly #release: string;
  readonly #arguments: readonly string[];
  readonly #options: CompileOptions;

  constructor(
    place: Place,
    toolchain: Toolchain,
    release: string,
    options: CompileOptions,
    makeArguments: readonly string[],
  ) {
    this.#place = place;
    this.#toolchain = toolchain;
    this.#release = release;
    this.#options = options;
    this.#arguments = makeArguments;
  }

  /** @param how `alone`: no two commands at the same time */
  async make(targets: readonly string[], how: { readonly alone?: true } = {}): Promise<void> {
    const { signal, onProgress, jobserver, jobs } = this.#options;
    const output = readMakeOutput(this.#place.seenAs, (file) => {
      this.compiled++;
      onProgress?.({ compiled: this.compiled, file });
    });
    const client = await jobserver?.client(signal, this.#toolchain.makeVersion);
    try {
      const common = runOptions(this.#place, this.#options);
      const drawing =
        client === undefined || how.alone === true
          ? { shell: ONE_STREAM, jobs: [`-j${how.alone === true ? 1 : jobs}`], options: common }
          : { shell: WITH_POOL, jobs: [], options: withClient(common, client) };
      const all = [...drawing.shell, ...this.#arguments, ...drawing.jobs, ...targets];
      const result = await this.#place.run('/bin/sh', all, {
        ...drawing.options,
        onLine: (line) => {
          output.push(line);
          this.#options.onLine?.(line);
        },
      });
      signal?.throwIfAborted();
      if (result.exitCode !== 0) throw this.#failure(targets[0] ?? '', output, result.tail);
    } finally {
      client?.release();
    }
  }

  details(lines: readonly string[]): { lines: readonly string[]; log?: string } {
    return { lines, ...(this.#options.log === undefined ? {} : { log: this.#options.log }) };
  }

  #failure(target: string, output: MakeOutput, tail: readonly string[]): KilnError {
    const details = this.details(output.errors.length > 0 ? output.errors : tail.slice(-20));
    const missing = output.missing[0];
    if (missing === undefined) {
      return new KilnError('failed', `make ${target} of Linux ${this.#release} failed`, details);
    }
    const twin = caseTwin(this.#place.top, missing);
    return new KilnError('failed', `${missing} is missing from the tree of Linux ${this.#release}`, {
      ...details,
      hint:
        twin === undefined
          ? 'get the source again from its tarball, or look for the patch that removed the file'
          : `only ${twin} is there: the source went through a file system that folds case; get it from its tarball`,
    });
  }
}

/** Whether the toolchain's make is of that version or later. */
function isMake({ makeVersion }: Toolchain, major: number, minor: number): boolean {
  const [, has = 0, hasMinor = 0] = /(\d+)\.(\d+)/.exec(makeVersion)?.map(Number) ?? [];
  return has > major || (has === major && hasMinor >= minor);
}

async function readConfig(top: string, family: KernelFamily): Promise<string> {
  const path = join(top, family.paths.config);
  const text = await readTextIfAny(path);
  if (text === undefined) throw new KilnError('failed', `${path} does not exist: the tree is not configured`);
  return text;
}

/**
 * Make's own word on the release comes with the first target, minutes before a module would be refused for it.
 * @throws KilnError `failed` where something besides the Makefile added to it
 */
async function refuseOtherRelease(top: string, family: KernelFamily, release: string): Promise<void> {
  if (family.paths.release === undefined) return;
  const said = (await readTextIfAny(join(top, family.paths.release)))?.trim();
  if (said === undefined || said === release) return;
  throw new KilnError('failed', `the tree calls its release ${said} and not ${release}`, {
    hint: 'leave CONFIG_LOCALVERSION empty and remove localversion files: extraversion in the recipe names a release',
  });
}

/** A tree, as Kiln finds it and as make does. */
interface Place {
  /** The tree's real path. */
  readonly top: string;
  readonly seenAs: string;
  readonly run: Sandbox['run'];
  readonly inside: (path: string) => string;
}

function placeOf(top: string, { sandbox }: MakeOptions): Place {
  const { inside, run } = sandbox ?? openAir('none', top);
  return { top, seenAs: inside(top), run, inside };
}

/** Make's arguments for a tree: its directory and every variable of the family. */
function makeArguments(
  place: Place,
  family: KernelFamily,
  toolchain: Toolchain,
  options: MakeOptions,
): string[] {
  return ['-C', place.seenAs, ...makeVariables(place.seenAs, family, toolchain, options)];
}

function runOptions(place: Place, options: MakeOptions) {
  const { signal, log, onLine, writable } = options;
  return {
    cwd: place.seenAs,
    env: { ...baseEnvironment(), ...options.env },
    ...(writable === undefined ? {} : { writable }),
    ...(signal === undefined ? {} : { signal }),
    ...(log === undefined ? {} : { log }),
    ...(onLine === undefined ? {} : { onLine }),
  };
}

function withClient<
  T extends { readonly env: Readonly<Record<string, string>>; readonly writable?: readonly string[] },
>(options: T, client: JobserverClient) {
  return {
    ...options,
    env: { ...options.env, ...client.env, KILN_POOL: client.fifo },
    writable: [...(options.writable ?? []), client.fifo],
  };
}
