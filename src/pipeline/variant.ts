import { copyFile, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { findNic } from '../boot/index.ts';
import {
  bundleDirectory,
  checkBundle,
  commitBundle,
  type Manifest,
  readBundle,
  type StoredBundle,
} from '../bundle/index.ts';
import { assertReadable, type Initrd, kitEntries, makeInitrd } from '../initrd/index.ts';
import { familyFor, type Toolchain } from '../kernel/index.ts';
import { exists, removeTree } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import type { Variant } from '../recipe/variants.ts';
import type { FetchedSource } from '../sources/index.ts';
import { assemble } from './assemble.ts';
import { type GateJob, gateStep } from './boot-gate.ts';
import { networkCards } from './boot-options.ts';
import { type StepCache, workDirectory } from './cache.ts';
import { assertSameBundle } from './compare.ts';
import { type Compiled, cachedKernel, compileVariant } from './compile.ts';
import { type Configured, cachedConfig, configure } from './configure.ts';
import { passGates, requireGates } from './gates.ts';
import { requireImageTools } from './images.ts';
import type { TextInput, VariantKeys } from './plan.ts';
import type { LoadedRecipe } from './recipes.ts';

import { describeTree, type PreparedTree } from './tree.ts';
import type { WorkTree } from './work-trees.ts';
import type { TreeShop, Workshop } from './workshop.ts';

/** All that is needed to make one variant's bundle. */
export interface VariantJob extends GateJob {
  readonly cache: StepCache;
  readonly recipe: LoadedRecipe;
  readonly base: TextInput | undefined;
  readonly fragments: readonly TextInput[];
  readonly keys: VariantKeys;
  readonly sources: readonly FetchedSource[];
  readonly toolchain: Toolchain;
  readonly epoch: number;
  /** Don't use what the cache has. */
  readonly rebuild: boolean;
  /** The prepared tree, made once for all variants that share it. */
  readonly prepareTree: () => Promise<PreparedTree>;
  readonly workshop: Workshop;
}

/** The stored bundle of a variant's key if there is one and every byte of it is right. */
export async function storedBundle(
  home: Home,
  variant: Variant,
  keys: VariantKeys,
): Promise<StoredBundle | undefined> {
  const directory = bundleDirectory(home, variant.recipe.name, variant.name, keys.id);
  if (!(await exists(join(directory, 'manifest.json')))) return undefined;
  const bundle = await readBundle(directory);
  if (bundle.manifest.key !== keys.bundle) return undefined;
  return (await checkBundle(directory, bundle.manifest)).length === 0 ? bundle : undefined;
}

/** Takes a variant through its steps, from the tree to a stored bundle that has passed its gates. */
export async function makeBundle(job: VariantJob): Promise<StoredBundle> {
  const { home, variant, reporter } = job;
  await requireImageTools(variant.recipe.images);
  // A card that QEMU does not have is told before the minutes that a kernel takes.
  if (variant.recipe.gates.includes('boot')) for (const nic of [networkCards(variant)].flat()) findNic(nic);
  return inWorkDirectory(job, async (work) => {
    const staged = await stageBundle(job, work);
    await reportRebuild(job, staged.manifest);
    const gated = await passGates(staged.directory, staged.manifest, variant.recipe.gates, () =>
      gateStep(job, staged),
    ).catch(async (error: unknown) => {
      await keepRejected(home, staged.directory, staged.manifest);
      throw error;
    });
    if (job.requireGates) requireGates(gated.gates);
    await copyFile(reporter.log, join(staged.directory, 'build.log'));
    return await commitBundle(home, staged.directory, gated);
  });
}

/**
 * Builds a variant and holds it against the bundle that is stored; keeps nothing.
 * @throws KilnError `failed` naming the first difference
 */
export async function compareBundle(job: VariantJob, stored: StoredBundle): Promise<void> {
  await inWorkDirectory(job, async (work) => {
    await assertSameBundle(stored, await stageBundle(job, work), join(work, 'unpacked'));
  });
}

async function inWorkDirectory<T>(
  { home, variant }: VariantJob,
  action: (work: string) => Promise<T>,
): Promise<T> {
  const work = await workDirectory(home, `${variant.recipe.name}-${variant.name}`);
  try {
    return await action(work);
  } finally {
    await removeTree(work);
  }
}

/** Everything up to the bundle's files in a directory below `work`, before its gates. */
async function stageBundle(job: VariantJob, work: string): Promise<StoredBundle> {
  const { variant, reporter, workshop, toolchain, signal } = job;
  // It needs nothing of the kernel, which may take minutes.
  const init = variant.kitSource === undefined ? workshop.init(toolchain, reporter.log, signal) : undefined;
  init?.catch(() => undefined);
  const { tree, configured, compiled } = await makeKernel(job);
  const initrd = await reporter.step('initrd', async () => {
    const made = await buildInitrd(job, compiled, await init, join(work, 'initrd'));
    return {
      ...made,
      detail: `${made.format}, ${made.sizeKiB} KiB, ${made.inodes} inodes, ${made.compressedBytes} bytes gzipped`,
    };
  });
  const directory = join(work, 'bundle');
  const { manifest } = await reporter.step('bundle', async () => {
    const { sources, keys, epoch, base, fragments } = job;
    const made = await assemble({
      staged: directory,
      variant,
      keys,
      sources,
      tree: tree.record,
      base,
      fragments,
      configured,
      compiled,
      initrd,
      toolchain,
      sandbox: workshop.sandboxOf(toolchain),
      epoch,
      workDirectory: join(work, 'images'),
      signal: job.signal,
      log: reporter.log,
    });
    return { manifest: made, detail: `${keys.id}, ${Object.keys(made.files).length} files` };
  });
  return { directory, manifest };
}

async function makeKernel(
  job: VariantJob,
): Promise<{ tree: PreparedTree; configured: Configured; compiled: Compiled }> {
  const { cache, keys, variant, reporter, signal, toolchain, rebuild } = job;
  const tree = await job.prepareTree();
  reporter.write(...describeTree(tree.record));

  const knownConfig = rebuild ? undefined : await cachedConfig(cache, keys.config);
  const knownKernel = rebuild ? undefined : await cachedKernel(cache, keys.compile);
  if (knownConfig !== undefined && knownKernel !== undefined) {
    assertReadable(variant.initrd.format, variant.recipe.kernel.version, knownConfig.dotConfig);
    reporter.hit('config', `${knownConfig.audit.requested.length} options asked for`);
    reporter.hit('compile', keys.release);
    return { tree, configured: knownConfig, compiled: knownKernel };
  }
  const { workshop, epoch } = job;
  const directory = join(tree.directory, 'tree');
  const shop = await workshop.shop(keys.tree, directory, toolchain, epoch, rebuild);
  const made = await shop.trees.use(signal, async (work) => {
    const configured = await configureIn(job, work);
    // Before the minutes that it takes to compile what could not boot.
    assertReadable(variant.initrd.format, variant.recipe.kernel.version, configured.dotConfig);
    const compiled = await compileIn(job, work, shop, tree, configured);
    return { configured, compiled, built: { release: keys.release, config: configured.dotConfig } };
  });
  return { tree, ...made };
}

function configureIn(job: VariantJob, work: WorkTree): Promise<Configured> {
  const { cache, keys, recipe, variant, base, fragments, toolchain, reporter, signal } = job;
  return reporter.step('config', async () => {
    const made = await configure({
      cache,
      key: keys.config,
      tree: work.tree,
      sandbox: work.sandbox,
      family: familyFor(variant.recipe.kernel.version, variant.recipe.kernel.arch),
      toolchain,
      recipe,
      variant,
      base,
      fragments,
      reporter,
      signal,
    });
    return { ...made, detail: `${made.audit.requested.length} options asked for, every one as asked` };
  });
}

function compileIn(
  job: VariantJob,
  work: WorkTree,
  shop: TreeShop,
  tree: PreparedTree,
  configured: Configured,
): Promise<Compiled> {
  const { cache, keys, variant, toolchain, workshop, epoch, reporter, signal } = job;
  return reporter.step('compile', async () => {
    const made = await compileVariant({
      cache,
      keys,
      work,
      shop,
      jobserver: workshop.jobserver,
      ccache: await workshop.ccache(toolchain),
      dotConfig: configured.dotConfig,
      treeRecord: tree.record,
      family: familyFor(variant.recipe.kernel.version, variant.recipe.kernel.arch),
      toolchain,
      epoch,
      reporter,
      signal,
    });
    const hits = made.ccacheHits === undefined ? '' : `, ${made.ccacheHits} of them by ccache`;
    return { ...made, detail: `${keys.release}, ${made.compiled} files compiled${hits}` };
  });
}

async function buildInitrd(
  job: VariantJob,
  compiled: Compiled,
  init: string | undefined,
  directory: string,
): Promise<Initrd> {
  const { variant, keys, toolchain, epoch, reporter, signal } = job;
  const kit = await readKit(job, directory);
  return makeInitrd({
    workDirectory: directory,
    format: variant.initrd.format,
    compiler: toolchain.initCompiler,
    ...(init === undefined ? {} : { init }),
    release: keys.release,
    ...(kit === undefined ? {} : { kit }),
    ...(compiled.modulesRoot === undefined ? {} : { modulesRoot: compiled.modulesRoot }),
    ...(compiled.niclist === undefined ? {} : { niclist: compiled.niclist }),
    sizeKiB: variant.initrd.size,
    inodes: variant.initrd.inodes,
    epoch,
    signal,
    log: reporter.log,
  });
}

/** The entries of the variant's kit, or undefined where it is Kiln's own. */
async function readKit({ variant, sources, signal }: VariantJob, workDirectory: string) {
  const source = sources.find(({ name }) => name === variant.kitSource);
  const { kit } = variant.initrd;
  if (source === undefined || kit === 'builtin') return undefined;
  await mkdir(workDirectory, { recursive: true });
  return kitEntries({
    path: source.path,
    kind: source.kind,
    called: `${source.fileName} (source ${source.name})`,
    ...(kit.root === undefined ? {} : { root: kit.root }),
    workDirectory,
    signal,
  });
}

/** A bundle that failed a gate never reaches the store; it is kept beside the cache for a look. */
async function keepRejected(home: Home, staged: string, manifest: Manifest): Promise<void> {
  const place = join(home.cache, 'rejected', manifest.recipe, manifest.variant);
  await removeTree(place);
  await mkdir(join(place, '..'), { recursive: true });
  await rename(staged, place);
}

/** After `--rebuild`: says whether the bytes are those that are stored. */
async function reportRebuild(job: VariantJob, made: Manifest): Promise<void> {
  if (!job.rebuild) return;
  const directory = bundleDirectory(job.home, made.recipe, made.variant, made.id);
  if (!(await exists(join(directory, 'manifest.json')))) return;
  const { manifest } = await readBundle(directory);
  const differing = Object.keys(made.files).filter(
    (name) => made.files[name]?.sha256 !== manifest.files[name]?.sha256,
  );
  if (differing.length > 0) {
    job.reporter.warning(
      `rebuilt ${made.id} differs from the stored one in ${differing.join(', ')}; the stored one stays`,
    );
  }
}
