import { sourceSpec } from '../pipeline/inputs.ts';
import type { LoadedRecipe } from '../pipeline/recipes.ts';
import { digestOf } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import { parseDuration } from '../platform/units.ts';
import type { RecipeLock } from '../recipe/lock.ts';
import type { WatchRule } from '../recipe/schema.ts';
import { describeMismatch, fetchSource, findMismatch, type Pins, pinsOf } from '../sources/index.ts';
import { askFor, FILE_PATIENCE, readDigests } from './ask.ts';
import { type Candidate, type Current, currentOf, newestOf, urlsOf } from './candidates.ts';
import type { WatchContext } from './context.ts';
import type { Watched } from './listings.ts';
import type { Lookout } from './look.ts';
import type { SourceReport } from './report.ts';
import { renamedPatch, type Update } from './revise.ts';
import type { RecipeMemory, WatchState } from './state.ts';
import { compareVersions } from './version.ts';

/** A source of a recipe that has a watch rule. */
export interface WatchedSource extends Watched {
  readonly recipe: LoadedRecipe;
  readonly source: string;
  /** A newer one that was taken before, and that the recipe has not caught up with. */
  readonly taken: Update | undefined;
  /** A newer one that did not apply: what was fetched of it. */
  readonly rejected: Update | undefined;
}

/** What became of one watched source. */
export interface Found {
  readonly report: SourceReport;
  /** Newer than the recipe's; undefined where that is the newest. */
  readonly update: Update | undefined;
  /** Whether it was not known before. */
  readonly fresh: boolean;
}

/** The sources of a recipe that have a rule. */
export function watchedSources(recipe: LoadedRecipe, memory: RecipeMemory | undefined): WatchedSource[] {
  const { kernel, patches } = recipe.recipe;
  const all: { source: string; rule: WatchRule | undefined; urls: readonly string[] }[] = [
    { source: 'kernel', rule: kernel.watch, urls: kernel.source.urls },
    ...patches.map(({ name, watch, urls }) => ({ source: name, rule: watch, urls })),
  ];
  return all.flatMap(({ source, rule, urls }) => {
    if (rule === undefined) return [];
    const of = (updates: readonly Update[] | undefined) =>
      updates?.find((update) => update.source === source && update.urls !== null);
    const taken = of(memory?.updates);
    const rejected = of(memory?.rejected.flatMap(({ updates }) => updates));
    const id = `${recipe.reference} ${source}`;
    return [{ id, rule, urls, directory: recipe.directory, recipe, source, taken, rejected }];
  });
}

/** No listing is asked more often, whatever a rule says: once in a minute. */
export const SHORTEST_MS = 60_000;

/** How often a rule's listing is asked. */
export function everyOf(rule: WatchRule, fallbackMs: number): number {
  if (rule.every === undefined) return fallbackMs;
  return Math.max(SHORTEST_MS, parseDuration(rule.every, 'watch.every'));
}

/** Looks for a newer version of one source, and fetches it; checks that the one in use is still what it was. */
export async function lookUpstream(
  watched: WatchedSource,
  lookout: Lookout,
  lock: RecipeLock,
  state: WatchState,
  context: WatchContext,
): Promise<Found> {
  const current = currentVersion(watched, state);
  const say = (status: SourceReport['status'], more: Partial<SourceReport> = {}): SourceReport => ({
    recipe: watched.recipe.recipe.name,
    source: watched.source,
    status,
    current: current?.version ?? null,
    newest: null,
    message: null,
    lines: [],
    ...more,
  });
  const { rule } = watched;
  if (current === undefined && rule.ref === undefined) {
    const message = `the rule's match ${rule.match} finds no version in ${watched.urls.join(', ')}`;
    return { report: say('no-match', { message }), update: undefined, fresh: false };
  }
  const taken = stillNewer(watched.taken, current, rule);
  const before = state.rules[watched.id];
  const look = await lookout.look(watched);
  if (look.status === 'failed') {
    return {
      report: say('unreachable', { message: look.reason, newest: taken?.version ?? null }),
      update: taken,
      fresh: false,
    };
  }
  const newest = pickNewest(look.candidates, taken?.version ?? current?.version, rule);
  if (newest === undefined) {
    if (look.status === 'waiting') {
      const message =
        look.until === undefined ? null : `asked again at ${new Date(look.until).toISOString()}`;
      const report = say('waiting', { message, newest: taken?.version ?? null });
      return { report, update: taken, fresh: false };
    }
    const changed = await changedBehindName(watched, taken, lock, state, context);
    if (changed !== undefined) {
      // Neither it nor anything that would be built with it.
      return { report: say(changed.status, { message: changed.message }), update: taken, fresh: false };
    }
    // Of one that was taken before, everything was said then.
    const inUse = taken?.version ?? current?.version ?? null;
    return { report: say('current', { current: inUse, newest: inUse }), update: taken, fresh: false };
  }
  try {
    const update = await fetchUpdate(
      watched,
      current ?? { name: newest.name, version: newest.version },
      newest,
      context,
    );
    const than = taken?.version ?? current?.version ?? null;
    return { report: say('newer', { current: than, newest: newest.version }), update, fresh: true };
  } catch (error) {
    if (!(error instanceof KilnError) || context.signal.aborted) throw error;
    // A ref that has moved is told by what was seen before.
    if (before === undefined) delete state.rules[watched.id];
    else state.rules[watched.id] = before;
    const report = say(error.kind === 'integrity' ? 'refused' : 'unreachable', {
      newest: newest.version,
      message: error.message,
      lines: error.lines,
    });
    return { report, update: taken, fresh: false };
  }
}

