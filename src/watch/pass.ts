import { join, resolve } from 'node:path';
import { type LoadedRecipe, loadRecipe, recipeNames } from '../pipeline/recipes.ts';
import { formatPlace, KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import { lockSoon } from '../platform/lock.ts';
import { hasLedger, Ledger } from '../queue/ledger.ts';
import { LISTING_PATIENCE } from './ask.ts';
import type { WatchContext } from './context.ts';
import { type Answers, askAhead, type Looking, Lookout, type Upstream } from './look.ts';
import { RecipePass } from './recipePass.ts';
import type { ChangeReport, ProblemReport, SourceReport, WatchReport } from './report.ts';
import { type Seeing, withProblem, withSight } from './sighting.ts';
import { readState, type WatchState, writeState } from './state.ts';
import { everyOf, type WatchedSource, watchedSources } from './upstream.ts';

/** What a pass saw, for whoever watches on. */
export interface Pass {
  readonly report: WatchReport;
  readonly recipes: readonly LoadedRecipe[];
  /** When a listing is to be asked next, in milliseconds since 1970; undefined: there is none. */
  readonly next: number | undefined;
}

/** Looks at every recipe once: asks listings, and then does as `lookWith`. */
export async function lookOnce(context: WatchContext, upstream: Upstream): Promise<Pass> {
  return lookWith(context, await askListings(context, upstream));
}

/**
 * Asks the listings of all recipes, as far as they are to be asked now. Changes nothing: what comes of it is for
 * `lookWith`, so that nobody has to wait while a server takes its time.
 */
export async function askListings(context: WatchContext, upstream: Upstream): Promise<Answers> {
  if (upstream === 'none') return new Map();
  const state = await readState(context.home);
  const watched: WatchedSource[] = [];
  for (const reference of await referencesOf(context)) {
    try {
      const recipe = await loadRecipe(reference);
      watched.push(...watchedSources(recipe, state.recipes[recipe.reference]));
    } catch (error) {
      // What is wrong with a recipe is said by who looks at it.
      if (!(error instanceof KilnError)) throw error;
    }
  }
  return askAhead(watched, upstream, looking(context, state));
}

function looking(context: WatchContext, state: WatchState): Looking {
  const { now, chance, patience, signal, everyMs } = context;
  return {
    state,
    now,
    chance,
    signal,
    everyMs: (rule) => everyOf(rule, everyMs),
    patience: patience ?? LISTING_PATIENCE,
  };
}

/**
 * Looks at every recipe once: at what listings have answered, and at the disk for edited files; queues what they
 * affect. What it has seen is written down behind that, so that a kill loses nothing: the next pass finds it again, and
 * joins the job that waits.
 */
export async function lookWith(context: WatchContext, answers: Answers): Promise<Pass> {
  const lock = await lockSoon(join(context.home.locks, 'watch.lock'), 'kiln watch', { timeoutMs: 60_000 });
  try {
    const state = await readState(context.home);
    const lookout = new Lookout(looking(context, state), answers);
    const sources: SourceReport[] = [];
    const changes: ChangeReport[] = [];
    const problems: ProblemReport[] = [];
    const recipes: LoadedRecipe[] = [];
    for (const reference of await referencesOf(context)) {
      try {
        const recipe = await loadRecipe(reference);
        recipes.push(recipe);
        const seen = await new RecipePass(recipe, state, lookout, context).run();
        sources.push(...seen.sources.map(withoutPace));
        changes.push(...seen.changes);
        const before = state.sightings[recipe.reference];
        state.sightings[recipe.reference] = withSight(before, seen, context.now());
      } catch (error) {
        if (!(error instanceof KilnError) || context.signal.aborted) throw error;
        const problem = problemOf(reference, error);
        problems.push(problem);
        state.sightings[reference] = withProblem(state.sightings[reference], problem, context.now());
      }
      await writeState(context.home, state);
    }
    return { report: { sources, changes, problems }, recipes, next: lookout.next };
  } finally {
    lock.release();
  }
}

function withoutPace({
  next: _next,
  failures: _failures,
  ...report
}: Seeing['sources'][number]): SourceReport {
  return report;
}

function problemOf(recipe: string, { kind, message, place, lines, hint }: KilnError): ProblemReport {
  return {
    recipe,
    kind,
    message: place === undefined ? message : `${formatPlace(place)}: ${message}`,
    lines: hint === undefined ? lines : [...lines, hint],
  };
}

/** The recipes to look at: those that were named, else those under recipes/ and those by path that were queued. */
async function referencesOf({ home, references }: WatchContext): Promise<string[]> {
  if (references.length > 0) {
    return [...new Set(references.map((one) => (/\/|\.ya?ml$/.test(one) ? resolve(one) : one)))];
  }
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
