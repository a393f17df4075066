import PQueue from 'p-queue';
import { digestOf } from '../platform/digest.ts';
import type { WatchRule } from '../recipe/schema.ts';
import { type Candidate, candidatesOf } from './candidates.ts';
import type { Listed } from './listing.ts';
import { type Answer, type Asking, askListing, hostOf, placeOf, type Watched } from './listings.ts';
import { NO_LISTING, type Pace } from './sighting.ts';
import type { Validators, WatchState } from './state.ts';

/** What looking for newer versions of one source came to. */
export type Look =
  | { readonly status: 'listed'; readonly candidates: readonly Candidate[] }
  /** Not asked: it is not time yet, or the server wants to be left alone. */
  | {
      readonly status: 'waiting';
      readonly until: number | undefined;
      readonly candidates: readonly Candidate[];
    }
  | { readonly status: 'failed'; readonly reason: string };

/**
 * Which listings are asked: all (`now`), but those whose servers want to be left alone; those whose time it is; none.
 */
export type Upstream = 'now' | 'due' | 'none';

/** What listings have answered, by where. */
export type Answers = ReadonlyMap<string, Answer>;

export interface Looking extends Asking {
  readonly state: WatchState;
  readonly everyMs: (rule: WatchRule) => number;
}

/** Hosts that are asked at once. */
const HOSTS = 8;

/**
 * Asks the listings of servers that are to be asked, each once, however many rules watch it: hosts side by side, the
 * listings of one host one after another. Writes nothing down.
 */
export async function askAhead(
  all: readonly Watched[],
  upstream: Upstream,
  looking: Looking,
): Promise<Answers> {
  const { state, now, everyMs } = looking;
  const answers = new Map<string, Answer>();
  const remote = all.filter((watched) => !isLocal(placeOf(watched)));
  const due = remote.filter((watched) => mayAskAt(watched, upstream, state) <= now());
  const places = [...Map.groupBy(due, placeOf)];
  const hosts = new PQueue({ concurrency: HOSTS });
  const asked = [
    ...Map.groupBy(places, ([, [first]]) => (first === undefined ? '' : hostOf(first))).values(),
  ];
  await hosts.addAll(
    asked.map((own) => async () => {
      for (const [place, [first, ...others]] of own) {
        if (first === undefined) continue;
        const rules = [first, ...others];
        const seen = rules.every((watched) => isSeen(watched, state));
        const every = Math.min(...rules.map(({ rule }) => everyMs(rule)));
        answers.set(place, await askListing(first, state.listings[place], seen, every, looking));
      }
    }),
  );
  return answers;
}

function isLocal(place: string): boolean {
  return place.startsWith('/');
}

/** When a listing may be asked; one that a rule has not seen as it is, at once, unless its server has failed. */
function mayAskAt(watched: Watched, upstream: Upstream, state: WatchState): number {
  if (upstream === 'none') return Number.POSITIVE_INFINITY;
  const memory = state.listings[placeOf(watched)];
  const left = memory?.leaveUntil ?? 0;
  if (upstream === 'now' || memory === undefined) return left;
  return isSeen(watched, state) || memory.failures > 0 ? Math.max(left, memory.next) : left;
}

/**
 * Whether a rule has seen its listing as it was last answered. A listing may have been told to one recipe and, after a
 * kill or because of a fault in it, not to another: that one must not be told that nothing has changed.
 */
function isSeen(watched: Watched, state: WatchState): boolean {
  const memory = state.listings[placeOf(watched)];
  if (memory === undefined || remembered(watched, state) === undefined) return false;
  return state.rules[watched.id]?.listing === validatorsDigest(memory);
}

function validatorsDigest({ etag, lastModified }: Validators): string {
  return digestOf([etag ?? null, lastModified ?? null]);
}

function remembered({ id, rule }: Watched, state: WatchState): readonly Candidate[] | undefined {
  const known = state.rules[id];
  return known?.rule === digestOf(rule) ? known.candidates : undefined;
}

/** What is newer, by what listings have answered; directories are read when they are looked at. */
export class Lookout {
  readonly #looking: Looking;
  readonly #answers: Map<string, Answer>;
  readonly #seen = new Map<string, Watched>();

  constructor(looking: Looking, answers: Answers) {
    this.#looking = looking;
    this.#answers = new Map(answers);
  }

  /** When a listing of those that were looked at is to be asked next; undefined: none was. */
  get next(): number | undefined {
    const times = [...this.#seen.values()].map((watched) => mayAskAt(watched, 'due', this.#looking.state));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** When a source's listing is to be asked next, and how often it failed. */
  paceOf(watched: Watched): Pace {
    const memory = this.#looking.state.listings[placeOf(watched)];
    return memory === undefined
      ? NO_LISTING
      : { next: Math.max(memory.next, memory.leaveUntil), failures: memory.failures };
  }

  async look(watched: Watched): Promise<Look> {
    const { state } = this.#looking;
    const { id, rule } = watched;
    const place = placeOf(watched);
    this.#seen.set(id, watched);
    const answer = await this.#answer(watched, place);
    if (answer !== undefined) state.listings[place] = answer.memory;
    if (answer?.failed !== undefined) return { status: 'failed', reason: answer.failed };
    if (answer === undefined || (answer.listed === undefined && !isSeen(watched, state))) {
      const candidates = remembered(watched, state) ?? [];
      return { status: 'waiting', until: this.paceOf(watched).next ?? undefined, candidates };
    }
    if (answer.listed === undefined)
      return { status: 'listed', candidates: remembered(watched, state) ?? [] };
    const candidates = select(answer.listed, rule);
    state.rules[id] = { rule: digestOf(rule), listing: validatorsDigest(answer.memory), candidates };
    return { status: 'listed', candidates };
  }

  async #answer(watched: Watched, place: string): Promise<Answer | undefined> {
    const known = this.#answers.get(place);
    if (known !== undefined || !isLocal(place)) return known;
    const { state, everyMs } = this.#looking;
    const answer = await askListing(
      watched,
      state.listings[place],
      false,
      everyMs(watched.rule),
      this.#looking,
    );
    this.#answers.set(place, answer);
    return answer;
  }
}

function select(listed: readonly Listed[], rule: WatchRule): Candidate[] {
  if (rule.ref === undefined) return candidatesOf(listed, rule);
  // A ref's version is the commit that it is at.
  const wanted = [`refs/heads/${rule.ref}`, `refs/tags/${rule.ref}`, rule.ref];
  const found = wanted
    .map((name) => listed.find((one) => one.url === `ref:${name}`))
    .find((one) => one !== undefined);
  return found === undefined ? [] : [{ name: found.name, url: undefined, version: found.name }];
}
