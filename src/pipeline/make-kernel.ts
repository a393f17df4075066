import { join } from 'node:path';
import { assertReadable } from '../initrd/index.ts';
import { familyFor, type KernelFamily } from '../kernel/index.ts';
import { type Compiled, cachedKernel, compileVariant } from './compile.ts';
import { adopt, type Configured, cachedConfig, configure } from './configure.ts';
import { describeTree, type PreparedTree } from './tree.ts';
import type { VariantJob } from './variant-job.ts';
import type { WorkTree } from './work-trees.ts';
import type { TreeShop } from './workshop.ts';

/** Configures and compiles a variant in a work tree, unless the cache has both. */
export async function makeKernel(
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
  const shop = await workshop.shop(keys.tree, directory, familyOf(job), toolchain, epoch, rebuild);
  await job.turn.comes;
  // While the first variant is compiled, which all others start from, there is time for their configurations.
  const aside = shop.trees.waits ? shop.trees.aside((work) => configureAsStep(job, work)) : undefined;
  if (aside !== undefined) job.turn.pass();
  const early = await aside;
  const making = shop.trees.use(signal, async (work) => {
    const configured =
      early === undefined ? await configureAsStep(job, work) : await configureAgain(job, work, early);
    const compiled = await compileIn(job, work, shop, tree, configured);
    return { configured, compiled, built: { release: keys.release, config: configured.dotConfig } };
  });
  // It has a tree now, or stands in line for one.
  job.turn.pass();
  return { tree, ...(await making) };
}

async function configureAsStep(job: VariantJob, work: WorkTree): Promise<Configured> {
  const { variant, reporter } = job;
  const configured = await reporter.step('config', async () => {
    const made = await configureIn(job, work);
    return { ...made, detail: `${made.audit.requested.length} options asked for, every one as asked` };
  });
  // Before the minutes that it takes to compile what could not boot.
  assertReadable(variant.initrd.format, variant.recipe.kernel.version, configured.dotConfig);
  return configured;
}

/** Puts a configuration that was made beside into the tree; one that nothing was built in needs all that make does. */
async function configureAgain(job: VariantJob, work: WorkTree, early: Configured): Promise<Configured> {
  const adopted = work.built !== undefined && (await adopt(work.tree, familyOf(job), early));
  return adopted ? early : configureIn(job, work);
}

function configureIn(job: VariantJob, work: WorkTree): Promise<Configured> {
  const { cache, keys, recipe, variant, base, fragments, toolchain, reporter, signal } = job;
  return configure({
    cache,
    key: keys.config,
    tree: work.tree,
    sandbox: work.sandbox,
    family: familyOf(job),
    toolchain,
    recipe,
    variant,
    base,
    fragments,
    reporter,
    signal,
  });
}

function compileIn(
  job: VariantJob,
  work: WorkTree,
  shop: TreeShop,
  tree: PreparedTree,
  configured: Configured,
): Promise<Compiled> {
  const { cache, keys, toolchain, workshop, epoch, reporter, signal } = job;
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
      family: familyOf(job),
      toolchain,
      epoch,
      reporter,
      signal,
    });
    const hits = made.ccacheHits === undefined ? '' : `, ${made.ccacheHits} of them by ccache`;
    return { ...made, detail: `${keys.release}, ${made.compiled} files compiled${hits}` };
  });
}

function familyOf({ variant }: VariantJob): KernelFamily {
  const { version, arch } = variant.recipe.kernel;
  return familyFor(version, arch);
}
