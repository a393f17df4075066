import { type LoadedRecipe, readLock } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import type { WatchContext } from './context.ts';
import { findEdited } from './local.ts';
import type { Lookout } from './look.ts';
import { findAffected, queueAffected, type RecipeSight, seeRecipe } from './rebuild.ts';
import type { SourceReport } from './report.ts';
import type { Update } from './revise.ts';
import { type StagedRevision, stageRevision } from './revision.ts';
import { NO_LISTING, type Seeing } from './sighting.ts';
import { NOTHING_SEEN, type RecipeMemory, type Rejected, type WatchState } from './state.ts';
import { type Found, lookUpstream, watchedSources } from './upstream.ts';
import { checkRecipe, NotHad, type Verdict } from './verdict.ts';

/** What is to be built: the recipe itself, or a revision of it. */
interface Effective {
  readonly recipe: LoadedRecipe;
  readonly staged: StagedRevision | undefined;
  readonly updates: readonly Update[];
  readonly sight: RecipeSight;
}

type Staging =
  | { readonly ok: true; readonly effective: Effective }
  | {
      readonly ok: false;
      readonly status: 'does-not-apply' | 'refused' | 'unreachable';
      readonly sentence: string;
      readonly lines: readonly string[];
      /** The source that could not be had. */
      readonly missing: string | undefined;
    };

/** Updates of other sources than some. */
function without(updates: readonly Update[], some: readonly Update[]): Update[] {
  return updates.filter(({ source }) => !some.some((one) => one.source === source));
}

/** One look at one recipe; writes down in the state what it has seen. */
export class RecipePass {
  readonly #recipe: LoadedRecipe;
  readonly #state: WatchState;
  readonly #lookout: Lookout;
  readonly #context: WatchContext;
  readonly #memory: RecipeMemory | undefined;
  readonly #sources: Seeing['sources'][number][] = [];
  readonly #rejected: Rejected[] = [];

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
      this.#sources.push({ ...one.report, ...this.#lookout.paceOf(watched) });
    }
    const edited = await findEdited(recipe, lock, this.#memory?.updates ?? []);
    this.#sources.push(...edited.reports.map((report) => ({ ...report, ...NO_LISTING })));
    const effective = await this.#newestThatApplies(found, edited.updates);
    if (effective !== undefined) {
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

  /**
   * The recipe with all that is new; where that does not apply, with as much of it as does: one newer source that
   * can't be used must not keep the others, nor what was edited here, from being built.
   */
  async #newestThatApplies(
    found: readonly Found[],
    edited: readonly Update[],
  ): Promise<Effective | undefined> {
    const fresh = found.flatMap((one) => (one.fresh && one.update !== undefined ? [one.update] : []));
    const upstream = found.flatMap(({ update }) => (update === undefined ? [] : [update]));
    const others = without(edited, upstream);
    const everything = await this.#stage([...upstream, ...others]);
    if (everything.ok) return everything.effective;
    if (fresh.length <= 1) this.#reject(fresh.length === 0 ? others : fresh, everything);
    if (fresh.length === 0) return undefined;
    const known = (this.#memory?.updates ?? []).filter(({ urls }) => urls !== null);
    const taken = known.filter(({ source }) => upstream.some((one) => one.source === source));
    const settled = await this.#stage([...taken, ...others]);
    if (!settled.ok) {
      this.#reject(others, settled);
      if (fresh.length > 1) this.#reject(fresh, everything);
      return undefined;
    }
    let best = settled.effective;
    if (fresh.length === 1) return best;
    for (const one of fresh) {
      const wider = await this.#stage([...without(best.updates, [one]), one]);
      if (wider.ok) {
        await best.staged?.drop();
        best = wider.effective;
      } else {
        this.#reject([one], wider);
      }
    }
    return best;
  }

  /** The recipe with some updates, if its series applies. */
  async #stage(updates: readonly Update[]): Promise<Staging> {
    const staged =
      updates.length === 0
        ? undefined
        : await stageRevision(this.#context.home, this.#recipe, await readLock(this.#recipe), updates);
    const recipe = staged?.recipe ?? this.#recipe;
    try {
      const sight = await seeRecipe(recipe, this.#memory?.sources, this.#context);
      const isNew = this.#memory === undefined ? updates.length > 0 : this.#memory.applies !== sight.tree;
      const verdict = isNew ? await this.#judge(recipe, sight.tree) : ({ ok: true } as const);
      if (verdict.ok) return { ok: true, effective: { recipe, staged, updates, sight } };
      await staged?.drop();
      const { sentence, lines } = verdict;
      this.#rejected.push({ key: sight.tree, sentence, lines, updates });
      return { ok: false, status: 'does-not-apply', sentence, lines, missing: undefined };
    } catch (error) {
      await staged?.drop();
      if (!(error instanceof KilnError) || this.#context.signal.aborted) throw error;
      if (error.kind === 'invalid' || error.kind === 'usage') throw error;
      const status = error.kind === 'integrity' ? 'refused' : 'unreachable';
      const missing = error instanceof NotHad ? error.source : undefined;
      return { ok: false, status, sentence: error.message, lines: error.lines, missing };
    }
  }

  async #judge(recipe: LoadedRecipe, tree: string): Promise<Verdict> {
    const known = this.#memory?.rejected.find(({ key }) => key === tree);
    if (known !== undefined) return { ok: false, sentence: known.sentence, lines: known.lines };
    return checkRecipe(recipe, this.#context);
  }

  /** A newer source that can't be used is no longer reported as taken. */
  #reject(updates: readonly Update[], why: Extract<Staging, { ok: false }>): void {
    const { status, sentence, lines, missing } = why;
    if (missing !== undefined && !updates.some(({ source, renamed }) => (renamed ?? source) === missing)) {
      this.#leaveUntried(updates, missing, why);
      return;
    }
    const at = this.#sources.findIndex(
      (report) => report.status === 'newer' && updates.some(({ source }) => report.source === source),
    );
    const report = this.#sources[at];
    if (report === undefined) this.#say(status, sentence, lines);
    else this.#sources[at] = { ...report, status, message: sentence, lines };
  }

  /** Whose own server is well is not said to be out of reach because another source is, or has other bytes. */
  #leaveUntried(
    updates: readonly Update[],
    missing: string,
    { status, sentence, lines }: Extract<Staging, { ok: false }>,
  ): void {
    for (const [at, report] of this.#sources.entries()) {
      if (report.status !== 'newer' || !updates.some(({ source }) => source === report.source)) continue;
      const message = `${report.newest ?? 'it'} is newer, and is tried when ${missing} can be had`;
      this.#sources[at] = { ...report, status: 'untried', message };
    }
    const known = this.#sources.findIndex(({ source }) => source === missing);
    const report = this.#sources[known];
    if (report === undefined) this.#say(status, sentence, lines, missing);
    else if (report.message === null) this.#sources[known] = { ...report, status, message: sentence, lines };
  }

  #say(status: SourceReport['status'], message: string, lines: readonly string[], source = 'patches'): void {
    const { name } = this.#recipe.recipe;
    this.#sources.push({
      recipe: name,
      source,
      status,
      current: null,
      newest: null,
      message,
      lines,
      ...NO_LISTING,
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
