import { type ErrorKind, EXIT_CODES } from '../platform/errors.ts';
import type { WatchPolicy } from '../recipe/schema.ts';

/** What was found out about one source. */
export interface SourceReport {
  readonly recipe: string;
  /** `kernel` or the patch's name. */
  readonly source: string;
  /**
   * `newer`: a newer version, or an edited local file, is taken. `refused`: other bytes under a name whose digest is
   * known. `does-not-apply`: newer, but not with the others. `untried`: newer, and another source that is needed to find
   * out whether it applies could not be had. `unreachable`: it could not be asked or fetched now.
   * `waiting`: not asked, it is not time. `no-match`: the rule finds no version in the recipe's own URLs.
   */
  readonly status:
    | 'current'
    | 'newer'
    | 'refused'
    | 'does-not-apply'
    | 'untried'
    | 'unreachable'
    | 'waiting'
    | 'no-match';
  readonly current: string | null;
  readonly newest: string | null;
  /** Why, in a sentence; null where the status says it all. */
  readonly message: string | null;
  /** Of a series that does not apply: the hunks. */
  readonly lines: readonly string[];
}

/** What has to be built anew because of it. */
export interface ChangeReport {
  readonly recipe: string;
  readonly variants: readonly string[];
  readonly because: readonly string[];
  readonly policy: WatchPolicy;
  /** What is built: the recipe, or the path of its revision. */
  readonly reference: string;
  /** Of a revision: how it differs from the recipe. */
  readonly diff: string | null;
  /** null: nothing was queued, as the policy says. */
  readonly job: string | null;
  readonly joined: boolean;
  /** Jobs that this one takes the place of. */
  readonly superseded: readonly string[];
}

/** A recipe that could not be looked at. */
export interface ProblemReport {
  readonly recipe: string;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly lines: readonly string[];
}

/** One look at everything. */
export interface WatchReport {
  readonly sources: readonly SourceReport[];
  readonly changes: readonly ChangeReport[];
  readonly problems: readonly ProblemReport[];
}

/**
 * The exit code of a look: 4 when a digest has changed, 2 for a recipe with faults, 1 when a newer patch does not
 * apply. A server that could not be asked is none of these: it is asked again.
 */
export function exitCodeOf({ sources, problems }: WatchReport): number {
  if (sources.some(({ status }) => status === 'refused')) return EXIT_CODES.integrity;
  const codes = problems.map(({ kind }) => EXIT_CODES[kind]);
  if (codes.includes(EXIT_CODES.integrity)) return EXIT_CODES.integrity;
  if (codes.length > 0) return Math.max(...codes);
  return sources.some(({ status }) => status === 'does-not-apply') ? EXIT_CODES.failed : 0;
}
