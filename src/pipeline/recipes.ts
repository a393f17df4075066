import { isUtf8 } from 'node:buffer';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasErrno, KilnError, type Place } from '../platform/errors.ts';
import { exists, listIfAny, readGiven, writeFileAtomic } from '../platform/files.ts';
import { parseRecipe, type RecipeFile } from '../recipe/load.ts';
import { formatLock, type LockedSource, parseLock, type RecipeLock } from '../recipe/lock.ts';
import { expandVariant, type Variant } from '../recipe/variants.ts';
import { withSeries } from './series.ts';

/** The checkout that Kiln runs from: recipes/ and kconfig/ are there. */
export const CHECKOUT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** A recipe with where it was found. */
export interface LoadedRecipe extends RecipeFile {
  /** What loads the same recipe from anywhere: its name under recipes/, or its absolute path. */
  readonly reference: string;
  /** Directory that relative paths of the recipe start from. */
  readonly directory: string;
  readonly lockFile: string;
  /** Where a patch is named: in the recipe, or in a series file. */
  placeOfPatch(name: string): Place;
}

/** What `RECIPE[:VARIANT]` on the command line chose. */
export interface Chosen {
  readonly recipe: LoadedRecipe;
  readonly variants: readonly Variant[];
}

/** Names under recipes/, sorted. */
export async function recipeNames(): Promise<string[]> {
  return (await listIfAny(join(CHECKOUT, 'recipes')))
    .filter((name) => name.endsWith('.yaml') && !name.endsWith('.lock.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length));
}

/** Where a recipe of recipes/ is. */
export function recipeFile(name: string): string {
  return join(CHECKOUT, 'recipes', `${name}.yaml`);
}

/**
 * Loads a recipe by its name under recipes/ or by the path of a YAML file.
 * @throws KilnError `usage` naming the recipes there are; `invalid` for one with faults
 */
export async function loadRecipe(reference: string): Promise<LoadedRecipe> {
  const isPath = reference.includes('/') || /\.ya?ml$/.test(reference);
  const file = isPath ? resolve(reference) : recipeFile(reference);
  const called = isPath ? reference : `recipes/${reference}.yaml`;
  const bytes = await readGiven(file);
  if (typeof bytes === 'string') {
    throw new KilnError('usage', noRecipe(reference, isPath ? bytes : undefined), {
      hint: `recipes are ${(await recipeNames()).join(', ')}; or give the path of a YAML file`,
    });
  }
  const parsed = parseRecipe(textOf(bytes, called), called);
  const directory = resolve(dirname(file), parsed.recipe.directory ?? '.');
  const lockFile = join(dirname(file), `${parsed.recipe.name}.lock.yaml`);
  return {
    ...(await withSeries(parsed, directory)),
    reference: isPath ? file : reference,
    directory,
    lockFile,
  };
}

function noRecipe(reference: string, why: string | undefined): string {
  if (reference.trim() === '') return 'a recipe has a name';
  return why ?? `there is no recipe ${reference}`;
}

function textOf(bytes: Buffer, file: string): string {
  const text = bytes.toString().replace(/^\uFEFF/, '');
  if (isUtf8(bytes)) return text;
  throw new KilnError('invalid', 'not UTF-8', {
    place: { file, line: text.slice(0, text.indexOf('\uFFFD')).split('\n').length },
    hint: `iconv -f LATIN1 -t UTF-8 ${file} prints what it would be, if LATIN1 is what it is`,
  });
}

/**
 * Resolves `RECIPE[:VARIANT]` arguments; a recipe alone means all of its variants, and one that is named twice is
 * loaded once. `*` and `?` stand for any characters and any one: `openmosix-*:rtl8139`, `*:rtl8139`.
 * @throws KilnError `usage` for a name or a pattern that nothing answers to
 */
export async function chooseVariants(references: readonly string[]): Promise<Chosen[]> {
  const chosen = new Map<string, { recipe: LoadedRecipe; names: Set<string> }>();
  for (const reference of references) {
    const colon = reference.lastIndexOf(':');
    const recipePart = colon > 0 ? reference.slice(0, colon) : reference;
    const wanted = colon > 0 ? reference.slice(colon + 1) : '*';
    let found = 0;
    for (const name of await recipesOf(recipePart)) {
      const entry = chosen.get(name) ?? { recipe: await loadRecipe(name), names: new Set() };
      const all = Object.keys(entry.recipe.recipe.variants);
      const named = isPattern(wanted) ? all.filter((variant) => isLike(variant, wanted)) : [wanted];
      // Of many recipes not every one has the variant.
      const these = isPattern(recipePart) ? named.filter((variant) => all.includes(variant)) : named;
      found += these.length;
      if (these.length === 0) continue;
      for (const variant of these) entry.names.add(variant);
      chosen.set(name, entry);
    }
    if (found === 0) {
      throw new KilnError('usage', `nothing answers to ${reference}`, {
        hint: 'kiln recipes lists the recipes with their variants',
      });
    }
  }
  return [...chosen.values()].map(({ recipe, names }) => ({
    recipe,
    variants: [...names].map((name) => expandVariant(recipe, name)),
  }));
}

async function recipesOf(part: string): Promise<string[]> {
  if (!isPattern(part) || part.includes('/')) return [part];
  return (await recipeNames()).filter((name) => isLike(name, part));
}

function isPattern(text: string): boolean {
  return /[*?]/.test(text);
}

function isLike(name: string, pattern: string): boolean {
  const source = pattern.replaceAll(/[^*?]+/g, (text) => text.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${source.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
}

/** The recipe's lock; empty where it has none yet. */
export async function readLock(recipe: LoadedRecipe): Promise<RecipeLock> {
  if (!(await exists(recipe.lockFile))) return {};
  const bytes = await readGiven(recipe.lockFile);
  if (typeof bytes !== 'string') return parseLock(bytes.toString(), recipe.lockFile);
  throw new KilnError('invalid', `the lock file: ${bytes}`, {
    hint: `${recipe.lockFile} is where the digests of the recipe's sources are kept`,
  });
}

/** Adds sources to the recipe's lock; entries that are there already are left alone. Writes only when it changes. */
export async function extendLock(
  recipe: LoadedRecipe,
  added: Readonly<Record<string, LockedSource>>,
): Promise<void> {
  if (Object.keys(added).length === 0) return;
  const lock = await readLock(recipe);
  const next = { ...added, ...lock };
  for (const [name, source] of Object.entries(added)) {
    // A recipe that now names another file is locked to that one.
    if (lock[name]?.file !== source.file) next[name] = source;
  }
  const text = formatLock(next);
  if (text === formatLock(lock)) return;
  try {
    await writeFileAtomic(recipe.lockFile, text);
  } catch (error) {
    if (!hasErrno(error, 'EROFS', 'EACCES', 'EPERM')) throw error;
    throw new KilnError(
      'failed',
      `the lock file ${recipe.lockFile} can't be written (${(error as Error).message})`,
      {
        hint: 'let Kiln write beside the recipe, or put a lock file there that knows the sources already',
        cause: error,
      },
    );
  }
}
