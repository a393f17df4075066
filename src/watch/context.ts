import type { SourceChoices } from '../pipeline/inputs.ts';
import type { BuildRequest } from '../pipeline/run.ts';
import type { Home } from '../platform/home.ts';
import type { WatchPolicy } from '../recipe/schema.ts';
import type { Patience } from '../sources/index.ts';
import type { AskPatience } from './ask.ts';

/** What all parts of the watcher need to know. */
export interface WatchContext {
  readonly home: Home;
  /** Recipes to look after, by name or path; none: those under recipes/, and those by path that were queued here. */
  readonly references: readonly string[];
  readonly mirrors: SourceChoices['mirrors'];
  readonly workshop: BuildRequest['workshop'];
  /** What is done where a recipe does not say. */
  readonly policy: WatchPolicy;
  /** How often a listing is asked where its rule does not say, in milliseconds. */
  readonly everyMs: number;
  readonly patience?: AskPatience;
  readonly fetchPatience?: Partial<Patience>;
  /** Milliseconds since 1970; tests have a clock of their own. */
  readonly now: () => number;
  /** From 0 up to 1, for the jitter. */
  readonly chance: () => number;
  readonly signal: AbortSignal;
}
