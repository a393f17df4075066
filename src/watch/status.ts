import { basename, dirname } from 'node:path';
import { recipeNames } from '../pipeline/recipes.ts';
import { exists } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import type { WatchPolicy } from '../recipe/schema.ts';
import type { ChangeReport, ProblemReport, SourceReport } from './report.ts';
import type { RecipeSighting, RevisionPaths } from './sighting.ts';
import { readState } from './state.ts';

/** What `kiln watch --status` prints and the API serves, with times in ISO 8601. */
export interface WatchStatus {
  readonly recipes: readonly RecipeStatus[];
}

export interface RecipeStatus {
  readonly recipe: string;
  /** A name under recipes/, or a path. */
  readonly reference: string;
  readonly looked: string;
  readonly policy: WatchPolicy | null;
  readonly sources: readonly (SourceReport & {
    readonly looked: string;
    readonly next: string | null;
    /** Failures in a row. */
    readonly failures: number;
  })[];
  readonly problem: ProblemReport | null;
  readonly revision: (RevisionPaths & { readonly number: number }) | null;
  readonly change: (ChangeReport & { readonly found: string }) | null;
}

/** What the watchers of a home know of the recipes that there are; looks at nothing. */
export async function watchStatus(home: Home): Promise<WatchStatus> {
  const { sightings } = await readState(home);
  const names = await recipeNames();
  const there = await Promise.all(
    Object.entries(sightings).map(async ([reference, sighting]) =>
      names.includes(reference) || (reference.startsWith('/') && (await exists(reference)))
        ? [describe(reference, sighting)]
        : [],
    ),
  );
  return { recipes: there.flat().sort((a, b) => (a.reference < b.reference ? -1 : 1)) };
}

function describe(reference: string, sighting: RecipeSighting): RecipeStatus {
  const { recipe, at, policy, problem, revision, change } = sighting;
  const sources = sighting.sources.map(({ at: looked, next, failures, ...report }) => ({
    ...report,
    looked: iso(looked),
    next: next === null ? null : iso(next),
    // A state that an older Kiln has written.
    failures: failures ?? 0,
  }));
  return {
    recipe,
    reference,
    looked: iso(at),
    policy,
    sources,
    problem,
    revision: revision === null ? null : { ...revision, number: Number(basename(dirname(revision.diff))) },
    change: change === null ? null : withFound(change),
  };
}

function withFound({ at, ...change }: ChangeReport & { readonly at: number }) {
  return { ...change, found: iso(at) };
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
