import type { Home } from '../platform/home.ts';
import { expandVariant } from '../recipe/variants.ts';
import { stepCache } from './cache.ts';
import { checkSubstitutes, isStored, type SourceChoices, sortSources } from './inputs.ts';
import {
  type Change,
  changesBetween,
  describeChanges,
  describeInputs,
  type PlannedStep,
  type Present,
  planSteps,
  type VariantKeys,
} from './plan.ts';
import { RecipeRun } from './recipe-run.ts';
import type { Chosen, LoadedRecipe } from './recipes.ts';
import { cachedTree, type PreparedTree } from './tree.ts';
import { storedBundle } from './variant.ts';

/** What a build of one variant would do. */
export interface VariantPlan {
  readonly recipe: string;
  readonly variant: string;
  /** null while a source was never fetched: the id depends on its digest. */
  readonly bundle: string | null;
  readonly channel: string;
  /** What changed since the last build of it; null where it was never built. */
  readonly changes: readonly Change[] | null;
  /** What `fetch` is about: the kernel, the patches in their order, the kits of the initrd. */
  readonly sources: readonly PlannedSource[];
  readonly steps: readonly PlannedStep[];
}

/** A source of a recipe, and whether it has to be fetched. */
export interface PlannedSource {
  readonly name: string;
  readonly file: string;
  readonly role: 'kernel' | 'patch' | 'kit';
  /** It is in the store already, or is read where it stands. */
  readonly stored: boolean;
}

/** Plans variants without building or fetching anything. */
export async function planVariants(
  home: Home,
  chosen: readonly Chosen[],
  choices: SourceChoices,
  signal: AbortSignal,
): Promise<VariantPlan[]> {
  checkSubstitutes(
    chosen.map(({ recipe }) => recipe),
    choices,
  );
  const cache = stepCache(home);
  const plans: VariantPlan[] = [];
  for (const { recipe, variants } of chosen) {
    const run = await RecipeRun.start(recipe, { home, cache, choices, signal });
    const planned = await plannedSources(home, run);
    const sources = Object.fromEntries(planned.map(({ name, stored }) => [name, stored]));
    for (const variant of variants) {
      const { inputs, keys } = await run.facts(variant);
      const present = await whatIsThere(home, variant, keys, sources);
      const before = await cache.recall(recipe.recipe.name, variant.name);
      const changes = before === undefined ? undefined : changesBetween(before, describeInputs(inputs));
      plans.push({
        recipe: recipe.recipe.name,
        variant: variant.name,
        bundle: keys?.id ?? null,
        channel: variant.channel,
        changes: changes ?? null,
        sources: planned,
        steps: planSteps(keys, present, changes && describeChanges(changes)),
      });
    }
  }
  return plans;
}

async function plannedSources(home: Home, { recipe, sources }: RecipeRun): Promise<PlannedSource[]> {
  const { kernel, patches } = sortSources(recipe.recipe, sources);
  return Promise.all(
    sources.map(async (source): Promise<PlannedSource> => {
      const { name, file, sha256, substituted, inPlace } = source;
      const role = source === kernel ? 'kernel' : patches.includes(source) ? 'patch' : 'kit';
      const stored = substituted || inPlace === true || (await isStored(home, sha256));
      return { name, file, role, stored };
    }),
  );
}

async function whatIsThere(
  home: Home,
  variant: Chosen['variants'][number],
  keys: VariantKeys | undefined,
  sources: Readonly<Record<string, boolean>>,
): Promise<Present> {
  const cache = stepCache(home);
  const has = async (step: 'tree' | 'config' | 'compile') =>
    keys !== undefined && (await cache.find(step, keys[step])) !== undefined;
  const [tree, config, compile] = await Promise.all([has('tree'), has('config'), has('compile')]);
  const bundle = keys !== undefined && (await storedBundle(home, variant, keys)) !== undefined;
  return { sources, tree, config, compile, bundle };
}

/** A recipe's prepared tree if the cache has it: as a build with the same choice of sources would use it. */
export async function preparedTree(
  home: Home,
  recipe: LoadedRecipe,
  choices: SourceChoices,
  signal: AbortSignal,
): Promise<PreparedTree | undefined> {
  const cache = stepCache(home);
  const run = await RecipeRun.start(recipe, { home, cache, choices, signal });
  const [variant = ''] = Object.keys(recipe.recipe.variants);
  const { keys } = await run.facts(expandVariant(recipe, variant));
  return keys === undefined ? undefined : cachedTree(cache, keys.tree);
}
