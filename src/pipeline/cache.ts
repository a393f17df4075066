import { chmod, chown, mkdir, readFile, realpath, rename, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasErrno } from '../platform/errors.ts';
import { exists, listIfAny, removeTree, temporaryBeside, writeFileAtomic } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { isAlive } from '../platform/process.ts';

/** Steps whose outputs are kept. */
export const CACHED_STEPS = ['tree', 'config', 'layer', 'compile', 'init'] as const;
export type CachedStep = (typeof CACHED_STEPS)[number];

/**
 * Step outputs: one directory for each key, put in its place by one rename, so that a directory that is
 * there is whole. Deleting any of it costs time, nothing else.
 */
export interface StepCache {
  /** The output's directory, or undefined when the step has to run. */
  find(step: CachedStep, key: string): Promise<string | undefined>;
  /** A fresh directory for a step to write into, on the cache's file system. */
  stage(step: CachedStep, key: string): Promise<string>;
  /** Makes a staged directory the output of the key; the one that is there already wins. */
  commit(step: CachedStep, key: string, staged: string): Promise<string>;
  /** Notes the inputs of a variant's last build, for saying what changed since. */
  remember(recipe: string, variant: string, inputs: Readonly<Record<string, string>>): Promise<void>;
  recall(recipe: string, variant: string): Promise<Readonly<Record<string, string>> | undefined>;
}

/** The step cache of a home. */
export function stepCache(home: Home): StepCache {
  const at = (step: CachedStep, key: string) => join(home.cache, 'steps', step, key);
  const memory = (recipe: string, variant: string) => join(home.cache, 'last', recipe, `${variant}.json`);
  return {
    async find(step, key) {
      const directory = at(step, key);
      if (!(await exists(directory))) return undefined;
      const now = new Date();
      // Says when it was last of use, for whoever cleans up.
      // Another user's says nothing, and serves as well.
      await utimes(directory, now, now).catch((error: unknown) => {
        if (!hasErrno(error, 'EPERM', 'EACCES')) throw error;
      });
      return directory;
    },
    async stage(step, key) {
      const staged = temporaryBeside(at(step, key));
      await mkdir(dirname(staged), { recursive: true });
      await makeOwnDirectory(staged);
      return staged;
    },
    async commit(step, key, staged) {
      const directory = at(step, key);
      try {
        await rename(staged, directory);
      } catch (error) {
        if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
        await removeTree(staged);
      }
      return directory;
    },
    async remember(recipe, variant, inputs) {
      await writeFileAtomic(memory(recipe, variant), JSON.stringify(inputs));
    },
    async recall(recipe, variant) {
      try {
        return JSON.parse(await readFile(memory(recipe, variant), 'utf8')) as Record<string, string>;
      } catch (error) {
        if (hasErrno(error, 'ENOENT') || error instanceof SyntaxError) return undefined;
        throw error;
      }
    },
  };
}

/**
 * Removes what builds that were killed left behind: staged directories of processes that are gone.
 * The name of a temporary holds its process.
 */
export async function sweep(home: Home): Promise<string[]> {
  const swept: string[] = [];
  const places = CACHED_STEPS.map((step) => join(home.cache, 'steps', step));
  for (const place of [...places, join(home.cache, 'work')]) {
    for (const name of await listIfAny(place)) {
      const pid = /\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name)?.[1];
      if (pid === undefined || isAlive(Number(pid))) continue;
      await removeTree(join(place, name));
      swept.push(join(place, name));
    }
  }
  return swept;
}

/** A work directory that `sweep` knows how to judge; its real path, as sandboxes know it. */
export async function workDirectory(home: Home, name: string): Promise<string> {
  const directory = temporaryBeside(join(home.cache, 'work', name));
  await mkdir(dirname(directory), { recursive: true });
  await makeOwnDirectory(directory);
  // The home may be a symlink, or be below one.
  return realpath(directory);
}

/**
 * Makes a directory whose contents belong to this process's own group, also below one that hands on its group (the set
 * group ID bit, as a directory that several people share has it): a user's own mounts know no other group, and
 * overlayfs copies nothing up that belongs to one.
 */
async function makeOwnDirectory(path: string): Promise<void> {
  await mkdir(path);
  const { mode } = await stat(path);
  if ((mode & 0o2000) === 0) return;
  await chown(path, -1, process.getgid?.() ?? -1);
  await chmod(path, mode & 0o5777);
}
