import { join } from 'node:path';
import { type LoadedRecipe, loadRecipe, readLock, recipeNames } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import { lockSoon } from '../platform/lock.ts';
import { hasLedger, Ledger } from '../queue/ledger.ts';
import { ASK_PATIENCE } from './ask.ts';
import type { WatchContext } from './context.ts';
import { findEdited } from './local.ts';
import { Lookout, type Upstream } from './look.ts';
import { findAffected, queueAffected, type RecipeSight, seeRecipe } from './rebuild.ts';
import type { ChangeReport, ProblemReport, SourceReport, WatchReport } from './report.ts';
import type { Update } from './revise.ts';
import { type StagedRevision, stageRevision } from './revision.ts';
import { NOTHING_SEEN, type RecipeMemory, readState, type WatchState, writeState } from './state.ts';
import { everyOf, type Found, lookUpstream, watchedSources } from './upstream.ts';
import { checkRecipe, type Verdict } from './verdict.ts';

/** What a pass looks at. */
export interface PassOptions {
  /** Which listings are asked. */
  readonly upstream: Upstream;
}

/** What a pass saw, for whoever watches on. */
export interface Pass {
  readonly report: WatchReport;
  readonly recipes: readonly LoadedRecipe[];
  /** When a listing is to be asked next, in milliseconds since 1970; undefined: there is none. */
  readonly next: number | undefined;
}

/**
 * Looks at every recipe once: upstream for newer sources, on the disk for edited files, and queues what they affect.
 * What it has seen is written down behind that, so that a kill loses nothing: the next pass finds it again, and joins
 * the job that waits.
 */
export async function lookOnce(context: WatchContext, options: PassOptions): Promise<Pass> {
  const lock = await lockSoon(join(context.home.locks, 'watch.lock'), 'kiln watch', 60_000);
  try {
    const state = await readState(context.home);
    const lookout = new Lookout({
      state,
      now: context.now,
      chance: context.chance,
      upstream: options.upstream,
      everyMs: (rule) => everyOf(rule, context.everyMs),
      patience: context.patience ?? ASK_PATIENCE,
      signal: context.signal,
    });
    const sources: SourceReport[] = [];
    const changes: ChangeReport[] = [];
    const problems: ProblemReport[] = [];
    const recipes: LoadedRecipe[] = [];
    for (const reference of await referencesOf(context)) {
      try {
        const recipe = await loadRecipe(reference);
        recipes.push(recipe);
        const seen = await new RecipePass(recipe, state, lookout, context).run();
        sources.push(...seen.sources);
        changes.push(...seen.changes);
      } catch (error) {
        if (!(error instanceof KilnError) || context.signal.aborted) throw error;
        problems.push({ recipe: reference, kind: error.kind, message: error.message, lines: error.lines });
      }
      await writeState(context.home, state);
    }
    return { report: { sources, changes, problems }, recipes, next: lookout.next };
  } finally {
    lock.release();
  }
}

/** The recipes to look at: those that were named, else those under recipes/ and those by path that were queued. */
async function referencesOf({ home, references }: WatchContext): Promise<string[]> {
  if (references.length > 0) return [...new Set(references)];
  const paths = new Set<string>();
  if (hasLedger(home)) {
    const ledger = Ledger.of(home);
    try {
      for (const { spec } of ledger.jobs()) {
        for (const reference of spec.references) {
          const path = reference.slice(0, reference.lastIndexOf(':'));
          if (path.startsWith('/') && !path.startsWith(`${join(home.root, 'revisions')}/`)) paths.add(path);
        }
      }
    } finally {
      ledger.close();
    }
  }
  const there = await Promise.all([...paths].map(async (path) => ((await exists(path)) ? [path] : [])));
  return [...(await recipeNames()), ...there.flat()];
}

/** What is to be built: the recipe itself, or a revision of it. */
interface Effective {
  readonly recipe: LoadedRecipe;
  readonly staged: StagedRevision | undefined;
  readonly updates: readonly Update[];
  readonly sight: RecipeSight;
}

/** One look at one recipe. */
class RecipePass {
  readonly #recipe: LoadedRecipe;
  readonly #state: WatchState;
  readonly #lookout: Lookout;
  readonly #context: WatchContext;
  readonly #memory: RecipeMemory | undefined;
  readonly #sources: SourceReport[] = [];
  #rejected: RecipeMemory['rejected'] = null;

  constructor(recipe: LoadedRecipe, state: WatchState, lookout: Lookout, context: WatchContext) {
    this.#recipe = recipe;
    this.#state = state;
    this.#lookout = lookout;
    this.#context = context;
    this.#memory = state.recipes[recipe.reference];
  }

