import PQueue from 'p-queue';
import type { StoredBundle } from '../bundle/index.ts';
import { explainDisk, isDiskFailure, isRefusal } from '../platform/diskErrors.ts';
import { KilnError } from '../platform/errors.ts';
import { disk } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { LONG_PATIENCE_MS, lockSoon } from '../platform/lock.ts';
import { assertPlaceForLink, publishBundle } from '../publish/index.ts';
import type { Variant } from '../recipe/variants.ts';
import { settleGates } from './boot-gate.ts';
import { type StepCache, stepCache, sweep } from './cache.ts';
import type { EventSink, VariantResult } from './events.ts';
import { checkSubstitutes, type SourceChoices } from './inputs.ts';
import { describeInputs, type VariantKeys } from './plan.ts';
import { RecipeRun } from './recipe-run.ts';
import type { Chosen } from './recipes.ts';
import { type Reporter, startReporter, trimLogs } from './report.ts';
import { type Progress, resultOf } from './results.ts';
import { channelFor } from './targets.ts';
import { type Turn, Turns } from './turns.ts';
import { compareBundle, makeBundle, storedBundle } from './variant.ts';
import type { VariantJob } from './variant-job.ts';
import { Workshop, type WorkshopSettings } from './workshop.ts';

export interface BuildRequest {
  readonly home: Home;
  readonly chosen: readonly Chosen[];
  readonly sources: SourceChoices;
  /** Variants that are built at once. */
  readonly jobs: number;
  readonly publish: boolean;
  /** Another channel than the recipe's; {variant} and {recipe} are filled in. */
  readonly channel: string | undefined;
  readonly rebuild: boolean;
  /** Build clean elsewhere, hold the result against the stored bundle, keep nothing. Goes with `rebuild`. */
  readonly compare: boolean;
  readonly requireGates: boolean;
  readonly workshop: WorkshopSettings;
  /** A pool of make's jobs that another process has opened. */
  readonly pool?: { readonly fifo: string; readonly tokens: number };
  readonly reason: string | undefined;
  /** Who asked, for the history of the channel. */
  readonly by: string;
  readonly signal: AbortSignal;
  readonly sink: EventSink;
}

/**
 * Builds variants in parallel, boots them and publishes them. One that fails doesn't stop the others; what
 * went wrong is in its result.
 * @param runs recipes that were started already
 * @throws KilnError for what concerns the whole call: a recipe with faults, a missing tool
 */
export async function build(
  request: BuildRequest,
  runs?: readonly StartedRecipe[],
): Promise<VariantResult[]> {
  const cache = stepCache(request.home);
  const started = runs ?? (await startRecipes(request));
  const work = started.flatMap(({ run, variants }) => variants.map((variant) => ({ run, variant })));
  const workshop = new LazyWorkshop(request, cache);
  const compiling = Math.max(1, Math.min(request.jobs, work.length));
  // While one variant boots, the next is compiled.
  const queue = new PQueue({ concurrency: 2 * compiling });
  const gates = new PQueue({ concurrency: compiling });
  const shared: Shared = { request, cache, gates, workshop };
  try {
    const turns = new Map(started.map(({ run }) => [run, new Turns()]));
    const ended = await Promise.allSettled(
      work.map(({ run, variant }) => {
        const turn = (turns.get(run) ?? new Turns()).take();
        return queue.add(() => buildVariant(shared, run, variant, turn).finally(turn.pass));
      }),
    );
    // A bug in one of them: the others are not to lose what they build in under their hands.
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
    return ended.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  } finally {
    await workshop.close();
  }
}

/** A recipe that was read and looked at, and the variants of it that are wanted. */
export interface StartedRecipe {
  readonly run: RecipeRun;
  readonly variants: readonly Variant[];
}

/** Reads what the plan of every recipe needs to know; clears away what killed builds left. */
export async function startRecipes(request: BuildRequest): Promise<StartedRecipe[]> {
  checkSubstitutes(
    request.chosen.map(({ recipe }) => recipe),
    request.sources,
  );
  await sweep(request.home);
  const cache = stepCache(request.home);
  const context = { home: request.home, cache, choices: request.sources, signal: request.signal };
  return Promise.all(
    request.chosen.map(async ({ recipe, variants }) => ({
      run: await RecipeRun.start(recipe, context),
      variants,
    })),
  );
}

/** Whether a variant's bundle is in the store, so that nothing has to be made. */
export async function isBuilt(request: BuildRequest, run: RecipeRun, variant: Variant): Promise<boolean> {
  if (request.rebuild) return false;
  const { keys } = await run.facts(variant);
  return keys !== undefined && (await storedBundle(request.home, variant, keys)) !== undefined;
}

/** What the variants of one call share. */
interface Shared {
  readonly request: BuildRequest;
  readonly cache: StepCache;
  readonly gates: PQueue;
  readonly workshop: LazyWorkshop;
}

/** A workshop that is opened by whoever first has to compile. */
class LazyWorkshop {
  #opened: Promise<Workshop> | undefined;
  readonly #request: BuildRequest;
  readonly #cache: StepCache;

  constructor(request: BuildRequest, cache: StepCache) {
    this.#request = request;
    this.#cache = cache;
  }

