import { join } from 'node:path';
import { readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import type { Seen, SourceDigests } from './affected.ts';
import type { Candidate } from './candidates.ts';
import type { Update } from './revise.ts';
import type { RecipeSighting } from './sighting.ts';

/** What a server said a file is, for asking whether it still is. */
export interface Validators {
  readonly etag?: string;
  readonly lastModified?: string;
}

/** A listing that is asked from time to time; times are milliseconds since 1970. */
export interface ListingMemory extends Validators {
  readonly next: number;
  /** Failures in a row. */
  readonly failures: number;
  /** Not before, as the server has asked (Retry-After); 0: it has not. */
  readonly leaveUntil: number;
}

/** What a listing had for one rule, for when it has not changed since. */
export interface RuleMemory {
  /** Digest of the rule. */
  readonly rule: string;
  /** Digest of the validators of the listing that it is of. */
  readonly listing?: string;
  readonly candidates: readonly Candidate[];
}

/** The file of a source where it comes from: whose digest was compared when. */
export interface FileMemory extends Validators {
  readonly url: string;
  /** Digest of the pins that it was compared with. */
  readonly pins: string;
  /** When that was, in milliseconds since 1970. */
  readonly at: number;
}

/** What did not apply, and how. */
export interface Rejected {
  /** Digest of the kernel and the patches. */
  readonly key: string;
  readonly sentence: string;
  readonly lines: readonly string[];
  readonly updates: readonly Update[];
}

export interface RecipeMemory {
  readonly updates: readonly Update[];
  readonly variants: Readonly<Record<string, Seen>>;
  readonly sources: SourceDigests;
  /** Newer sources whose patches did not apply: not tried again until something changes. */
  readonly rejected: readonly Rejected[];
  /** The kernel and patches whose series was last seen to apply. */
  readonly applies: string | null;
  /** Jobs that were queued from here. */
  readonly jobs: readonly string[];
}

export interface WatchState {
  readonly format: 1;
  readonly listings: Record<string, ListingMemory>;
  readonly rules: Record<string, RuleMemory>;
  readonly files: Record<string, FileMemory>;
  readonly recipes: Record<string, RecipeMemory>;
  /** For those who ask what was found. */
  readonly sightings: Record<string, RecipeSighting>;
}

/** Where a home keeps what its watcher has seen. Deleting it makes the watcher look at everything anew. */
export function stateFile(home: Home): string {
  return join(home.root, 'watch.json');
}

/** Reads what was seen; nothing where there is no such file, or none that is whole. */
export async function readState(home: Home): Promise<WatchState> {
  const text = await readTextIfAny(stateFile(home));
  const nothing: WatchState = { format: 1, listings: {}, rules: {}, files: {}, recipes: {}, sightings: {} };
  try {
    const state = JSON.parse(text ?? '') as Partial<WatchState>;
    if (state.format === 1) return { ...nothing, ...state };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return nothing;
}

export async function writeState(home: Home, state: WatchState): Promise<void> {
  await writeFileAtomic(stateFile(home), `${JSON.stringify(state, null, 1)}\n`);
}

export const NOTHING_SEEN: RecipeMemory = {
  updates: [],
  variants: {},
  sources: {},
  rejected: [],
  applies: null,
  jobs: [],
};