  async run(): Promise<{ sources: readonly SourceReport[]; changes: readonly ChangeReport[] }> {
    const recipe = this.#recipe;
    const lock = await readLock(recipe);
    const found: Found[] = [];
    for (const watched of watchedSources(recipe, this.#memory)) {
      found.push(await lookUpstream(watched, this.#lookout, lock, this.#state, this.#context));
    }
    const edited = await findEdited(recipe, lock, this.#memory?.updates ?? []);
    this.#sources.push(...found.map(({ report }) => report), ...edited.reports);
    const upstream = found.flatMap(({ update }) => (update === undefined ? [] : [update]));
    const taken = this.#memory?.updates.filter(({ urls, source }) =>
      upstream.some((one) => urls !== null && one.source === source),
    );
    const others = edited.updates.filter(({ source }) => !upstream.some((one) => one.source === source));
    // What is new upstream must not keep what was edited here from being built.
    const choices = [[...upstream, ...others]];
    if (found.some(({ fresh }) => fresh)) choices.push([...(taken ?? []), ...others]);
    for (const updates of choices) {
      const effective = await this.#stage(updates);
      if (effective === undefined) continue;
      return { sources: this.#sources, changes: await this.#use(effective, await this.#originalSight()) };
    }
    this.#state.recipes[recipe.reference] = { ...(this.#memory ?? NOTHING_SEEN), rejected: this.#rejected };
    if (this.#memory === undefined) {
      // The recipe without anything new is what later looks are compared with.
      const { variants, sources } = await this.#originalSight();
      this.#state.recipes[recipe.reference] = {
        ...NOTHING_SEEN,
        variants,
        sources,
        rejected: this.#rejected,
      };
    }
    return { sources: this.#sources, changes: [] };
  }

  #originalSight(): Promise<RecipeSight> {
    return seeRecipe(this.#recipe, this.#memory?.sources, this.#context);
  }

  /** The recipe with some updates, if its series applies. */
  async #stage(updates: readonly Update[]): Promise<Effective | undefined> {
    const staged =
      updates.length === 0
        ? undefined
        : await stageRevision(this.#context.home, this.#recipe, await readLock(this.#recipe), updates);
    const recipe = staged?.recipe ?? this.#recipe;
    try {
      const sight = await seeRecipe(recipe, this.#memory?.sources, this.#context);
      const isNew = this.#memory === undefined ? updates.length > 0 : this.#memory.applies !== sight.tree;
      const verdict = isNew ? await this.#judge(recipe, sight.tree) : ({ ok: true } as const);
      if (verdict.ok) return { recipe, staged, updates, sight };
      this.#rejected = { key: sight.tree, sentence: verdict.sentence, lines: verdict.lines, updates };
      this.#reportRejected(updates, verdict);
    } catch (error) {
      await staged?.drop();
      if (!(error instanceof KilnError) || this.#context.signal.aborted) throw error;
      if (error.kind === 'invalid' || error.kind === 'usage') throw error;
      this.#say(error.kind === 'integrity' ? 'refused' : 'unreachable', error.message, error.lines);
      return undefined;
    }
    await staged?.drop();
    return undefined;
  }

  async #judge(recipe: LoadedRecipe, tree: string): Promise<Verdict> {
    const rejected = this.#memory?.rejected;
    if (rejected?.key === tree) return { ok: false, sentence: rejected.sentence, lines: rejected.lines };
    return checkRecipe(recipe, this.#context);
  }

  /** A newer source that does not go with the others is no longer reported as taken. */
  #reportRejected(updates: readonly Update[], { sentence, lines }: Extract<Verdict, { ok: false }>): void {
    const at = this.#sources.findIndex(
      ({ status, source }) => status === 'newer' && updates.some((update) => update.source === source),
    );
    const report = this.#sources[at];
    if (report === undefined) this.#say('does-not-apply', sentence, lines);
    else this.#sources[at] = { ...report, status: 'does-not-apply', message: sentence, lines };
  }

  #say(status: SourceReport['status'], message: string, lines: readonly string[]): void {
    const { name } = this.#recipe.recipe;
    this.#sources.push({
      recipe: name,
      source: 'patches',
      status,
      current: null,
      newest: null,
      message,
      lines,
    });
  }

  /** Keeps the revision, queues what is affected, and remembers what was seen. */
  async #use({ recipe, staged, updates, sight }: Effective, original: RecipeSight): Promise<ChangeReport[]> {
    const affected = await findAffected(recipe, sight, this.#memory, original, this.#context);
    const kept = affected.variants.length === 0 && staged === undefined ? undefined : await staged?.keep();
    const changes =
      affected.variants.length === 0
        ? []
        : [
            await queueAffected(
              kept ?? { recipe },
              kept?.diff ?? null,
              affected,
              this.#memory?.jobs ?? [],
              this.#context,
            ),
          ];
    const [change] = changes;
    this.#state.recipes[this.#recipe.reference] = {
      updates,
      variants: sight.whole,
      sources: sight.sources,
      applies: Object.values(sight.whole)[0]?.tree ?? null,
      rejected: this.#rejected,
      jobs: change?.job === undefined || change.job === null ? (this.#memory?.jobs ?? []) : [change.job],
    };
    return changes;
  }
}
