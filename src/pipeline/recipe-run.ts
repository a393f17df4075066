import type { Toolchain } from '../kernel/index.ts';
import { sourceDateEpoch } from '../platform/clock.ts';
import { formatPlace, KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import type { LockedSource } from '../recipe/lock.ts';
import type { Variant } from '../recipe/variants.ts';
import { type FetchedSource, sourceFileName } from '../sources/index.ts';
import type { StepCache } from './cache.ts';
import { codeVersions } from './code-versions.ts';
import {
  asInput,
  fetchNamed,
  knownSources,
  readBase,
  readFragments,
  type SourceChoices,
  sortSources,
  sourceNames,
  sourceSpec,
} from './inputs.ts';
import { keysOf, type SourceInput, type TextInput, type VariantInputs, type VariantKeys } from './plan.ts';
import { extendLock, type LoadedRecipe, readLock } from './recipes.ts';
import type { Reporter } from './report.ts';
import { findToolchainOf } from './tools.ts';
import { cachedTree, type PreparedTree, prepareTree } from './tree.ts';

/** What a variant's inputs are and, once its sources are known, its keys. */
export interface VariantFacts {
  readonly inputs: VariantInputs;
  readonly keys: VariantKeys | undefined;
}

/**
 * One recipe in one build: what its variants share is read, fetched and unpacked once, by whichever needs
 * it first.
 */
export class RecipeRun {
  readonly recipe: LoadedRecipe;
  readonly toolchain: Toolchain;
  readonly base: TextInput | undefined;
  readonly epoch: number;
  readonly #home: Home;
  readonly #cache: StepCache;
  readonly #choices: SourceChoices;
  readonly #signal: AbortSignal;
  #sources: readonly SourceInput[];
  #fetched: Promise<FetchedSource[]> | undefined;
  readonly #trees = new Map<string, Promise<PreparedTree>>();

  private constructor(
    recipe: LoadedRecipe,
    toolchain: Toolchain,
    base: TextInput | undefined,
    sources: readonly SourceInput[],
    context: { home: Home; cache: StepCache; choices: SourceChoices; signal: AbortSignal },
  ) {
    this.recipe = recipe;
    this.toolchain = toolchain;
    this.base = base;
    this.epoch = sourceDateEpoch();
    this.#sources = sources;
    this.#home = context.home;
    this.#cache = context.cache;
    this.#choices = context.choices;
    this.#signal = context.signal;
  }

  /** Reads what the plan needs to know; fetches nothing but substitutes. */
  static async start(
    recipe: LoadedRecipe,
    context: { home: Home; cache: StepCache; choices: SourceChoices; signal: AbortSignal },
  ): Promise<RecipeRun> {
    const [toolchain, base, sources] = await Promise.all([
      findToolchainOf(context.home, recipe),
      readBase(recipe, context.choices.mirrors),
      knownSources(context.home, recipe, context.choices, context.signal),
    ]);
    return new RecipeRun(recipe, toolchain, base, sources, context);
  }

  /** What is known of the sources now. */
  get sources(): readonly SourceInput[] {
    return this.#sources;
  }

  /** A variant's inputs and keys, as far as they are known. */
  async facts(variant: Variant): Promise<VariantFacts> {
    const { kernel, patches, kits } = sortSources(this.recipe.recipe, this.#sources);
    const kit = kits.find(({ name }) => name === variant.kitSource);
    const inputs: VariantInputs = {
      variant,
      kernel,
      patches,
      ...(kit === undefined ? {} : { kit }),
      base: this.base,
      fragments: await readFragments(this.recipe, variant),
      toolchain: {
        fingerprint: this.toolchain.fingerprint,
        description: this.toolchain.compilerVersion,
        ...(this.toolchain.place.kind === 'host' ? {} : { within: this.toolchain.place.kind }),
      },
      epoch: this.epoch,
      code: codeVersions(),
    };
    return { inputs, keys: keysOf(inputs) };
  }

  /** Fetches every source at once. */
  async fetch(reporter: Reporter): Promise<FetchedSource[]> {
    if (this.#fetched !== undefined) {
      const fetched = await this.#fetched;
      reporter.hit('fetch', 'by another variant of the recipe');
      return fetched;
    }
    this.#fetched = reporter
      .step('fetch', async () => {
        const fetched = await this.#fetchAll(reporter);
        return { fetched, detail: describeSources(fetched) };
      })
      .then(({ fetched }) => fetched);
    // Each waiting variant reports the failure as its own.
    this.#fetched.catch(() => undefined);
    return this.#fetched;
  }

  async #fetchAll(reporter: Reporter): Promise<FetchedSource[]> {
    const lock = await readLock(this.recipe);
    const settled = await Promise.allSettled(
      sourceNames(this.recipe).map((name) =>
        fetchNamed(this.#home, this.recipe, lock, name, this.#choices, reporter.source, this.#signal),
      ),
    );
    const fetched = allOrFailure(settled);
    this.#sources = fetched.map(asInput);
    return fetched;
  }

  /** The prepared tree of a key, made by the first variant that asks for it. */
  async tree(
    key: string,
    fetched: readonly FetchedSource[],
    rebuild: boolean,
    reporter: Reporter,
  ): Promise<PreparedTree> {
    const running = this.#trees.get(key);
    if (running !== undefined) {
      const tree = await running;
      reporter.hit('tree', 'shared with another variant');
      return tree;
    }
    const making = this.#makeTree(key, fetched, rebuild, reporter).then(async (tree) => {
      // Only what made a tree is worth locking to: not an error page that a server sent in a file's place.
      await this.lockSources(fetched);
      return tree;
    });
    making.catch(() => undefined);
    this.#trees.set(key, making);
    return making;
  }

  /** Locks the files that were seen for the first time; a directory is worked on, and its digest is in the key. */
  async lockSources(fetched: readonly FetchedSource[]): Promise<void> {
    const lock = await readLock(this.recipe);
    const seen = fetched.flatMap(({ name, kind, substituted, from, fileName, size, sha256 }) => {
      const { urls, locked } = sourceSpec(this.recipe, lock, name);
      if (substituted || kind !== 'file' || locked !== undefined) return [];
      // Who drops a dead URL from the recipe keeps the lock of the one that had the file.
      const file = urls.map(sourceFileName).find((one) => one === sourceFileName(from)) ?? fileName;
      return [[name, { file, size, sha256 }] satisfies [string, LockedSource]];
    });
    await extendLock(this.recipe, Object.fromEntries(seen));
  }

  async #makeTree(
    key: string,
    fetched: readonly FetchedSource[],
    rebuild: boolean,
    reporter: Reporter,
  ): Promise<PreparedTree> {
    const cached = rebuild ? undefined : await cachedTree(this.#cache, key);
    if (cached !== undefined) {
      reporter.hit('tree', `${cached.record.version}${cached.record.extraversion}`);
      return cached;
    }
    return reporter.step('tree', async () => {
      const made = await prepareTree(this.#cache, key, this.recipe, fetched, reporter, this.#signal);
      const { version, extraversion, decoder, patches } = made.record;
      const count = patches.length === 1 ? '1 patch' : `${patches.length} patches`;
      return { ...made, detail: `${version}${extraversion} by ${decoder}, ${count}` };
    });
  }
}

/** The files by name, as long as they are few. */
function describeSources(fetched: readonly FetchedSource[]): string {
  const names = fetched.map((source) => source.fileName);
  return names.length <= 3 ? names.join(', ') : `${names[0]} and ${names.length - 1} patches`;
}

/** @throws KilnError for what could not be had: all of it at once, a damaged source before a missing one */
function allOrFailure(settled: readonly PromiseSettledResult<FetchedSource>[]): FetchedSource[] {
  const failures: unknown[] = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  const known = failures.filter((failure) => failure instanceof KilnError);
  const bug = failures.find((failure) => !(failure instanceof KilnError));
  if (bug !== undefined) throw bug;
  const first = known.find(({ kind }) => kind === 'integrity') ?? known[0];
  if (first !== undefined) {
    const others = known.filter((failure) => failure !== first);
    throw new KilnError(first.kind, first.message, {
      ...(first.place === undefined ? {} : { place: first.place }),
      ...(first.hint === undefined ? {} : { hint: first.hint }),
      lines: [
        ...first.lines,
        ...others.flatMap(({ message, place, lines, hint }) => [
          place === undefined ? message : `${formatPlace(place)}: ${message}`,
          ...[...lines, ...(hint === undefined ? [] : [`hint: ${hint}`])].map((line) => `  ${line}`),
        ]),
      ],
      // Only what all of them may be cured of by waiting is worth waiting for.
      transient: known.every(({ transient }) => transient),
      cause: first,
    });
  }
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}