  open(makeVersion: string): Promise<Workshop> {
    const { home, workshop, jobs, pool, sink } = this.#request;
    this.#opened ??= Workshop.open(
      home,
      this.#cache,
      { ...workshop, slots: jobs, pool },
      makeVersion,
      (sentence) => sink({ type: 'warning', variant: null, sentence }),
    );
    return this.#opened;
  }

  async close(): Promise<void> {
    const [opened] = await Promise.allSettled([this.#opened]);
    if (opened.status === 'fulfilled') await opened.value?.close();
  }
}

async function buildVariant(
  shared: Shared,
  run: RecipeRun,
  variant: Variant,
  turn: Turn,
): Promise<VariantResult> {
  const { home, sink, signal } = shared.request;
  const started = Date.now();
  const recipe = variant.recipe.name;
  let reporter: Reporter;
  try {
    reporter = startReporter(home, recipe, variant.name, sink);
  } catch (error) {
    throw explained(home, variant, error);
  }
  const progress: Progress = { gates: {} };
  let failure: unknown;
  try {
    signal.throwIfAborted();
    // Publishing looks again; what has no place there is better told before an hour of compiling than after it.
    if (shared.request.publish)
      await assertPlaceForLink(disk, home.tftp, channelFor(shared.request.channel, variant));
    // A gc takes these locks for a moment; another build of the variant has one until it has finished.
    const held = await lockSoon(
      `${home.locks}/build/${recipe}/${variant.name}.lock`,
      `kiln build ${variant.fullName}`,
      { timeoutMs: LONG_PATIENCE_MS, signal, waitFor: (holder) => !holder?.what.startsWith('kiln build') },
    );
    try {
      await takeThrough(shared, run, variant, turn, reporter, progress);
    } finally {
      held.release();
    }
  } catch (error) {
    failure = signal.aborted ? signal.reason : explained(home, variant, error);
    if (!(failure instanceof KilnError)) throw failure;
    reporter.write(`# failed: ${failure.message}`, ...failure.lines);
  }
  await trimLogs(home, recipe, variant.name);
  const seconds = Math.round((Date.now() - started) / 10) / 100;
  const result = resultOf(variant, reporter, progress, seconds, failure as KilnError | undefined);
  reporter.close(result.status);
  sink({ type: 'finished', variant: variant.fullName, result });
  return result;
}

function explained(home: Home, variant: Variant, error: unknown): unknown {
  if (!isDiskFailure(error) && !isRefusal(error)) return error;
  return explainDisk(`build ${variant.fullName}`, error, {
    full: `nothing was published; kiln gc --dry-run --home ${home.root} says what can be freed`,
    other: isRefusal(error)
      ? `nothing was published; all of ${home.root} has to belong to whoever builds there (chown)`
      : 'nothing was published; the same command goes on from there',
  });
}

async function takeThrough(
  { request, cache, gates, workshop }: Shared,
  run: RecipeRun,
  variant: Variant,
  turn: Turn,
  reporter: Reporter,
  progress: Progress,
): Promise<void> {
  const { home, rebuild } = request;
  let facts = await run.facts(variant);
  const fetched = facts.keys === undefined ? await run.fetch(reporter) : undefined;
  if (facts.keys === undefined) facts = await run.facts(variant);
  const { keys, inputs } = facts;
  if (keys === undefined) throw new Error('fetched sources have digests');
  progress.keys = keys;

  const job = async (): Promise<VariantJob> => {
    const sources = fetched ?? (await run.fetch(reporter));
    return {
      home,
      cache,
      recipe: run.recipe,
      variant,
      base: inputs.base,
      fragments: inputs.fragments,
      keys,
      sources,
      toolchain: run.toolchain,
      epoch: run.epoch,
      rebuild,
      requireGates: request.requireGates,
      reporter,
      signal: request.signal,
      turn,
      prepareTree: () => run.tree(keys.tree, sources, rebuild, reporter),
      workshop: await workshop.open(run.toolchain.makeVersion),
      gates,
    };
  };
  if (request.compare) {
    progress.bundle = await compareWithStored(request, variant, keys, await job(), reporter);
    return;
  }
  const stored = rebuild ? undefined : await storedBundle(home, variant, keys);
  if (stored !== undefined) {
    reporter.hit('bundle', keys.id);
    // It was made of these very bytes: what the lock did not know is known now.
    if (fetched !== undefined) await run.lockSources(fetched);
    // Nothing of what it was made of is needed again.
    reporter.counts.hit += ['fetch', 'tree', 'config', 'compile', 'initrd'].length;
    progress.bundle = stored;
    progress.gates = await settleGates({ ...request, reporter, variant, gates }, stored);
  } else {
    progress.bundle = await makeBundle(await job());
    progress.gates = progress.bundle.manifest.gates;
    await cache.remember(variant.recipe.name, variant.name, describeInputs(inputs));
  }
  if (request.publish) await publish(request, variant, reporter, progress, progress.bundle);
}

async function compareWithStored(
  { home }: BuildRequest,
  variant: Variant,
  keys: VariantKeys,
  job: VariantJob,
  reporter: Reporter,
): Promise<StoredBundle> {
  const stored = await storedBundle(home, variant, keys);
  if (stored === undefined) {
    throw new KilnError('failed', `there is no whole bundle ${keys.id} to compare with`, {
      hint: `kiln build ${variant.fullName} makes it`,
    });
  }
  await compareBundle(job, stored);
  reporter.write(`# the same bytes as ${stored.directory}`);
  return stored;
}

async function publish(
  request: BuildRequest,
  variant: Variant,
  reporter: Reporter,
  progress: Progress,
  bundle: StoredBundle,
): Promise<void> {
  const channel = channelFor(request.channel, variant);
  const outcome = await reporter.step('publish', async () => {
    request.signal.throwIfAborted();
    const { reason, by, signal } = request;
    const published = await publishBundle(request.home, bundle, channel, {
      by,
      ...(reason === undefined ? {} : { reason }),
      patience: { timeoutMs: LONG_PATIENCE_MS, signal },
    });
    const verb = published.flipped ? 'points to' : 'points already to';
    return {
      ...published,
      hit: !published.flipped,
      detail: `${channel} ${verb} generation ${published.generation}`,
    };
  });
  progress.channel = outcome.channel;
  progress.generation = outcome.generation;
}
