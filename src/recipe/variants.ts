import { KilnError } from '../platform/errors.ts';
import { kitSourceOf } from './kits.ts';
import { channelOf, type RecipeFile } from './load.ts';
import type { BootOptions, Recipe } from './schema.ts';

/** One point of a recipe's matrix with everything that its recipe and itself say, merged. */
export interface Variant {
  readonly recipe: Recipe;
  readonly name: string;
  /** `recipe:variant` */
  readonly fullName: string;
  /** Recipe's fragments, then the variant's, in order of precedence. */
  readonly fragments: readonly FragmentReference[];
  /** Recipe's inline options, then the variant's. */
  readonly options: readonly InlineOption[];
  readonly boot: BootOptions;
  readonly initrd: Recipe['initrd'];
  /** Name of the source that the initrd's kit is; undefined for Kiln's own. */
  readonly kitSource: string | undefined;
  readonly channel: string;
}

export interface FragmentReference {
  readonly name: string;
  /** Path inside the recipe, for errors. */
  readonly path: readonly (string | number)[];
}

export interface InlineOption {
  readonly symbol: string;
  readonly value: string | number | boolean;
  readonly path: readonly (string | number)[];
}

/** Expands one variant. @throws KilnError `usage` naming the variants there are. */
export function expandVariant(file: RecipeFile, name: string): Variant {
  const { recipe } = file;
  // A recipe has no variant `toString` for being a record.
  const own = Object.hasOwn(recipe.variants, name) ? recipe.variants[name] : undefined;
  if (own === undefined) {
    throw new KilnError('usage', `recipe ${recipe.name} has no variant ${name}`, {
      hint: `it has ${Object.keys(recipe.variants).join(', ')}`,
    });
  }
  const parts = file.matrix.get(name) ?? [];
  const references = (names: readonly string[], path: readonly (string | number)[]): FragmentReference[] =>
    names.map((fragment, index) => ({ name: fragment, path: [...path, index] }));
  const inline = (
    given: Readonly<Record<string, string | number | boolean>>,
    path: readonly (string | number)[],
  ): InlineOption[] =>
    Object.entries(given).map(([symbol, value]) => ({ symbol, value, path: [...path, symbol] }));
  return {
    recipe,
    name,
    fullName: `${recipe.name}:${name}`,
    fragments: [
      ...references(recipe.config.fragments, ['config', 'fragments']),
      ...parts.flatMap(({ spec, path }) => references(spec.fragments, [...path, 'fragments'])),
    ],
    options: [
      ...inline(recipe.config.options, ['config', 'options']),
      // A later part's value has taken an earlier one's place.
      ...parts.flatMap(({ spec, path }, index) =>
        inline(spec.options, [...path, 'options']).filter(
          ({ symbol }) => !parts.slice(index + 1).some((later) => symbol in later.spec.options),
        ),
      ),
    ],
    boot: withoutUndefined({ ...recipe.boot, ...own.boot }),
    initrd: {
      kit: own.initrd?.kit ?? recipe.initrd.kit,
      format: own.initrd?.format ?? recipe.initrd.format,
      size: own.initrd?.size ?? recipe.initrd.size,
      inodes: own.initrd?.inodes ?? recipe.initrd.inodes,
    },
    kitSource: kitSourceOf(recipe, name),
    channel: channelOf(recipe, name),
  };
}

function withoutUndefined<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;
}
