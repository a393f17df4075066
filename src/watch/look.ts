import { resolve } from 'node:path';
import { digestOf } from '../platform/digest.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { listIfAny } from '../platform/files.ts';
import { run } from '../platform/process.ts';
import type { WatchRule } from '../recipe/schema.ts';
import { gitEnvironment, isDirectory, locate } from '../sources/index.ts';
import { type AskPatience, askFor, readText } from './ask.ts';
import { type Candidate, candidatesOf } from './candidates.ts';
import { type Listed, readListing } from './listing.ts';
import { afterFailure, afterSuccess } from './pace.ts';
import type { ListingMemory, WatchState } from './state.ts';

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

export interface Looking {
  readonly state: WatchState;
  readonly now: () => number;
  /** From 0 up to 1, for the jitter. */
  readonly chance: () => number;
  readonly upstream: Upstream;
  readonly everyMs: (rule: WatchRule) => number;
  readonly patience: AskPatience;
  readonly signal: AbortSignal;
}

/** One rule of one source of one recipe. */
export interface Watched {
  /** Names the source in the state: the recipe's reference and the source's name. */
  readonly id: string;
  readonly rule: WatchRule;
  readonly urls: readonly string[];
  /** Where the recipe's relative paths start. */
  readonly directory: string;
}

/** What was listed in this pass, by where: what many recipes watch is asked for once. */
type Answers = Map<string, { listed?: readonly Listed[]; failed?: string }>;

/** Looks at listings, one after another, each at most once in its life. */
export class Lookout {
  readonly #looking: Looking;
  readonly #answers: Answers = new Map();
  readonly #places = new Set<string>();

  constructor(looking: Looking) {
    this.#looking = looking;
  }

  /** When a listing of those that were looked at is to be asked next; undefined: none was. */
  get next(): number | undefined {
    const times = [...this.#places].flatMap((place) => {
      const memory = this.#looking.state.listings[place];
      return memory === undefined ? [] : [Math.max(memory.next, memory.leaveUntil)];
    });
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** When a source's listing is to be asked next, in milliseconds since 1970; null where it never was. */
  nextOf(watched: Watched): number | null {
    const memory = this.#looking.state.listings[placeOf(watched)];
    return memory === undefined ? null : Math.max(memory.next, memory.leaveUntil);
  }

  async look(watched: Watched): Promise<Look> {
    const { state, now } = this.#looking;
    const { id, rule } = watched;
    const place = placeOf(watched);
    this.#places.add(place);
    const known = state.rules[id];
    const remembered = known?.rule === digestOf(rule) ? known.candidates : undefined;
    let answer = this.#answers.get(place);
    if (answer === undefined) {
      const memory = state.listings[place];
      const isDirectory = place.startsWith('/');
      const until = this.#notBefore(memory, remembered !== undefined);
      if (!isDirectory && (this.#looking.upstream === 'none' || until > now())) {
        return { status: 'waiting', until: memory && until, candidates: remembered ?? [] };
      }
      answer = await this.#ask(watched, place, remembered !== undefined);
      this.#answers.set(place, answer);
    }
    if (answer.failed !== undefined) return { status: 'failed', reason: answer.failed };
    if (answer.listed === undefined && remembered === undefined) {
      // Another rule was told that nothing has changed; this one has not seen it yet.
      this.#answers.delete(place);
      answer = await this.#ask(watched, place, false);
      this.#answers.set(place, answer);
      if (answer.failed !== undefined) return { status: 'failed', reason: answer.failed };
    }
    const candidates = answer.listed === undefined ? (remembered ?? []) : select(answer.listed, rule);
    state.rules[id] = { rule: digestOf(rule), candidates };
    return { status: 'listed', candidates };
  }

  /** When a listing may be asked; one that was never seen by a rule, at once, unless its server has failed. */
  #notBefore(memory: ListingMemory | undefined, seen: boolean): number {
    const { upstream } = this.#looking;
    const left = memory?.leaveUntil ?? 0;
    if (upstream === 'none') return Math.max(left, memory?.next ?? 0);
    if (upstream === 'now' || memory === undefined) return left;
    return seen || memory.failures > 0 ? Math.max(left, memory.next) : left;
  }

