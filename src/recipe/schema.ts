import { z } from 'zod';
import { boot } from './schema/boot.ts';
import { config } from './schema/config.ts';
import { floppy, image, nbi } from './schema/images.ts';
import { type foreignKit, initrd } from './schema/initrd.ts';
import { patch, source } from './schema/sources.ts';
import { toolchain } from './schema/toolchain.ts';
import { axesSchema, type variant, variantListSchema, variantMapSchema } from './schema/variants.ts';
import { type WATCH_POLICIES, watchRule, watchSettings } from './schema/watch.ts';
import { name } from './schema/words.ts';

/**
 * The recipe's shape: the one place that says what a recipe may hold, a file for each of its parts under `schema/`.
 * The JSON Schema that editors use (`kiln show --schema`), the checks at load time and the types come from here.
 */

const gate = z.enum(['audit', 'verify', 'boot']);

const recipeFields = {
  name,
  description: z.string().optional(),
  directory: z
    .string()
    .optional()
    .describe("Where the recipe's relative paths start; by default the directory that it is in"),
  kernel: z.strictObject({
    version: z
      .string()
      .regex(/^\d+\.\d+\.\d+(\.\d+)?(-[A-Za-z0-9.]+)?$/, 'a kernel version, e.g. 2.4.22')
      .describe('As the tree calls itself: VERSION.PATCHLEVEL.SUBLEVEL with its own EXTRAVERSION'),
    arch: z.enum(['i386']).default('i386'),
    source,
    watch: watchRule.optional(),
  }),
  extraversion: z
    .string()
    .regex(/^[-.+A-Za-z0-9_]*$/, 'letters, digits, "-", ".", "+" and "_"')
    .default('')
    .describe('Appended to the version, e.g. -om2'),
  release: z
    .enum(['unique', 'pinned'])
    .default('unique')
    .describe(
      'unique: the release (uname -r) carries the short key of its inputs, so that kernel and modules cannot be mixed up; pinned: <version><extraversion> alone',
    ),
  series: z
    .array(z.string().min(1))
    .default([])
    .describe('quilt series files beside the recipe; what they list comes before `patches`'),
  patches: z.array(patch).default([]),
  config: config.prefault({}),
  toolchain: toolchain.prefault({}),
  initrd: initrd.prefault({}),
  images: z.array(image).default(['pxe', 'ipxe']),
  nbi: nbi.prefault({}),
  floppy: floppy.prefault({}),
  boot: boot.default({}),
  gates: z.array(gate).default(['audit', 'verify', 'boot']),
  watch: watchSettings.optional().describe('What kiln watch does about a newer patch or an edited file'),
  channel: z
    .string()
    .regex(
      /^(?!bundles(\/|$))[A-Za-z0-9{][A-Za-z0-9._{}-]*(\/[A-Za-z0-9{][A-Za-z0-9._{}-]*)*$/,
      'a path below the TFTP root, not under bundles/, e.g. lts/openmosix-{variant}',
    )
    .describe('Name of the symlink that nodes boot from; {variant} and {recipe} are filled in'),
};

/**
 * The schema for a recipe that writes its variants in one of the three ways: so that faults are those of the way that
 * was meant.
 */
export function schemaFor(recipe: unknown) {
  const written: unknown =
    typeof recipe === 'object' && recipe !== null && 'variants' in recipe ? recipe.variants : undefined;
  if (Array.isArray(written)) return z.strictObject({ ...recipeFields, variants: variantListSchema });
  const hasAxes = typeof written === 'object' && written !== null && 'axes' in written;
  if (hasAxes) return z.strictObject({ ...recipeFields, variants: axesSchema });
  return z.strictObject({ ...recipeFields, variants: variantMapSchema });
}

const recipeSchema = z.strictObject({
  ...recipeFields,
  variants: z
    .union([variantMapSchema, variantListSchema, axesSchema])
    .describe('By name, as a list, or as axes whose points they are'),
});

/** What a variant says for itself. */
export type VariantSpec = z.output<typeof variant>;

/** A recipe with its variants by name, however they were written. */
export type Recipe = Omit<z.output<typeof recipeSchema>, 'variants'> & {
  readonly variants: Readonly<Record<string, VariantSpec>>;
};
export type RecipePatch = Recipe['patches'][number];
export type ForeignKit = z.output<typeof foreignKit>;
export type WatchRule = z.output<typeof watchRule>;
export type WatchPolicy = (typeof WATCH_POLICIES)[number];
export type RecipeSource = Recipe['kernel']['source'];
export type BootOptions = Recipe['boot'];

/** The recipe's JSON Schema (draft 2020-12), for editors and other tools. */
export function recipeJsonSchema(): unknown {
  return z.toJSONSchema(recipeSchema, { io: 'input', unrepresentable: 'any' });
}
