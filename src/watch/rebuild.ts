import { stepCache } from '../pipeline/cache.ts';
import { knownSources, readBase, readFragments, sortSources, sourceSpec } from '../pipeline/inputs.ts';
import type { SourceInput } from '../pipeline/plan.ts';
import type { LoadedRecipe } from '../pipeline/recipes.ts';
import { isSettled, type Job } from '../queue/job.ts';
import { Ledger } from '../queue/ledger.ts';
import { requestFor, UNATTENDED_ATTEMPTS } from '../queue/request.ts';
import type { WatchPolicy } from '../recipe/schema.ts';
import { expandVariant } from '../recipe/variants.ts';
import {
  comparable,
  type Seen,
  type SourceDigests,
  seeVariant,
  whyAffected,
  whyAffectedSinceBuild,
} from './affected.ts';
import type { WatchContext } from './context.ts';
import { digestIfAny, localPath } from './local.ts';
import type { ChangeReport } from './report.ts';
import type { Revision } from './revision.ts';
import type { RecipeMemory } from './state.ts';

/** A recipe's variants as they are now. */
export interface RecipeSight {
  /** To compare with what was seen before: a source that was fetched for the first time since then counts as before. */
  readonly variants: Readonly<Record<string, Seen>>;
  /** Digest of kernel and patches, of the same kind. */
  readonly tree: string;
  /** With all that is known: what a later look is compared with. */
  readonly whole: Readonly<Record<string, Seen>>;
  readonly sources: SourceDigests;
}

/**
 * Sees every variant of a recipe.
 * @param before what was known of its sources: a first fetch since then is no change
 */
export async function seeRecipe(
  recipe: LoadedRecipe,
  before: SourceDigests | undefined,
  { home, mirrors, signal }: WatchContext,
): Promise<RecipeSight> {
  const choices = { mirrors, substitutes: new Map<string, string>() };
  const [base, known] = await Promise.all([
    readBase(recipe, mirrors),
    knownSources(home, recipe, choices, signal),
  ]);
  const sources = await withLocalDigests(recipe, known);
  const variants = await Promise.all(
    Object.keys(recipe.recipe.variants).map(async (name) => {
      const variant = expandVariant(recipe, name);
      const fragments = await readFragments(recipe, variant);
      const seen = (all: readonly SourceInput[]): Seen => {
        const { kernel, patches, kits } = sortSources(recipe.recipe, all);
        const kit = kits.find((source) => source.name === variant.kitSource);
        return seeVariant({
          variant,
          kernel,
          patches,
          base,
          fragments,
          ...(kit === undefined ? {} : { kit }),
        });
      };
      return { name, now: seen(sources.map((source) => comparable(source, before))), whole: seen(sources) };
    }),
  );
  return {
    variants: Object.fromEntries(variants.map(({ name, now }) => [name, now])),
    tree: variants[0]?.now.tree ?? '',
    whole: Object.fromEntries(variants.map(({ name, whole }) => [name, whole])),
    sources: digestsOf(sources),
  };
}

/** Local files that nothing pins yet are told by their bytes. */
async function withLocalDigests(recipe: LoadedRecipe, known: readonly SourceInput[]): Promise<SourceInput[]> {
  return Promise.all(
    known.map(async (source) => {
      if (source.sha256 !== undefined) return source;
      const path = localPath(recipe, sourceSpec(recipe, {}, source.name).urls);
      const found = path === undefined ? undefined : await digestIfAny(path);
      return found === undefined ? source : { ...source, sha256: found.sha256 };
    }),
  );
}

function digestsOf(sources: readonly SourceInput[]): SourceDigests {
  return Object.fromEntries(
    sources.map(({ name, file, sha256 }) => [name, { file, sha256: sha256 ?? null }]),
  );
}

/** Variants that are not what they were, and why. */
export interface Affected {
  readonly variants: readonly string[];
  readonly because: readonly string[];
}

/**
 * The variants of a recipe that are not what they were when they were last looked at; of those that nobody has looked
 * at yet, what they were at their last build; where there is none, what the recipe says without its updates.
 */
