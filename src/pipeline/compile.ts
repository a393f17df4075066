import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepStorages } from '../ccache/storages.ts';
import {
  canRestamp,
  compile,
  forgetUntracked,
  indexModules,
  type KernelFamily,
  restamp,
  setExtraversion,
  sharesDependencies,
  type Toolchain,
  type TreeHistory,
} from '../kernel/index.ts';
import { KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import type { Jobserver } from '../platform/jobserver.ts';
import type { StepCache } from './cache.ts';
import { type Ccache, ccacheResults, writeLauncher } from './ccache.ts';
import type { VariantKeys } from './plan.ts';
import type { Reporter } from './report.ts';
import type { TreeRecord } from './tree.ts';
import type { WorkTree } from './work-trees.ts';
import type { TreeShop } from './workshop.ts';

/** A compiled kernel in the cache. */
export interface Compiled {
  readonly image: string;
  readonly systemMap: string;
  /** Holds `lib/modules/<release>/`; there is none for a kernel without modules. */
  readonly modulesRoot: string | undefined;
  /** The modules' number, and those that taint the kernel. */
  readonly modules: ModulesRecord;
  /** The file for /etc/niclist; there is none without modules for network cards. */
  readonly niclist: string | undefined;
  readonly compiled: number;
  /** How many of them ccache had; only where it was used just now. */
  readonly ccacheHits?: number;
}

export interface ModulesRecord {
  readonly count: number;
  readonly tainting: readonly string[];
}

export interface CompileRequest {
  readonly cache: StepCache;
  readonly keys: VariantKeys;
  /** A configured tree. */
  readonly work: WorkTree;
  readonly shop: TreeShop;
  readonly jobserver: Jobserver;
  readonly ccache: Ccache | undefined;
  readonly dotConfig: string;
  readonly treeRecord: TreeRecord;
  readonly family: KernelFamily;
  readonly toolchain: Toolchain;
  readonly epoch: number;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/**
 * Compiles a configured work tree under the variant's release, and keeps what comes out. Where another variant was
 * built in the tree before, make compiles what differs, and the result is what a fresh tree would have given.
 */
export async function compileVariant(request: CompileRequest): Promise<Compiled> {
  const { cache, keys, work, ccache, family, toolchain, reporter, signal } = request;
  const history = await takeOver(request);
  const results = join(work.out, 'ccache.log');
  const staged = await cache.stage('compile', keys.compile);
  let remote: StepStorages | undefined;
  try {
    remote = await ccache?.remote.forStep(work.out, (path) => work.sandbox.inside(path));
    const root = join(staged, 'root');
    const modulesInto = join(work.out, 'root');
    const built = await compile(work.tree, family, toolchain, {
      jobserver: request.jobserver,
      jobs: 1,
      sandbox: work.sandbox,
      ...(history === undefined ? {} : { history }),
      modulesInto,
      buildDate: request.epoch,
      ...(ccache === undefined
        ? {}
        : {
            launcher: work.sandbox.inside(
              join(work.out, await writeLauncher(work.out, family, work.sandbox)),
            ),
            writable: ccache.writable,
            env: { ...ccache.env, ...remote?.env, CCACHE_STATSLOG: work.sandbox.inside(results) },
          }),
      signal,
      log: reporter.log,
      onProgress: ({ compiled, file }) => reporter.progress('compile', `${compiled} files  ${file}`),
    });
    if (built.release !== keys.release) {
      throw new KilnError('failed', `the tree built ${built.release} and not ${keys.release}`, {
        hint: 'a patch may set EXTRAVERSION in a way that Kiln does not know',
      });
    }
    await copyFile(built.image, join(staged, 'vmlinuz'));
    await copyFile(built.systemMap, join(staged, 'System.map'));
    if (built.modules === undefined) await mkdir(root);
    else await rename(modulesInto, root);
    const modules = built.modules === undefined ? undefined : await indexed(request, root, staged);
    const record: CompileRecord = { compiled: built.compiled, ...(modules === undefined ? {} : { modules }) };
    await writeFile(join(staged, 'record.json'), JSON.stringify(record));
    const compiled = await readCompiled(await cache.commit('compile', keys.compile, staged));
    if (ccache === undefined) return compiled;
    const { hits, misses, remote: shared } = await ccacheResults(results);
    const from = shared === 0 ? '' : ` (${shared} from remote storage)`;
    reporter.write(`ccache: ${hits} hits${from}, ${misses} misses`);
    return { ...compiled, ccacheHits: hits };
  } catch (error) {
    await removeTree(staged);
    throw error;
  } finally {
    await remote?.close();
  }
}

/**
 * Gives the tree the variant's release, and takes out of it what make would wrongly keep.
 * @returns what make may count on; undefined where that is nothing
 */
async function takeOver(request: CompileRequest): Promise<TreeHistory | undefined> {
  const { keys, work, shop, treeRecord, family, reporter, signal } = request;
  const { release } = keys;
  if (!release.startsWith(treeRecord.version)) {
    throw new Error(`release ${release} is not of version ${treeRecord.version}`);
  }
  const extraversion = release.slice(treeRecord.version.length);
  const { built } = work;
  if (built === undefined || family.language !== 'cml1') {
    await setExtraversion(work.tree, extraversion);
    return undefined;
  }
  if (canRestamp(built.release, release)) {
    await setExtraversion(work.tree, extraversion, true);
    if (built.release !== release) {
      const naming = await shop.namesRelease(signal);
      const places = shop.releasePlaces(work.tree, built);
      const { stamped, removed } = restamp(work.tree, built.release, release, places, naming);
      reporter.write(
        `from the tree of ${built.release}: ${stamped} modules and parts stamped, ${removed.length} files to build anew`,
      );
    }
  } else await setExtraversion(work.tree, extraversion);
  forgetUntracked(work.tree, shop.isSource);
  const depended = sharesDependencies(built.config, request.dotConfig, shop.dependSymbols());
  return { config: built.config, depended };
}

/** What of a compiled kernel is no file: `record.json`. */
interface CompileRecord {
  readonly compiled: number;
  /** Missing for a kernel without modules. */
  readonly modules?: ModulesRecord & { readonly niclist: boolean };
}

/** Writes the modules' maps, and the list of network cards beside System.map. */
async function indexed(
  request: CompileRequest,
  root: string,
  staged: string,
): Promise<CompileRecord['modules']> {
  const { keys, family, reporter, signal } = request;
  const index = await indexModules({
    root,
    release: keys.release,
    family,
    systemMap: join(staged, 'System.map'),
    signal,
    log: reporter.log,
  });
  const tainting = index.tainting.map(
    ({ module, license }) => `${module}: ${license ?? 'states no licence'}`,
  );
  reporter.write(`${index.count} modules, every symbol resolved`, ...tainting.map((one) => `taints: ${one}`));
  if (index.niclist !== undefined) await writeFile(join(staged, 'niclist'), index.niclist);
  return { count: index.count, tainting, niclist: index.niclist !== undefined };
}

/** The compiled kernel of a key if the cache has it. */
export async function cachedKernel(cache: StepCache, key: string): Promise<Compiled | undefined> {
  const directory = await cache.find('compile', key);
  return directory === undefined ? undefined : readCompiled(directory);
}

async function readCompiled(directory: string): Promise<Compiled> {
  const record = JSON.parse(await readFile(join(directory, 'record.json'), 'utf8')) as CompileRecord;
  const { compiled, modules } = record;
  return {
    image: join(directory, 'vmlinuz'),
    systemMap: join(directory, 'System.map'),
    modulesRoot: modules === undefined ? undefined : join(directory, 'root'),
    modules: { count: modules?.count ?? 0, tainting: modules?.tainting ?? [] },
    niclist: modules?.niclist === true ? join(directory, 'niclist') : undefined,
    compiled,
  };
}
