import { sourceNames, sourceSpec } from '../pipeline/inputs.ts';
import type { LoadedRecipe } from '../pipeline/recipes.ts';
import { digestFile, type FileDigests } from '../platform/digest.ts';
import { hasErrno } from '../platform/errors.ts';
import type { LockedSource, RecipeLock } from '../recipe/lock.ts';
import { describeMismatch, findMismatch, isDirectory, locate } from '../sources/index.ts';
import type { SourceReport } from './report.ts';
import type { Update } from './revise.ts';

/** The path of a source that is a file of this machine: where its first URL leads; undefined for any other. */
export function localPath(recipe: LoadedRecipe, urls: readonly string[]): string | undefined {
  const location = locate(urls[0] ?? '', recipe.directory);
  return location.kind === 'file' ? location.path : undefined;
}

/**
 * Local sources whose bytes are others than those that the lock has: their owner has edited them. One whose digest the
 * recipe itself gives was not meant to be edited, and is refused.
 * @param known updates that were taken before, and are no news
 */
export async function findEdited(
  recipe: LoadedRecipe,
  lock: RecipeLock,
  known: readonly Update[],
): Promise<{ readonly reports: SourceReport[]; readonly updates: Update[] }> {
  const reports: SourceReport[] = [];
  const updates: Update[] = [];
  for (const source of sourceNames(recipe)) {
    const spec = sourceSpec(recipe, lock, source);
    const path = localPath(recipe, spec.urls);
    const found = path === undefined ? undefined : await digestIfAny(path);
    if (path === undefined || found === undefined) continue;
    const say = (status: SourceReport['status'], message: string | null): SourceReport => ({
      recipe: recipe.recipe.name,
      source,
      status,
      current: null,
      newest: null,
      message,
      lines: [],
    });
    const { size, sha256, sha1, md5, locked } = spec;
    const own = Object.fromEntries(
      Object.entries({ size, sha256, sha1, md5 }).filter(([, pin]) => pin !== undefined),
    );
    const mismatch = findMismatch(own, found);
    if (mismatch !== undefined) {
      reports.push(
        say(
          'refused',
          `${path} is not the file that the recipe gives a digest of: ${describeMismatch(mismatch)}`,
        ),
      );
    } else if (locked !== undefined && locked.sha256 !== found.sha256) {
      const file: LockedSource = {
        file: locate(spec.urls[0] ?? '', '/').fileName,
        size: found.size,
        sha256: found.sha256,
      };
      updates.push({ source, version: null, urls: null, renamed: null, extraversion: null, locked: file });
      const isKnown = known.some((one) => one.source === source && one.locked.sha256 === found.sha256);
      reports.push(isKnown ? say('current', null) : say('newer', `${path} was edited`));
    }
  }
  return { reports, updates };
}

/** The digests of a file; undefined where there is none, or a directory. */
export async function digestIfAny(path: string): Promise<FileDigests | undefined> {
  try {
    if (await isDirectory(path)) return undefined;
    return await digestFile(path, ['md5', 'sha1']);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}
