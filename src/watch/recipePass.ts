import { type LoadedRecipe, readLock } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import type { WatchContext } from './context.ts';
import { findEdited } from './local.ts';
import type { Lookout } from './look.ts';
import { findAffected, queueAffected, type RecipeSight, seeRecipe } from './rebuild.ts';
import type { SourceReport } from './report.ts';
import type { Update } from './revise.ts';
import { type StagedRevision, stageRevision } from './revision.ts';
import type { Seeing } from './sighting.ts';
import { NOTHING_SEEN, type RecipeMemory, type WatchState } from './state.ts';
import { type Found, lookUpstream, watchedSources } from './upstream.ts';
import { checkRecipe, type Verdict } from './verdict.ts';

/** What is to be built: the recipe itself, or a revision of it. */
interface Effective {
  readonly recipe: LoadedRecipe;
  readonly staged: StagedRevision | undefined;
  readonly updates: readonly Update[];
  readonly sight: RecipeSight;
}

/** One look at one recipe; writes down in the state what it has seen. */
export class RecipePass {
  readonly #recipe: LoadedRecipe;
  readonly #state: WatchState;
  readonly #lookout: Lookout;
  readonly #context: WatchContext;
  readonly #memory: RecipeMemory | undefined;
  readonly #sources: Seeing['sources'][number][] = [];
  #rejected: RecipeMemory['rejected'] = null;

  constructor(recipe: LoadedRecipe, state: WatchState, lookout: Lookout, context: WatchContext) {
    this.#recipe = recipe;
    this.#state = state;
    this.#lookout = lookout;
    this.#context = context;
    this.#memory = state.recipes[recipe.reference];
  }

  async run(): Promise<Seeing> {
    const recipe = this.#recipe;
    const lock = await readLock(recipe);
    const found: Found[] = [];
    for (const watched of watchedSources(recipe, this.#memory)) {
      const one = await lookUpstream(watched, this.#lookout, lock, this.#state, this.#context);
      found.push(one);
      this.#sources.push({ ...one.report, next: this.#lookout.nextOf(watched) });
    }
    const edited = await findEdited(recipe, lock, this.#memory?.updates ?? []);
    this.#sources.push(...edited.reports.map((report) => ({ ...report, next: null })));
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
      return this.#seeing(await this.#use(effective, await this.#originalSight()));
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
    return this.#seeing({ changes: [], revision: undefined });
  }

  #seeing(used: Pick<Seeing, 'changes' | 'revision'>): Seeing {
    const { name, watch } = this.#recipe.recipe;
    return {
      recipe: name,
      policy: watch?.policy ?? this.#context.policy,
      sources: this.#sources,
      ...used,
    };
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
      next: null,
    });
  }

  /** Keeps the revision, queues what is affected, and remembers what was seen. */
  async #use(
    { recipe, staged, updates, sight }: Effective,
    original: RecipeSight,
  ): Promise<Pick<Seeing, 'changes' | 'revision'>> {
    const affected = await findAffected(recipe, sight, this.#memory, original, this.#context);
    const kept = await staged?.keep();
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
    const revision = kept === undefined ? null : { reference: kept.recipe.reference, diff: kept.diff };
    return { changes, revision };
  }
}
