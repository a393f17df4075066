import { mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { exists, readTextIfAny, removeTree } from '../platform/files.ts';
import { stateBuildFacts } from './build-facts.ts';
import { settleTimes } from './dependencies.ts';
import type { KernelFamily } from './family.ts';
import { applyHeaderRules } from './header-rules.ts';
import {
  isMake,
  type MakeOptions,
  makeArguments,
  placeOf,
  runOptions,
  TreeBuild,
  type TreeBuildOptions,
} from './run-make.ts';
import type { Toolchain } from './toolchain.ts';
import { keepShippedFiles, kernelRelease, readKernelVersion, restoreExecutableBits } from './tree.ts';

export interface ConfigureOptions extends MakeOptions {
  /** Milliseconds after which a configuration that still asks is given up; 120,000 by default. */
  readonly timeoutMs?: number;
}

/** The build that a tree has seen. */
export interface TreeHistory {
  /** The `.config` of it. */
  readonly config: string;
  /** It was at this very path, and its dependencies, `make dep`, are this configuration's too. */
  readonly depended: boolean;
}

export interface CompileOptions extends TreeBuildOptions {
  /** Missing for a tree in which nothing was built yet. */
  readonly history?: TreeHistory;
  /** Directory that gets `lib/modules/<release>/`; what is under it of that name is replaced. */
  readonly modulesInto: string;
  /** Seconds since 1970 that stand for the time of the build in all its results. */
  readonly buildDate: number;
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
    ...(await poolVariables(top, family)),
    // Each command's output in one piece, under the directory that it ran in.
    ...(isMake(toolchain, 4, 0) ? ['--output-sync=target'] : []),
    ...extra,
  ]);
  const { history } = options;
  const first = history === undefined && paths.optionHeaders !== undefined ? [paths.optionHeaders] : [];
  if (history?.depended !== true) await build.make([targets.depend, ...first]);
  if (first.length > 0) settleTimes(top);
  await refuseOtherRelease(top, family, release);
  const modules = join(options.modulesInto, 'lib/modules', release);
  const aside =
    paths.optionHeaders === undefined ? undefined : applyHeaderRules(place, history?.config, config);
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
  aside?.putBack();
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

/** The variables that change nothing but who draws from the pool. */
async function poolVariables(top: string, family: KernelFamily): Promise<string[]> {
  const known = family.poolVariables.map(async ({ file, line, value }) => {
    const text = await readTextIfAny(join(top, file));
    return text?.split('\n').includes(line) === true ? [value] : [];
  });
  return (await Promise.all(known)).flat();
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
