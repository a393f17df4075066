import { mkdir, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { type LoadedRecipe, loadRecipe } from '../pipeline/recipes.ts';
import {
  listIfAny,
  readTextIfAny,
  removeTree,
  syncDirectory,
  temporaryBeside,
  writeFileAtomic,
} from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { isAlive } from '../platform/process.ts';
import { formatLock, type RecipeLock } from '../recipe/lock.ts';
import { unifiedDiff } from './diff.ts';
import { placeRecipe, reviseRecipe, type Update } from './revise.ts';

/** A recipe with newer sources, in a directory of its own: recipe, lock, and how both differ from the original. */
export interface Revision {
  readonly recipe: LoadedRecipe;
  readonly diff: string;
}

/** A revision that is written but has no number yet. */
export interface StagedRevision {
  /** To be checked. */
  readonly recipe: LoadedRecipe;
  /** Gives it its number, for good. */
  keep(): Promise<Revision>;
  drop(): Promise<void>;
}

/** Where the revisions of a recipe are. */
export function revisionsOf(home: Home, name: string): string {
  return join(home.root, 'revisions', name);
}

/** The file that a recipe was loaded from. */
export function recipePath(recipe: LoadedRecipe): string {
  return join(dirname(recipe.lockFile), basename(recipe.file));
}

/**
 * Writes a revision of a recipe, beside its older ones. The newest, if it is the same, is used again. What is under a
 * number is whole and never written to again, but for the lock, which a build adds to.
 */
export async function stageRevision(
  home: Home,
  recipe: LoadedRecipe,
  lock: RecipeLock,
  updates: readonly Update[],
): Promise<StagedRevision> {
  const { name } = recipe.recipe;
  const parent = revisionsOf(home, name);
  await sweepStaged(parent);
  const original = await readFile(recipePath(recipe), 'utf8');
  const revised = reviseRecipe(original, updates);
  const newLock = revisedLock(lock, updates);
  const placed = placeRecipe(revised, relative(join(parent, '1'), recipe.directory));
  const [file, lockFile] = [basename(recipePath(recipe)), basename(recipe.lockFile)];
  const diff =
    unifiedDiff(original, revised, `a/${file}`, `b/${file}`) +
    unifiedDiff(
      (await readTextIfAny(recipe.lockFile)) ?? '',
      formatLock(newLock),
      `a/${lockFile}`,
      `b/${lockFile}`,
    );
  const newest = (await numbersIn(parent)).at(-1) ?? 0;
  const last = join(parent, String(newest));
  const same =
    (await readTextIfAny(join(last, `${name}.yaml`))) === placed &&
    (await readTextIfAny(join(last, `${name}.diff`))) === diff;
  if (same) {
    const known = await loadRecipe(join(last, `${name}.yaml`));
    return {
      recipe: known,
      keep: () => Promise.resolve({ recipe: known, diff: join(last, `${name}.diff`) }),
      drop: () => Promise.resolve(),
    };
  }
  const staged = temporaryBeside(join(parent, String(newest + 1)));
  await mkdir(staged, { recursive: true });
  await writeFileAtomic(join(staged, `${name}.yaml`), placed);
  await writeFileAtomic(join(staged, `${name}.lock.yaml`), formatLock(newLock));
  await writeFileAtomic(join(staged, `${name}.diff`), diff);
  return {
    recipe: await loadRecipe(join(staged, `${name}.yaml`)),
    async keep() {
      const directory = join(parent, String(newest + 1));
      await rename(staged, directory);
      await syncDirectory(parent);
      return {
        recipe: await loadRecipe(join(directory, `${name}.yaml`)),
        diff: join(directory, `${name}.diff`),
      };
    },
    drop: () => removeTree(staged),
  };
}

function revisedLock(lock: RecipeLock, updates: readonly Update[]): RecipeLock {
  const kept = Object.entries(lock).filter(([name]) => !updates.some(({ source }) => source === name));
  const added = updates.map(({ source, renamed, locked }) => [renamed ?? source, locked] as const);
  return Object.fromEntries([...kept, ...added]);
}

/** Removes what watchers that were killed had not finished. */
async function sweepStaged(parent: string): Promise<void> {
  for (const name of await listIfAny(parent)) {
    const pid = /\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await removeTree(join(parent, name));
  }
}

async function numbersIn(parent: string): Promise<number[]> {
  const names = await listIfAny(parent);
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}
