import { join } from 'node:path';
import { checkSeries, reviewLines } from '../patches/index.ts';
import { workDirectory } from '../pipeline/cache.ts';
import { fetchNamed, sortSources, sourceNames } from '../pipeline/inputs.ts';
import { type LoadedRecipe, readLock } from '../pipeline/recipes.ts';
import { readPatchSeries, unpackKernel } from '../pipeline/tree.ts';
import { KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import type { WatchContext } from './context.ts';

/** What `kiln patch check` says of a recipe's series on its kernel. */
export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly sentence: string; readonly lines: readonly string[] };

/** A source that could not be had, or that is not the one pinned, by its name. */
export class NotHad extends KilnError {
  readonly source: string;

  constructor(source: string, { kind, message, lines, transient }: KilnError) {
    super(kind, message, { lines, transient });
    this.source = source;
  }
}

/**
 * Unpacks a recipe's kernel for itself and checks its patches on it.
 * @throws NotHad for a source that can't be had, or that is not the one pinned
 */
export async function checkRecipe(recipe: LoadedRecipe, context: WatchContext): Promise<Verdict> {
  const { home, mirrors, signal } = context;
  const lock = await readLock(recipe);
  const choices = { mirrors, substitutes: new Map<string, string>() };
  const sources = await Promise.all(
    sourceNames(recipe).map(async (name) => {
      try {
        return await fetchNamed(home, recipe, lock, name, choices, () => undefined, signal);
      } catch (error) {
        if (!(error instanceof KilnError) || signal.aborted) throw error;
        throw new NotHad(name, error);
      }
    }),
  );
  const { kernel, patches } = sortSources(recipe.recipe, sources);
  const work = await workDirectory(home, 'watch');
  try {
    const tree = join(work, 'tree');
    await unpackKernel(tree, recipe, kernel, { signal });
    const series = await readPatchSeries(recipe, patches, signal);
    if (series.length === 0) return { ok: true };
    const report = await checkSeries(tree, series, { signal });
    if (report.ok) return { ok: true };
    const failed = report.patches.filter(({ ok }) => !ok).map(({ name }) => name);
    return {
      ok: false,
      sentence: `the series does not apply: ${failed.join(', ')}`,
      lines: reviewLines(report),
    };
  } catch (error) {
    // A patch that can't be read, a tree of another version: what is new is not usable.
    if (!(error instanceof KilnError) || error.kind !== 'invalid') throw error;
    return { ok: false, sentence: error.message, lines: error.lines };
  } finally {
    await removeTree(work);
  }
}
