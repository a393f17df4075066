import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  compile,
  indexModules,
  type KernelFamily,
  setExtraversion,
  type Toolchain,
} from '../kernel/index.ts';
import { KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import type { StepCache } from './cache.ts';
import type { VariantKeys } from './plan.ts';
import type { Reporter } from './report.ts';
import type { TreeRecord } from './tree.ts';

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
}

export interface ModulesRecord {
  readonly count: number;
  readonly tainting: readonly string[];
}

export interface CompileRequest {
  readonly cache: StepCache;
  readonly keys: VariantKeys;
  readonly tree: string;
  readonly treeRecord: TreeRecord;
  readonly family: KernelFamily;
  readonly toolchain: Toolchain;
  readonly makeJobs: number;
  readonly epoch: number;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/** Compiles a configured work tree under the variant's release, and keeps what comes out. */
export async function compileVariant(request: CompileRequest): Promise<Compiled> {
  const { cache, keys, tree, treeRecord, family, toolchain, reporter, signal } = request;
  if (!keys.release.startsWith(treeRecord.version)) {
    throw new Error(`release ${keys.release} is not of version ${treeRecord.version}`);
  }
  await setExtraversion(tree, keys.release.slice(treeRecord.version.length));
  const staged = await cache.stage('compile', keys.compile);
  try {
    const root = join(staged, 'root');
    const built = await compile(tree, family, toolchain, {
      jobs: request.makeJobs,
      modulesInto: root,
      buildDate: request.epoch,
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
    await mkdir(root, { recursive: true });
    const modules = built.modules === undefined ? undefined : await indexed(request, root, staged);
    const record: CompileRecord = { compiled: built.compiled, ...(modules === undefined ? {} : { modules }) };
    await writeFile(join(staged, 'record.json'), JSON.stringify(record));
    return await readCompiled(await cache.commit('compile', keys.compile, staged));
  } catch (error) {
    await removeTree(staged);
    throw error;
  }
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