  async #ask(
    watched: Watched,
    place: string,
    conditionally: boolean,
  ): Promise<{ listed?: readonly Listed[]; failed?: string }> {
    const { state, now, chance, everyMs } = this.#looking;
    const before = state.listings[place];
    const every = everyMs(watched.rule);
    const failed = (reason: string, retryAfter?: number) => {
      const failures = (before?.failures ?? 0) + 1;
      state.listings[place] = {
        ...before,
        failures,
        next: afterFailure(now(), failures, every, chance(), retryAfter),
        leaveUntil: retryAfter === undefined ? 0 : now() + Math.min(retryAfter, 7 * 86_400_000),
      };
      return { failed: reason };
    };
    const well = (validators: Partial<ListingMemory>) => {
      state.listings[place] = {
        ...validators,
        failures: 0,
        next: afterSuccess(now(), every, chance()),
        leaveUntil: 0,
      };
    };
    try {
      const { signal } = this.#looking;
      if (watched.rule.git !== undefined) {
        const listed = await listRefs(watched.rule.git, signal);
        well({});
        return { listed };
      }
      const location = locate(watched.rule.index ?? '', watched.directory);
      if (location.kind === 'file') {
        const listed = await listDirectory(location.path);
        well({});
        return { listed };
      }
      if (location.kind !== 'http') return failed(`${watched.rule.index}: expected a URL or a directory`);
      const hosts = new Set(
        watched.urls
          .flatMap((url) => (URL.canParse(url) ? [new URL(url).host] : []))
          .filter((host) => host !== ''),
      );
      const validators = conditionally ? (before ?? {}) : {};
      const asked = await askFor(location.url, validators, {
        patience: this.#looking.patience,
        signal,
        read: async (head, body) => readListing(await readText(head, body), { url: head.url, hosts }),
      });
      if (asked.status === 'failed') return failed(asked.reason, asked.retryAfterMs);
      if (asked.status === 'new') {
        well(asked.validators);
        return { listed: asked.value };
      }
      const { etag, lastModified } = before ?? {};
      well({
        ...(etag === undefined ? {} : { etag }),
        ...(lastModified === undefined ? {} : { lastModified }),
      });
      return {};
    } catch (error) {
      if (error instanceof KilnError && !this.#looking.signal.aborted) return failed(error.message);
      throw error;
    }
  }
}

/** What names a listing: rules of one page, and of the same hosts, share it. */
function placeOf({ rule, directory, urls }: Watched): string {
  if (rule.git !== undefined) return `git ${rule.git}`;
  const location = locate(rule.index ?? '', directory);
  if (location.kind === 'file') return location.path;
  const hosts = urls.flatMap((url) => (/^https?:/.test(url) && URL.canParse(url) ? [new URL(url).host] : []));
  return [rule.index, ...new Set(hosts.sort())].join(' ');
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

async function listDirectory(path: string): Promise<Listed[]> {
  try {
    if (!(await isDirectory(path)))
      throw new KilnError('failed', `there is no directory ${path}`, { transient: true });
    const names = await listIfAny(path);
    return names.map((name) => ({ name, url: resolve(path, name) }));
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EIO')) throw error;
    throw new KilnError('failed', `${path} can't be read`, { transient: true });
  }
}

/** The tags of a repository by their names, and every ref as `ref:NAME`, whose name is its commit. */
async function listRefs(url: string, signal: AbortSignal): Promise<Listed[]> {
  const plain = url.replace(/^git\+/, '');
  if (!/^(https?|ssh|git|file):\/\/|^\//.test(plain)) {
    throw new KilnError('failed', `${url} is no URL of a repository`, { hint: 'https:, ssh: or file:' });
  }
  const lines: string[] = [];
  const result = await run('git', ['ls-remote', '--heads', '--tags', '--', plain], {
    env: gitEnvironment('/nonexistent'),
    signal,
    timeoutMs: 120_000,
    onLine: (line) => lines.push(line),
  });
  signal.throwIfAborted();
  if (result.exitCode !== 0) {
    throw new KilnError('failed', `git ls-remote: ${result.tail.at(-1) ?? 'failed'}`, { transient: true });
  }
  return lines.flatMap((line): Listed[] => {
    const [, commit, ref] = /^([0-9a-f]{40,64})\t(\S+)$/.exec(line) ?? [];
    if (commit === undefined || ref === undefined || ref.endsWith('^{}')) return [];
    const named: Listed = { name: commit, url: `ref:${ref}` };
    const tag = /^refs\/tags\/(.+)$/.exec(ref)?.[1];
    return tag === undefined ? [named] : [named, { name: tag, url: undefined }];
  });
}
