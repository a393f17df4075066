import type { ForeignKit, Recipe } from './schema.ts';

/** The kits that a recipe's variants take from outside, by the names of their sources, each once. */
export function kitSources(
  recipe: Recipe,
): ReadonlyMap<string, { readonly kit: ForeignKit; readonly path: readonly (string | number)[] }> {
  const kits = new Map<string, { kit: ForeignKit; path: readonly (string | number)[] }>();
  for (const [variant, own] of Object.entries(recipe.variants)) {
    const name = kitSourceOf(recipe, variant);
    const kit = own.initrd?.kit ?? recipe.initrd.kit;
    if (name === undefined || kit === 'builtin') continue;
    const path = name === 'kit' ? ['initrd', 'kit'] : ['variants', variant, 'initrd', 'kit'];
    kits.set(name, { kit, path });
  }
  return kits;
}

/** Name of the source that a variant's kit is: `kit` for the recipe's, `kit-<variant>` for one of its own. */
export function kitSourceOf(recipe: Recipe, variant: string): string | undefined {
  const own = recipe.variants[variant]?.initrd?.kit;
  if (own !== undefined) return own === 'builtin' ? undefined : `kit-${variant}`;
  return recipe.initrd.kit === 'builtin' ? undefined : 'kit';
}