export async function findAffected(
  recipe: LoadedRecipe,
  now: RecipeSight,
  memory: RecipeMemory | undefined,
  original: RecipeSight,
  { home }: WatchContext,
): Promise<Affected> {
  const cache = stepCache(home);
  const variants: string[] = [];
  const because = new Set<string>();
  for (const [name, seen] of Object.entries(now.variants)) {
    const why = await whyOf(name, seen);
    if (why === undefined) continue;
    variants.push(name);
    for (const reason of why) because.add(reason);
  }
  return { variants, because: [...because] };

  async function whyOf(name: string, seen: Seen): Promise<string[] | undefined> {
    const before = memory?.variants[name];
    if (before !== undefined) return whyAffected(before, seen);
    if (memory !== undefined) return [`variant ${name} is new`];
    const built = await cache.recall(recipe.recipe.name, name);
    if (built !== undefined) return whyAffectedSinceBuild(built, seen);
    const written = original.variants[name];
    return written === undefined ? undefined : whyAffected(written, seen);
  }
}

/** Queues what is affected, as the policy says; what was queued for it before and has not ended gives way. */
export async function queueAffected(
  { recipe }: Pick<Revision, 'recipe'>,
  diff: string | null,
  affected: Affected,
  jobs: readonly string[],
  context: WatchContext,
): Promise<ChangeReport> {
  const policy = recipe.recipe.watch?.policy ?? context.policy;
  const report: ChangeReport = {
    recipe: recipe.recipe.name,
    variants: affected.variants,
    because: affected.because,
    policy,
    reference: recipe.reference,
    diff,
    job: null,
    joined: false,
    superseded: [],
  };
  if (policy === 'notify') return report;
  const ledger = Ledger.of(context.home);
  try {
    const open = jobs
      .map((id) => ledger.find(id))
      .filter((job) => job !== undefined)
      .filter((job) => !isSettled(job) && job.cancelling === null && isOurs(job, ledger));
    const variants = Object.keys(recipe.recipe.variants).filter(
      (name) => affected.variants.includes(name) || open.some((job) => job.variants.includes(name)),
    );
    const request = await requestFor(
      { recipe, variants: variants.map((name) => expandVariant(recipe, name)) },
      wishOf(recipe, policy, reasonFor(affected, open), context),
    );
    const older = open.filter(({ key }) => key !== request.key);
    const [submitted] = ledger.write(() => {
      for (const { id } of older) {
        if (!isSettled(ledger.job(id))) ledger.cancel(id, 'kiln watch has found something newer');
      }
      return ledger.submit([request]);
    });
    if (submitted === undefined) throw new Error('one request is one job');
    return {
      ...report,
      variants,
      job: submitted.job.id,
      joined: submitted.joined,
      superseded: older.map(({ id }) => id),
    };
  } finally {
    ledger.close();
  }
}

const REASON = 'kiln watch: ';

/** True for a job that was queued from here and that nobody else waits for. */
function isOurs({ id, spec }: Job, ledger: Ledger): boolean {
  if (spec.reason?.startsWith(REASON) !== true) return false;
  return !ledger.historyOf(id).some(({ news }) => news.type === 'joined');
}

/** Why the job is queued; what the jobs that it takes the place of were queued for is built by it as well. */
function reasonFor({ because }: Affected, older: readonly Job[]): string {
  const earlier = older.flatMap(({ spec }) => (spec.reason ?? '').slice(REASON.length).split('; '));
  const byInput = new Map([...earlier, ...because].map((one) => [one.split(': ')[0], one]));
  return `${REASON}${[...byInput.values()].join('; ')}`;
}

function wishOf(
  { recipe }: LoadedRecipe,
  policy: WatchPolicy,
  reason: string,
  { mirrors, workshop }: WatchContext,
): Parameters<typeof requestFor>[1] {
  return {
    sources: { mirrors, substitutes: new Map() },
    publish: policy === 'publish' || policy === 'testing',
    channel: policy === 'testing' ? (recipe.watch?.channel ?? `testing/${recipe.channel}`) : undefined,
    rebuild: false,
    compare: false,
    workshop,
    requireGates: false,
    reason,
    priority: 0,
    attempts: UNATTENDED_ATTEMPTS,
    labels: {},
  };
}
