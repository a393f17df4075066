import type { WatchPolicy } from '../recipe/schema.ts';
import type { ChangeReport, ProblemReport, SourceReport } from './report.ts';

/** How a source's listing is asked. */
export interface Pace {
  /** When it is asked again, in milliseconds since 1970; null: it is no listing, or never was asked. */
  readonly next: number | null;
  /** Failures in a row, which make the time until then longer. */
  readonly failures: number;
}

export const NO_LISTING: Pace = { next: null, failures: 0 };

/** A source and when it was looked at, in milliseconds since 1970. */
export interface SourceSighting extends SourceReport, Pace {
  readonly at: number;
}

/** A revision's files. */
export interface RevisionPaths {
  readonly reference: string;
  readonly diff: string;
}

/** What the looks at one recipe have come to. */
export interface RecipeSighting {
  readonly recipe: string;
  readonly at: number;
  /** null: the recipe could not be read. */
  readonly policy: WatchPolicy | null;
  readonly sources: readonly SourceSighting[];
  readonly problem: ProblemReport | null;
  /** What is built in the recipe's place until its owner takes it over. */
  readonly revision: RevisionPaths | null;
  /** The newest change and when it was found. */
  readonly change: (ChangeReport & { readonly at: number }) | null;
}

/** What one look at a recipe came to. */
export interface Seeing {
  readonly recipe: string;
  readonly policy: WatchPolicy;
  readonly sources: readonly (SourceReport & Pace)[];
  readonly changes: readonly ChangeReport[];
  /** undefined: as it was. */
  readonly revision: RevisionPaths | null | undefined;
}

/** Adds a look to what is known; a source that was not asked this time stays as it was found when it was. */
export function withSight(before: RecipeSighting | undefined, seen: Seeing, at: number): RecipeSighting {
  const sources = seen.sources.map((report) => {
    const known = before?.sources.find(({ source }) => source === report.source);
    return report.status === 'waiting' && known !== undefined
      ? { ...known, next: report.next, failures: report.failures }
      : { ...report, at };
  });
  const change = seen.changes.at(-1);
  return {
    recipe: seen.recipe,
    at,
    policy: seen.policy,
    sources,
    problem: null,
    revision: seen.revision === undefined ? (before?.revision ?? null) : seen.revision,
    change: change === undefined ? (before?.change ?? null) : { ...change, at },
  };
}

/** Adds a look that failed. */
export function withProblem(
  before: RecipeSighting | undefined,
  problem: ProblemReport,
  at: number,
): RecipeSighting {
  const nothing = { recipe: problem.recipe, policy: null, sources: [], revision: null, change: null };
  return { ...(before ?? nothing), at, problem };
}
