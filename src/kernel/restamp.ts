import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { run } from '../platform/process.ts';

/*
 * What of a 2.2 or 2.4 kernel depends on its release. UTS_RELEASE stands in include/linux/version.h beside
 * LINUX_VERSION_CODE, half of all sources read that header, and make, which knows nothing but times, compiles
 * them all again for another EXTRAVERSION: 270 of 310 objects of 2.4.22. The text itself is in very few of them:
 * in init/version.o, setup.S, a logo, some drivers; and in every module, as `kernel_version=` in its .modinfo.
 * A release of the same length can take the other's place there, byte for byte as the compiler would have put
 * it; whatever else holds the old text is removed, and make builds it again.
 */

/** What became of a tree's results when its release changed. */
export interface Restamped {
  /** Modules and their parts whose .modinfo was rewritten. */
  readonly stamped: number;
  /** Files that make has to build again, relative to the tree. */
  readonly removed: readonly string[];
}

/** Where the build of an old kernel puts nothing that could name its release. */
const PASSED_OVER = new Set(['Documentation', 'config', '.git']);
const MODINFO = 'kernel_version=';

/** Whether `restamp` can turn a tree built as `from` into one built as `to`. */
export function canRestamp(from: string, to: string): boolean {
  return from.length === to.length;
}

/** C sources that name UTS_RELEASE themselves: what they compile to may hide it. */
export async function namesRelease(tree: string, signal?: AbortSignal): Promise<string[]> {
  const result = await run('grep', ['-rlw', '--include=*.c', '-e', 'UTS_RELEASE', '.'], {
    cwd: tree,
    capture: true,
    ...(signal === undefined ? {} : { signal }),
  });
  signal?.throwIfAborted();
  if (result.exitCode !== 0 && result.exitCode !== 1) throw new Error(`grep: ${result.tail.join('\n')}`);
  return result.stdout
    .toString('latin1')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^\.\//, ''));
}

/** Where a built tree has its release, paths relative to the tree. */
export interface ReleasePlaces {
  /** Modules and their parts, with the offsets in their .modinfo. */
  readonly stamped: ReadonlyMap<string, readonly number[]>;
  /** All else that make has built and that holds it. */
  readonly holders: readonly string[];
}

/**
 * Finds what of a built tree holds its release.
 * @param isSource tells the files of the source tree from what the build has made
 */
export function releasePlaces(
  tree: string,
  release: string,
  isSource: (path: string) => boolean,
): ReleasePlaces {
  const stamped = new Map<string, readonly number[]>();
  const holders: string[] = [];
  for (const path of generatedFiles(tree, isSource)) {
    if (path === 'include/linux/version.h') continue;
    const bytes = readFileSync(join(tree, path));
    const places: number[] = [];
    for (let at = bytes.indexOf(release); at >= 0; at = bytes.indexOf(release, at + 1)) places.push(at);
    if (places.length === 0) continue;
    const isModinfo = (at: number) =>
      bytes.toString('latin1', Math.max(0, at - MODINFO.length), at) === MODINFO &&
      bytes[at + release.length] === 0;
    if (path.endsWith('.o') && places.every(isModinfo)) stamped.set(path, places);
    else holders.push(path);
  }
  return { stamped, holders };
}

/**
 * Makes a tree that was built as one release look as if it had been built as another up to what make then builds
 * anew. The times of all that stays are kept.
 * @param places where the tree has `from`
 * @param naming sources that name UTS_RELEASE, as `namesRelease` finds them
 * @throws KilnError `failed` where the tree was not built as `from`
 */
export function restamp(
  tree: string,
  from: string,
  to: string,
  places: ReleasePlaces,
  naming: readonly string[],
): Restamped {
  if (!canRestamp(from, to)) throw new Error(`${to} can't take the place of ${from}`);
  replaceKeepingTime(join(tree, 'include/linux/version.h'), `"${from}"`, `"${to}"`);
  for (const [path, offsets] of places.stamped) stampFile(join(tree, path), offsets, to);
  const objects = naming.map((path) => path.replace(/\.c$/, '.o'));
  const removed = [...new Set([...places.holders, ...objects])].sort();
  for (const path of removed) rmSync(join(tree, path), { force: true });
  return { stamped: places.stamped.size, removed };
}

/**
 * Removes what the makefiles of 2.2 and 2.4 would keep although the configuration it was made for is another: the rules
 * of arch/i386/boot know neither what their sources include nor the flags, and 2.2 installs every module that modules/ has
 * a link to, those of configurations before too.
 * @param isSource as for `releasePlaces`
 */
export function forgetUntracked(tree: string, isSource: (path: string) => boolean): void {
  const folder = 'arch/i386/boot';
  for (const entry of readdirSync(join(tree, folder), { recursive: true, withFileTypes: true })) {
    const path = relative(tree, join(entry.parentPath, entry.name));
    if (entry.isFile() && /\.[os]$/.test(entry.name) && !isSource(path)) rmSync(join(tree, path));
  }
  // The directory itself stays: it is made with the configuration.
  const links = join(tree, 'modules');
  if (!existsSync(links)) return;
  for (const name of readdirSync(links)) if (!isSource(`modules/${name}`)) rmSync(join(links, name));
}

/** Everything in a tree that is not of its source, relative. */
function generatedFiles(tree: string, isSource: (path: string) => boolean): string[] {
  const found: string[] = [];
  const visit = (folder: string) => {
    for (const entry of readdirSync(join(tree, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!PASSED_OVER.has(entry.name)) visit(path);
      } else if (entry.isFile() && mayHold(entry.name) && !isSource(path)) found.push(path);
    }
  };
  visit('');
  return found;
}

/** Dependencies and flags are text about files, never about releases. */
function mayHold(name: string): boolean {
  return !name.endsWith('.flags') && name !== '.depend' && name !== '.hdepend' && !/\.[ch]$/.test(name);
}

function stampFile(path: string, offsets: readonly number[], release: string): void {
  const { atimeMs, mtimeMs } = statSync(path);
  const bytes = readFileSync(path);
  for (const at of offsets) bytes.write(release, at, 'latin1');
  writeFileSync(path, bytes);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
}

/** Replaces text in a file of which make shall not notice that it has changed. */
function replaceKeepingTime(path: string, from: string, to: string): void {
  const before = readFileSync(path, 'latin1');
  const after = before.replace(from, () => to);
  if (after === before) {
    throw new KilnError('failed', `${path} does not say ${from}: the tree was built as something else`);
  }
  const { atimeMs, mtimeMs } = statSync(path);
  writeFileSync(path, after, 'latin1');
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
}
