import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { sourceNames, sourceSpec } from '../pipeline/inputs.ts';
import { CHECKOUT, type LoadedRecipe } from '../pipeline/recipes.ts';
import { hasErrno } from '../platform/errors.ts';
import { Wake } from '../queue/wake.ts';
import type { WatchContext } from './context.ts';
import { localPath } from './local.ts';
import type { Upstream } from './look.ts';
import { lookOnce } from './pass.ts';
import type { WatchReport } from './report.ts';
import { recipePath } from './revision.ts';
import { Settling } from './settle.ts';

export interface WatchingOptions {
  /** Which listings the first look asks. */
  readonly first: Upstream;
  /** How long before listings are asked where the first look asks none, in milliseconds. */
  readonly secondMs?: number;
  readonly onReport: (report: WatchReport) => void;
  /** Told of a look that could not be done, or that found a bug; there is another one a minute later. */
  readonly onError: (error: unknown) => void;
  /** Told when edits from now on are seen. */
  readonly onReady?: () => void;
}

/** Files are looked at this often, whatever the system tells of them. */
const LONGEST_NAP_MS = 10 * 60_000;
const AFTER_ERROR_MS = 60_000;
const SHORTEST_NAP_MS = 1000;

/**
 * Looks upstream when it is time and at files when they were edited and have settled, until the signal is aborted.
 * @throws the signal's reason
 */
export async function watchOn(context: WatchContext, options: WatchingOptions): Promise<void> {
  const settling = new Settling();
  const wake = new Wake();
  const edits = new Edits(() => {
    settling.note(context.now());
    wake.notify();
  });
  let ready = false;
  try {
    let upstream = options.first;
    // Where the first look asks nobody, the second does.
    let asking = upstream === 'none' ? context.now() + (options.secondMs ?? AFTER_ERROR_MS) : undefined;
    for (;;) {
      let next = context.now() + AFTER_ERROR_MS;
      try {
        const pass = await lookOnce(context, { upstream });
        options.onReport(pass.report);
        next = Math.min(pass.next ?? Number.POSITIVE_INFINITY, context.now() + LONGEST_NAP_MS);
        // What was edited while nobody heard of it is seen by another look.
        if (edits.follow(filesOf(pass.recipes))) settling.note(context.now());
        if (!ready) options.onReady?.();
        ready = true;
      } catch (error) {
        context.signal.throwIfAborted();
        options.onError(error);
      }
      await untilDue(asking ?? Math.max(next, context.now() + SHORTEST_NAP_MS));
      if (asking !== undefined && context.now() >= asking) asking = undefined;
      upstream = asking === undefined ? 'due' : 'none';
    }
  } finally {
    edits.close();
  }

  async function untilDue(due: number): Promise<void> {
    for (;;) {
      const { count } = wake;
      const now = context.now();
      if (settling.take(now) || now >= due) return;
      await wake.wait(count, Math.max(1, Math.min(due, settling.readyAt ?? due) - now), context.signal);
    }
  }
}

/** The files that a recipe is made of: what is edited by hand. */
function filesOf(recipes: readonly LoadedRecipe[]): Set<string> {
  const files = new Set<string>();
  for (const recipe of recipes) {
    files.add(recipePath(recipe));
    const { config, series, kernel, patches, variants } = recipe.recipe;
    files.add(recipe.lockFile);
    for (const name of [
      ...config.fragments,
      ...Object.values(variants).flatMap(({ fragments }) => fragments),
    ]) {
      files.add(
        name.endsWith('.config')
          ? resolve(recipe.directory, name)
          : join(CHECKOUT, 'kconfig', `${name}.config`),
      );
    }
    if (config.prefer !== undefined) files.add(resolve(recipe.directory, config.prefer));
    if (config.base !== 'arch' && config.base !== 'none') files.add(resolve(recipe.directory, config.base));
    for (const name of series) files.add(resolve(recipe.directory, name));
    for (const source of sourceNames(recipe)) {
      const path = localPath(recipe, sourceSpec(recipe, {}, source).urls);
      if (path !== undefined) files.add(path);
    }
    const watched = [kernel.watch, ...patches.map((patch) => patch.watch)];
    for (const rule of watched) {
      const directory = rule?.index === undefined ? undefined : localPath(recipe, [rule.index]);
      if (directory !== undefined) files.add(join(directory, '*'));
    }
  }
  return files;
}

/** Tells of edits. Directories are watched, not files: an editor puts a new file in the old one's place. */
class Edits {
  readonly #onEdit: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #files: ReadonlySet<string> = new Set();

  constructor(onEdit: () => void) {
    this.#onEdit = onEdit;
  }

  /** Watches these files and no others. @returns whether there are directories that were not watched before */
  follow(files: ReadonlySet<string>): boolean {
    this.#files = files;
    const directories = new Set([...files].map((file) => dirname(file)));
    for (const [directory, watcher] of this.#watchers) {
      if (directories.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    let more = false;
    for (const directory of directories) {
      if (this.#watchers.has(directory)) continue;
      const watcher = this.#watch(directory);
      if (watcher === undefined) continue;
      this.#watchers.set(directory, watcher);
      more = true;
    }
    return more;
  }

  #watch(directory: string): FSWatcher | undefined {
    try {
      const watcher = watch(directory, (_event, name) => {
        if (name === null || this.#isOurs(directory, basename(name))) this.#onEdit();
      });
      // A directory that goes away is looked at again by the next look.
      watcher.on('error', () => {
        watcher.close();
        this.#watchers.delete(directory);
      });
      return watcher;
    } catch (error) {
      // Not there, or the system watches no more: what is edited is then seen when it is looked at all the same.
      if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ENOSPC', 'EMFILE')) return undefined;
      throw error;
    }
  }

  #isOurs(directory: string, name: string): boolean {
    return this.#files.has(join(directory, name)) || this.#files.has(join(directory, '*'));
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
  }
}
