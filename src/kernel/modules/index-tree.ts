import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../../platform/errors.ts';
import { listIfAny } from '../../platform/files.ts';
import { baseEnvironment, run } from '../../platform/process.ts';
import type { KernelFamily } from '../family.ts';
import { claimsOfAliases } from './aliases.ts';
import { cardsOf22, claimsByName } from './cards-of-2.2.ts';
import { MAPS } from './maps.ts';
import { type ModuleFacts, readModule, taints } from './module.ts';
import { type Claims, niclist, nicPrecedence } from './niclist.ts';
import { kernelExports, resolveModules, type Unresolved } from './resolve.ts';

export interface IndexRequest {
  /** Directory that holds lib/modules/<release>, which gets the maps. */
  readonly root: string;
  readonly release: string;
  readonly family: KernelFamily;
  /** Path of the kernel's System.map. */
  readonly systemMap: string;
  readonly signal?: AbortSignal;
  /** File that depmod's output is appended to, where the host's depmod does it. */
  readonly log?: string;
}

export interface ModuleIndex {
  readonly count: number;
  /** Modules that taint the kernel when they are loaded, with the licence that they state. */
  readonly tainting: readonly { readonly module: string; readonly license: string | undefined }[];
  /** Text of /etc/niclist; undefined where no module is for a network card on PCI. */
  readonly niclist: string | undefined;
}

/**
 * Writes modules.dep and the maps of one release's modules: for 2.2 and 2.4 as depmod of modutils 2.4 did (today's
 * does not read their objects), for later kernels by the host's depmod. Every module is held against the
 * release, every symbol that one needs against what the kernel and the other modules export.
 * @throws KilnError `failed` naming module and symbol, or module and release, that do not fit; `tool` when
 * depmod is needed and missing
 */
export async function indexModules(request: IndexRequest): Promise<ModuleIndex> {
  const { root, release, family } = request;
  const directory = join(root, 'lib/modules', release);
  const modules = await readModules(directory);
  refuseOtherRelease(modules, release);
  const claims =
    family.language === 'cml1'
      ? await writeMaps(request, directory, modules)
      : await runDepmod(request, directory, modules);
  return {
    count: modules.length,
    tainting: modules.filter(taints).map(({ path, license }) => ({ module: path, license })),
    niclist: niclist(claims, release, nicPrecedence(), hasTables(release) ? 'from tables' : 'by name'),
  };
}

async function readModules(directory: string): Promise<ModuleFacts[]> {
  const names = (await readdir(directory, { recursive: true })).filter((name) => /\.k?o$/.test(name)).sort();
  return Promise.all(names.map(async (name) => readModule(await readFile(join(directory, name)), name)));
}

function refuseOtherRelease(modules: readonly ModuleFacts[], release: string): void {
  const others = modules.filter((module) => module.release !== release);
  const [first] = others;
  if (first === undefined) return;
  throw new KilnError(
    'failed',
    first.release === undefined
      ? `module ${first.path} does not say which kernel it is for`
      : `module ${first.path} is for ${first.release}, the kernel is ${release}`,
    {
      lines: others.slice(1).map((module) => `${module.path}: ${module.release ?? 'no release'}`),
      hint: 'it is left over from another build, or a patch sets its version: build again with --rebuild',
    },
  );
}

async function writeMaps(
  { systemMap, release }: IndexRequest,
  directory: string,
  modules: readonly ModuleFacts[],
): Promise<Claims[]> {
  const resolved = resolveModules(modules, kernelExports(await readFile(systemMap, 'latin1')));
  refuseUnresolved(resolved.unresolved);
  for (const [name, write] of Object.entries(MAPS)) {
    await writeFile(join(directory, name), write(resolved.modules, release), 'latin1');
  }
  if (!hasTables(release)) return claimsByName(resolved.modules, cardsOf22());
  return resolved.modules.map(({ path, name, tables }) => ({ path, name, pci: tables.pci }));
}

/** MODULE_DEVICE_TABLE came with 2.4. */
function hasTables(release: string): boolean {
  return !release.startsWith('2.2.');
}

function refuseUnresolved(unresolved: readonly Unresolved[]): void {
  const [first, ...others] = unresolved;
  if (first === undefined) return;
  throw new KilnError(
    'failed',
    `module ${first.module} needs ${first.symbol}, which neither the kernel nor any module exports`,
    {
      lines: others.map(({ module, symbol }) => `${module}: ${symbol}`),
      hint: 'set the option that brings the symbol, build the driver in, or leave it out',
    },
  );
}

/** kmod's depmod: it exits 0 and warns of what is missing. */
async function runDepmod(
  { root, release, systemMap, signal, log }: IndexRequest,
  directory: string,
  modules: readonly ModuleFacts[],
): Promise<Claims[]> {
  const unresolved: Unresolved[] = [];
  const environment = baseEnvironment();
  const result = await run('depmod', ['-b', root, '-F', systemMap, '-e', release], {
    env: { ...environment, PATH: `${environment.PATH}:/usr/sbin:/sbin` },
    ...(signal === undefined ? {} : { signal }),
    ...(log === undefined ? {} : { log }),
    onLine(line) {
      const [, path, symbol] = /WARNING: (\S+) needs unknown symbol (\S+)/.exec(line) ?? [];
      if (path === undefined || symbol === undefined) return;
      unresolved.push({ module: path.slice(path.indexOf(`${release}/`) + release.length + 1), symbol });
    },
  });
  signal?.throwIfAborted();
  if (result.exitCode !== 0) {
    throw new KilnError('failed', `depmod failed for the modules of ${release}`, {
      lines: result.tail.slice(-20),
    });
  }
  refuseUnresolved(unresolved);
  const aliases = (await listIfAny(directory)).includes('modules.alias')
    ? await readFile(join(directory, 'modules.alias'), 'latin1')
    : '';
  return claimsOfAliases(aliases, modules);
}