function currentVersion({ urls, rule, id }: WatchedSource, state: WatchState): Current | undefined {
  if (rule.ref === undefined) return currentOf(urls, rule);
  for (const url of urls) {
    const pinned = /#([0-9a-f]{40,64})$/.exec(url)?.[1];
    if (pinned !== undefined) return { name: pinned, version: pinned };
  }
  const [seen] = state.rules[id]?.candidates ?? [];
  return seen === undefined ? undefined : { name: rule.ref, version: seen.version };
}

/** An update that the recipe has not caught up with. */
function stillNewer(
  taken: Update | undefined,
  current: Current | undefined,
  rule: WatchRule,
): Update | undefined {
  if (taken?.version === undefined || taken.version === null) return undefined;
  if (current === undefined || rule.ref !== undefined) return taken;
  return compareVersions(taken.version, current.version) > 0 ? taken : undefined;
}

function pickNewest(
  candidates: readonly Candidate[],
  than: string | undefined,
  rule: WatchRule,
): Candidate | undefined {
  if (rule.ref === undefined) return newestOf(candidates, than ?? '', rule.prereleases);
  const [tip] = candidates;
  return tip === undefined || than === undefined || tip.version === than ? undefined : tip;
}

async function fetchUpdate(
  watched: WatchedSource,
  current: Current,
  newest: Candidate,
  { home, mirrors, signal, fetchPatience }: WatchContext,
): Promise<Update> {
  const { recipe, source, rule, rejected } = watched;
  const urls =
    rule.ref === undefined
      ? urlsOf(watched.urls, current, newest, rule)
      : watched.urls.map((url) => url.replace(/#.*$/, `#${newest.version}`));
  const known =
    rejected?.version === newest.version && rejected.urls?.join() === urls.join() ? rejected : undefined;
  const fetched = await fetchSource(
    {
      name: source,
      urls,
      baseDirectory: recipe.directory,
      ...(known === undefined ? {} : { locked: known.locked }),
    },
    {
      cacheDirectory: home.cache,
      mirrors,
      signal,
      ...(fetchPatience === undefined ? {} : { patience: fetchPatience }),
    },
  );
  const { fileName, size, sha256 } = fetched;
  return {
    source,
    version: newest.version,
    urls,
    renamed: source === 'kernel' ? null : renamedPatch(source, current.name, newest.name),
    extraversion: rule.extraversion?.replaceAll('{version}', newest.version) ?? null,
    locked: { file: fileName, size, sha256 },
  };
}

/** A server that can't say whether a file has changed has to send it whole: so often, and no more. */
const UNCONDITIONAL_EVERY_MS = 7 * 86_400_000;

/** Whether the file in use, asked for where it comes from, has other bytes now than those that it is pinned to. */
async function changedBehindName(
  { recipe, source, urls, id }: WatchedSource,
  taken: Update | undefined,
  lock: RecipeLock,
  state: WatchState,
  { signal, patience, now }: WatchContext,
): Promise<{ status: 'refused' | 'unreachable'; message: string } | undefined> {
  const url = (taken?.urls ?? urls).find((one) => /^https?:/.test(one));
  const pins: Pins =
    taken === undefined
      ? pinsOf(sourceSpec(recipe, lock, source))
      : { size: taken.locked.size, sha256: taken.locked.sha256 };
  if (url === undefined || Object.keys(pins).length === 0) return undefined;
  const known = state.files[id];
  const same = known?.url === url && known.pins === digestOf(pins);
  const conditional = known?.etag !== undefined || known?.lastModified !== undefined;
  if (same && !conditional && now() < known.at + UNCONDITIONAL_EVERY_MS) return undefined;
  const asked = await askFor(url, same ? known : {}, {
    patience: patience ?? FILE_PATIENCE,
    signal,
    read: readDigests(pins.size ?? 4 * 2 ** 30),
  });
  if (asked.status === 'same') return undefined;
  if (asked.status === 'failed') {
    return { status: 'unreachable', message: `${url}: ${asked.reason}` };
  }
  const mismatch = findMismatch(pins, asked.value);
  if (mismatch === undefined) {
    state.files[id] = { ...asked.validators, url, pins: digestOf(pins), at: now() };
    return undefined;
  }
  return {
    status: 'refused',
    message: `${url} has other bytes under the same name: ${describeMismatch(mismatch)}. Nothing of it is used; what is pinned stays`,
  };
}
