import { availableParallelism } from 'node:os';
import PQueue from 'p-queue';
import type { Manifest, StoredBundle } from '../bundle/index.ts';
import { formatPlace, KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { lock } from '../platform/lock.ts';
import { publishBundle } from '../publish/index.ts';
import type { Variant } from '../recipe/variants.ts';
import { type StepCache, stepCache, sweep } from './cache.ts';
import type { EventSink, VariantResult } from './events.ts';
import { checkSubstitutes, type SourceChoices } from './inputs.ts';
import { describeInputs } from './plan.ts';
import { RecipeRun } from './recipe-run.ts';
import type { Chosen } from './recipes.ts';
import { type Reporter, startReporter, trimLogs } from './report.ts';
import { makeBundle, settleGates, storedBundle, type VariantJob } from './variant.ts';

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
  readonly requireGates: boolean;
  readonly reason: string | undefined;
  readonly signal: AbortSignal;
  readonly sink: EventSink;
}

/**
 * Builds variants in parallel, boots them and publishes them. One that fails doesn't stop the others; what
 * went wrong is in its result.
 * @throws KilnError for what concerns the whole call: a recipe with faults, a missing tool
 */
export async function build(request: BuildRequest): Promise<VariantResult[]> {
  checkSubstitutes(
    request.chosen.map(({ recipe }) => recipe),
    request.sources,
  );
  await sweep(request.home);
  const cache = stepCache(request.home);
  const context = { home: request.home, cache, choices: request.sources, signal: request.signal };
  const runs = await Promise.all(
    request.chosen.map(async ({ recipe, variants }) => ({
      run: await RecipeRun.start(recipe, context),
      variants,
    })),
  );
  const work = runs.flatMap(({ run, variants }) => variants.map((variant) => ({ run, variant })));
  const slots = Math.min(request.jobs, work.length);
  const makeJobs = Math.max(1, Math.floor(availableParallelism() / Math.max(1, slots)));
  const queue = new PQueue({ concurrency: Math.max(1, slots) });
  return Promise.all(
    work.map(({ run, variant }) => queue.add(() => buildVariant(request, cache, run, variant, makeJobs))),
  );
}

interface Progress {
  keys?: { readonly id: string; readonly release: string };
  bundle?: StoredBundle;
  gates: Manifest['gates'];
  channel?: string;
  generation?: number;
}

async function buildVariant(
  request: BuildRequest,
  cache: StepCache,
  run: RecipeRun,
  variant: Variant,
  makeJobs: number,
): Promise<VariantResult> {
  const { home, sink, signal } = request;
  const started = Date.now();
  const recipe = variant.recipe.name;
  const reporter = startReporter(home, recipe, variant.name, sink);
  const progress: Progress = { gates: {} };
  let failure: unknown;
  try {
    signal.throwIfAborted();
    const held = lock(`${home.locks}/build/${recipe}/${variant.name}.lock`, `kiln build ${variant.fullName}`);
    try {
      await takeThrough(request, cache, run, variant, makeJobs, reporter, progress);
    } finally {
      held.release();
    }
  } catch (error) {
    failure = signal.aborted ? signal.reason : error;
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

async function takeThrough(
  request: BuildRequest,
  cache: StepCache,
  run: RecipeRun,
  variant: Variant,
  makeJobs: number,
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
      makeJobs,
      rebuild,
      requireGates: request.requireGates,
      reporter,
      signal: request.signal,
      prepareTree: () => run.tree(keys.tree, sources, rebuild, reporter),
    };
  };
  const stored = rebuild ? undefined : await storedBundle(home, variant, keys);
  if (stored !== undefined) {
    reporter.hit('bundle', keys.id);
    // Nothing of what it was made of is needed again.
    reporter.counts.hit += ['fetch', 'tree', 'config', 'compile', 'initrd'].length;
    progress.bundle = stored;
    progress.gates = await settleGates({ ...request, reporter, variant }, stored);
  } else {
    progress.bundle = await makeBundle(await job());
    progress.gates = progress.bundle.manifest.gates;
    await cache.remember(variant.recipe.name, variant.name, describeInputs(inputs));
  }
  if (request.publish) await publish(request, variant, reporter, progress, progress.bundle);
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
    const { reason } = request;
    const published = await publishBundle(
      request.home,
      bundle,
      channel,
      reason === undefined ? {} : { reason },
    );
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

/** The channel that a variant is published to. */
export function channelFor(given: string | undefined, variant: Variant): string {
  if (given === undefined) return variant.channel;
  return given.replaceAll('{variant}', variant.name).replaceAll('{recipe}', variant.recipe.name);
}

function resultOf(
  variant: Variant,
  reporter: Reporter,
  progress: Progress,
  seconds: number,
  failure: KilnError | undefined,
): VariantResult {
  const { bundle, gates } = progress;
  const skipped = Object.entries(gates).flatMap(([name, record]) =>
    record.status === 'skipped' ? [[name, record.reason]] : [],
  );
  const sources = bundle?.manifest.sources;
  const substituted = [sources?.kernel, ...(sources?.patches ?? []), sources?.kit].filter(
    (source) => source?.substituted,
  );
  const size = (name: string) => bundle?.manifest.files[name]?.size ?? 0;
  return {
    recipe: variant.recipe.name,
    variant: variant.name,
    status: statusOf(progress, failure),
    bundle: bundle?.manifest.id ?? null,
    release: bundle?.manifest.release ?? null,
    channel: progress.channel ?? null,
    generation: progress.generation ?? null,
    seconds,
    steps: { ...reporter.counts },
    log: reporter.log,
    skippedGates: Object.fromEntries(skipped),
    substituted: substituted.flatMap((source) => (source === undefined ? [] : [source.name])),
    ...(bundle === undefined
      ? {}
      : { sizes: { vmlinuz: size('vmlinuz'), initrd: size('initrd.gz'), modules: size('modules.tar.gz') } }),
    ...(failure === undefined ? {} : { error: describeFailure(failure) }),
  };
}

/** The result of a variant that nobody got to. */
export function failedResult(
  variant: { readonly name: string; readonly recipe: { readonly name: string } },
  failure: KilnError,
): VariantResult {
  return {
    recipe: variant.recipe.name,
    variant: variant.name,
    status: statusOf({ gates: {} }, failure),
    bundle: null,
    release: null,
    channel: null,
    generation: null,
    seconds: 0,
    steps: { hit: 0, run: 0 },
    log: null,
    skippedGates: {},
    substituted: [],
    error: describeFailure(failure),
  };
}

function statusOf(progress: Progress, failure: KilnError | undefined): VariantResult['status'] {
  if (failure === undefined) return progress.generation === undefined ? 'built' : 'published';
  return failure.kind === 'interrupted' || failure.kind === 'terminated' ? 'cancelled' : 'failed';
}

function describeFailure(failure: KilnError): NonNullable<VariantResult['error']> {
  return {
    kind: failure.kind,
    message: failure.message,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    ...(failure.place === undefined ? {} : { place: formatPlace(failure.place) }),
    lines: failure.lines,
    ...(failure.transient ? { transient: true as const } : {}),
  };
}
