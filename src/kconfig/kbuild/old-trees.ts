import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listIfAny } from '../../platform/files.ts';
import { treeReader } from '../tree-reader.ts';

/**
 * A Makefile whose rules have one kind of target each. Those up to 2.6.35 give plain and pattern targets to one
 * rule (`config %config:`), which GNU make from 3.82 on refuses.
 */
export function separateTargets(makefile: string): string {
  return makefile.replace(/^([^\s:=#%$(),]+)[ \t]+(%[^\s:$(),]*):(?![=:])(.*\n(?:\t.*\n)*)/gm, '$1:$3$2:$3');
}

/** A tree as its make is to be run on it. */
export interface Workable {
  /** As make sees it. */
  readonly directory: string;
  /** The `.config` that its make reads and writes. */
  readonly config: string;
  /** Make's word for it. */
  readonly variables: readonly string[];
  /** True where allnoconfig takes wanted values from a file (2.6.15 and later). */
  readonly takesWantedValues: boolean;
}

/**
 * The tree itself where its make works as it is and takes a `.config` from elsewhere. Else, which is so up to
 * 2.6.35, a tree of links to it in `workplace`, with a Makefile that today's make reads: nothing in the tree
 * changes, and a `.config` that it may have stays what it is.
 * @param directory the tree's real path
 * @param seenAs the path by which make finds the tree
 */
export async function makeWorkable(
  directory: string,
  workplace: string,
  seenAs: string,
  signal?: AbortSignal,
): Promise<Workable> {
  const reader = treeReader(directory);
  const makefile = reader.read('Makefile') ?? '';
  const mended = separateTargets(makefile);
  const sources = ['conf.c', 'confdata.c'].flatMap((name) => reader.read(`scripts/kconfig/${name}`) ?? []);
  // A tree without an interpreter of its own calls another, which is one of today.
  const knows = (word: string) => sources.length === 0 || sources.some((text) => text.includes(word));
  const takesWantedValues = knows('KCONFIG_ALLCONFIG');
  if (knows('KCONFIG_CONFIG') && mended === makefile) {
    const config = join(workplace, '.config');
    // Up to 5.1 the new file is written into the tree and renamed from there, which fails where that is another
    // mount, unless the old file may be overwritten.
    const variables = [`KCONFIG_CONFIG=${config}`, 'KCONFIG_OVERWRITECONFIG=1'];
    return { directory: seenAs, config, variables, takesWantedValues };
  }
  const links = join(workplace, 'tree');
  await linkTree(directory, seenAs, links, signal);
  await writeFile(join(links, 'Makefile'), mended, 'latin1');
  return { directory: links, config: join(links, '.config'), variables: [], takesWantedValues };
}

/** Folders that configuration writes into: their files are linked one by one, the others' as a whole. */
const WRITTEN_TO = ['scripts', 'include'];
const NOT_LINKED = ['.config', 'Makefile', '.git', ...WRITTEN_TO];

async function linkTree(tree: string, seenAs: string, links: string, signal?: AbortSignal): Promise<void> {
  await mkdir(join(links, 'include/linux'), { recursive: true });
  for (const name of await readdir(tree)) {
    if (!NOT_LINKED.includes(name)) await symlink(join(seenAs, name), join(links, name));
  }
  for (const name of await listIfAny(join(tree, 'include'))) {
    if (!['config', 'linux'].includes(name))
      await symlink(join(tree, 'include', name), join(links, 'include', name));
  }
  await linkFiles(tree, seenAs, links, 'scripts', signal);
}

/** Links every file of a folder, so that what make writes beside them stays out of the tree. */
async function linkFiles(
  tree: string,
  seenAs: string,
  links: string,
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  await mkdir(join(links, folder));
  for (const entry of await readdir(join(tree, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await linkFiles(tree, seenAs, links, path, signal);
    else await symlink(join(seenAs, path), join(links, path));
  }
}
