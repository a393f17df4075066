import { join, resolve } from 'node:path';
import { preferredPlaces, sourceNames, sourceSpec } from '../pipeline/inputs.ts';
import { CHECKOUT, type LoadedRecipe } from '../pipeline/recipes.ts';
import { Wake } from '../queue/wake.ts';
import { isDirectory } from '../sources/index.ts';
import type { WatchContext } from './context.ts';
import { type Edited, Edits } from './edits.ts';
import { localPath } from './local.ts';
import type { Answers, Upstream } from './look.ts';
import { askListings, lookWith } from './pass.ts';
import type { WatchReport } from './report.ts';
import { recipePath } from './revision.ts';
import { Settling } from './settle.ts';

export interface WatchingOptions {
  /** Which listings the first look asks. */
  readonly first: Upstream;
  /** How long before listings are asked where the first look asks none, in milliseconds. */
  readonly secondMs?: number;
  readonly onReport: (report: WatchReport) => void;
  /** Told of a look that could not be done, or that found a bug; there is another one a minute later. */
  readonly onError: (error: unknown) => void;
  /** Told when edits from now on are seen. */
  readonly onReady?: () => void;
}

/** Files are looked at this often, whatever is told of them. */
const LONGEST_NAP_MS = 10 * 60_000;
const AFTER_ERROR_MS = 60_000;
const SHORTEST_NAP_MS = 1000;

/**
 * Looks upstream when it is time and at files when they were edited and have settled, until the signal is aborted. An
 * edit waits for no server: listings are asked beside the looks.
 * @throws the signal's reason
 */
export async function watchOn(context: WatchContext, options: WatchingOptions): Promise<void> {
  const watching = new Watching(context, options);
  try {
    await watching.run();
  } finally {
    watching.close();
  }
}

class Watching {
  readonly #context: WatchContext;
  readonly #options: WatchingOptions;
  readonly #settling = new Settling();
  readonly #wake = new Wake();
  readonly #edits = new Edits(() => {
    this.#settling.note(this.#context.now());
    this.#wake.notify();
  });
  /** When listings are asked next; undefined: they are being asked. */
  #askAt: number | undefined;
  /** No listing is asked before, whatever its time: the server has just started, or something went wrong. */
  #notBefore: number;
  /** What listings have answered and nobody has looked at. */
  #answers: Answers | undefined;
  #lookAt = 0;
  #isReady = false;

  constructor(context: WatchContext, options: WatchingOptions) {
    this.#context = context;
    this.#options = options;
    this.#notBefore = context.now() + (options.first === 'none' ? (options.secondMs ?? AFTER_ERROR_MS) : 0);
    this.#askAt = this.#notBefore;
  }

  close(): void {
    this.#edits.close();
  }

  async run(): Promise<void> {
    // The first report has something to say.
    if (this.#options.first !== 'none') await this.#ask(this.#options.first);
    for (;;) {
      await this.#look();
      await this.#untilDue();
    }
  }

  async #untilDue(): Promise<void> {
    const { now, signal } = this.#context;
    for (;;) {
      const { count } = this.#wake;
      if (this.#askAt !== undefined && now() >= this.#askAt) void this.#ask('due');
      if (this.#answers !== undefined || this.#settling.take(now()) || now() >= this.#lookAt) return;
      const due = Math.min(this.#lookAt, this.#askAt ?? this.#lookAt, this.#settling.readyAt ?? this.#lookAt);
      await this.#wake.wait(count, Math.max(1, due - now()), signal);
    }
  }

  /** Asks listings. Never fails: what goes wrong is told. */
  async #ask(upstream: Upstream): Promise<void> {
    this.#askAt = undefined;
    try {
      this.#answers = await askListings(this.#context, upstream);
    } catch (error) {
      if (this.#context.signal.aborted) return;
      this.#options.onError(error);
      this.#notBefore = this.#context.now() + AFTER_ERROR_MS;
      this.#askAt = this.#notBefore;
    } finally {
      this.#wake.notify();
    }
  }

  async #look(): Promise<void> {
    const { now, signal } = this.#context;
    const answers = this.#answers;
    this.#answers = undefined;
    try {
      const pass = await lookWith(this.#context, answers ?? new Map());
      this.#options.onReport(pass.report);
      this.#lookAt = now() + LONGEST_NAP_MS;
      const next = Math.max(pass.next ?? Number.POSITIVE_INFINITY, now() + SHORTEST_NAP_MS);
      if (answers !== undefined || this.#askAt !== undefined) this.#askAt = Math.max(next, this.#notBefore);
      // What was edited while nobody heard of it is seen by another look.
      if (await this.#edits.follow(await editedOf(pass.recipes, this.#context.mirrors)))
        this.#settling.note(now());
      if (!this.#isReady) this.#options.onReady?.();
      this.#isReady = true;
    } catch (error) {
      signal.throwIfAborted();
      this.#options.onError(error);
      this.#lookAt = now() + AFTER_ERROR_MS;
      this.#notBefore = this.#lookAt;
      // What was answered is lost: it is asked for again.
      if (answers !== undefined) this.#askAt = this.#notBefore;
    }
  }
}

/** What recipes are made of: what is edited by hand. */
async function editedOf(recipes: readonly LoadedRecipe[], mirrors: WatchContext['mirrors']): Promise<Edited> {
  // A recipe that is new.
  const files = new Set([join(CHECKOUT, 'recipes', '*')]);
  const trees = new Set<string>();
  for (const recipe of recipes) {
    for (const file of filesOf(recipe)) files.add(file);
    const { config } = recipe.recipe;
    for (const path of preferredPlaces(config.prefer, recipe.directory, mirrors)) files.add(path);
    for (const source of sourceNames(recipe)) {
      const path = localPath(recipe, sourceSpec(recipe, {}, source).urls);
      if (path === undefined) continue;
      files.add(path);
      if (await isDirectory(path)) trees.add(path);
    }
  }
  return { files, trees };
}

/** The recipe's own files, and directories whose files are listed for it as `DIR/*`. */
function filesOf(recipe: LoadedRecipe): string[] {
  const { config, series, kernel, patches, variants } = recipe.recipe;
  const fragments = [...config.fragments, ...Object.values(variants).flatMap((one) => one.fragments)];
  const own = [config.base, ...series].filter((name) => name !== 'arch' && name !== 'none');
  const listed = [kernel.watch, ...patches.map(({ watch }) => watch)].flatMap((rule) => {
    const directory = rule?.index === undefined ? undefined : localPath(recipe, [rule.index]);
    return directory === undefined ? [] : [join(directory, '*')];
  });
  return [
    recipePath(recipe),
    recipe.lockFile,
    ...fragments.map((name) =>
      name.endsWith('.config')
        ? resolve(recipe.directory, name)
        : join(CHECKOUT, 'kconfig', `${name}.config`),
    ),
    ...own.map((name) => resolve(recipe.directory, name)),
    ...listed,
  ];
}
