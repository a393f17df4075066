import { stat } from 'node:fs/promises';
import { z } from '@hono/zod-openapi';
import PQueue from 'p-queue';
import { planVariants } from '../../pipeline/planning.ts';
import { chooseVariants, loadRecipe, recipeFile, recipeNames } from '../../pipeline/recipes.ts';
import { KilnError } from '../../platform/errors.ts';
import { expandVariant } from '../../recipe/variants.ts';
import { orNotFound } from '../problem.ts';
import { type Api, name } from './route.ts';
import { listOf, reference } from './schemas.ts';
import type { Server } from './server.ts';

const recipe = z
  .object({
    name: z.string(),
    description: z.string(),
    kernel: z.string(),
    variants: listOf(z.object({ name: z.string(), description: z.string(), channel: z.string() })),
    fault: z.string().nullable().openapi({ description: 'why it can not be read' }),
  })
  .openapi('Recipe');

/** A plan asks the compiler who it is and hashes what it finds: one after another. */
const planning = new PQueue({ concurrency: 1 });

export function recipeRoutes(api: Api, server: Server): void {
  api.route(
    {
      method: 'get',
      path: '/recipes',
      kept: true,
      summary: 'The recipes that there are, with their variants',
      tag: 'recipes',
      role: 'viewer',
      answers: z.object({ recipes: listOf(recipe) }),
    },
    async () => ({ recipes: await Promise.all((await recipeNames()).map(describeKept)) }),
  );
  api.route(
    {
      method: 'get',
      path: '/recipes/{recipe}',
      summary: 'One recipe, as it is written, with its defaults',
      tag: 'recipes',
      role: 'viewer',
      params: { recipe: name.refine((text) => !/\.ya?ml$/.test(text), 'a name under recipes/') },
      answers: recipe.extend({ expanded: z.looseObject({ name: z.string() }) }),
    },
    async ({ params }) => {
      const loaded = await orNotFound(() => loadRecipe(params.recipe));
      return { ...(await describe(params.recipe)), expanded: { ...loaded.recipe } };
    },
  );
  api.route(
    {
      method: 'get',
      path: '/plans',
      summary: 'The steps of a build, which are done already, and why the others are not',
      tag: 'recipes',
      role: 'viewer',
      query: { reference },
      answers: z.object({
        plans: listOf(
          z.object({
            recipe: z.string(),
            variant: z.string(),
            bundle: z.string().nullable(),
            channel: z.string(),
            sources: listOf(
              z.object({
                name: z.string(),
                file: z.string(),
                role: z.enum(['kernel', 'patch', 'kit']),
                stored: z.boolean().openapi({ description: 'it need not be fetched' }),
              }),
            ),
            steps: listOf(
              z.looseObject({
                step: z.string(),
                key: z.string().nullable(),
                status: z.enum(['hit', 'miss']),
                why: z.string(),
              }),
            ),
          }),
        ),
      }),
    },
    ({ query }) =>
      planning.add(async () => {
        const chosen = await orNotFound(() => chooseVariants([query.reference]));
        const plans = await planVariants(server.home, chosen, server.sources, server.signal);
        return { plans: plans.map((plan) => ({ ...plan, steps: plan.steps.map((step) => ({ ...step })) })) };
      }),
  );
}

async function describe(recipeName: string): Promise<z.input<typeof recipe>> {
  const loaded = await loadRecipe(recipeName);
  const { kernel, extraversion, variants, description } = loaded.recipe;
  return {
    name: recipeName,
    description: description ?? '',
    kernel: `${kernel.version}${extraversion}`,
    variants: Object.entries(variants).map(([variant, { description: text }]) => ({
      name: variant,
      description: text ?? '',
      channel: expandVariant(loaded, variant).channel,
    })),
    fault: null,
  };
}

/** One recipe with a fault must not hide the others. */
async function describeIfAny(recipeName: string): Promise<z.input<typeof recipe>> {
  try {
    return await describe(recipeName);
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return { name: recipeName, description: '', kernel: '', variants: [], fault: error.message };
  }
}

interface Described {
  readonly state: string;
  readonly until: number;
  readonly description: Promise<z.input<typeof recipe>>;
}

/** What a recipe names (its series of patches) may change while the recipe does not. */
const KEPT_MS = 60_000;

const described = new Map<string, Described>();

/** Reads and checks a recipe when its file has changed, or some time has gone by: that takes milliseconds for each. */
async function describeKept(recipeName: string): Promise<z.input<typeof recipe>> {
  const state = await stat(recipeFile(recipeName)).then(
    ({ ino, mtimeMs, size }) => `${ino} ${mtimeMs} ${size}`,
    () => 'gone since it was listed',
  );
  const known = described.get(recipeName);
  if (known?.state === state && known.until > performance.now()) return known.description;
  const description = describeIfAny(recipeName);
  described.set(recipeName, { state, until: performance.now() + KEPT_MS, description });
  return description;
}
