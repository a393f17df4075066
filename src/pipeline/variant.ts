import { copyFile, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bundleDirectory,
  checkBundle,
  commitBundle,
  type Manifest,
  readBundleIfSound,
  type StoredBundle,
  signingKey,
} from '../bundle/index.ts';
import { type Initrd, kitEntries, makeInitrd } from '../initrd/index.ts';
import { removeTree } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import type { Variant } from '../recipe/variants.ts';
import { assemble } from './assemble.ts';
import { gateStep } from './boot-gate.ts';
import { requireBootable, requireCards } from './boot-options.ts';
import { workDirectory } from './cache.ts';
import { assertSameBundle } from './compare.ts';
import type { Compiled } from './compile.ts';
import { passGates, requireGates } from './gates.ts';
import { requireImageTools } from './images.ts';
import { makeKernel } from './make-kernel.ts';
import type { VariantKeys } from './plan.ts';

import type { VariantJob } from './variant-job.ts';

/** The stored bundle of a variant's key if there is one and every byte of it is right. */
export async function storedBundle(
  home: Home,
  variant: Variant,
  keys: VariantKeys,
): Promise<StoredBundle | undefined> {
  const directory = bundleDirectory(home, variant.recipe.name, variant.name, keys.id);
  const bundle = await readBundleIfSound(directory);
  if (bundle?.manifest.key !== keys.bundle) return undefined;
  return (await checkBundle(directory, bundle.manifest)).length === 0 ? bundle : undefined;
}

/** Takes a variant through its steps, from the tree to a stored bundle that has passed its gates. */
export async function makeBundle(job: VariantJob): Promise<StoredBundle> {
  const { home, variant, reporter } = job;
  await requireImageTools(variant.recipe.images);
  requireBootable(job.recipe, variant, job.keys);
  // A key that can't sign, and a card that QEMU does not have, are told before the minutes that a kernel takes.
  await signingKey(home);
  if (variant.recipe.gates.includes('boot')) requireCards(job.recipe, variant);
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
  const stored = await readBundleIfSound(directory);
  if (stored === undefined) return;
  const { manifest } = stored;
  const differing = Object.keys(made.files).filter(
    (name) => made.files[name]?.sha256 !== manifest.files[name]?.sha256,
  );
  if (differing.length > 0) {
    job.reporter.warning(
      `rebuilt ${made.id} differs from the stored one in ${differing.join(', ')}; the stored one stays`,
    );
  }
}
