import { existsSync, readdirSync, readFileSync, utimesSync } from 'node:fs';
import { join, relative } from 'node:path';

/*
 * `make dep` of 2.2 and 2.4 lists what every source includes, whatever is configured: its result is the same for
 * every configuration of a tree. There are two exceptions. It goes only into the directories that the Makefiles
 * name, and some name one under a condition; and with CONFIG_MODVERSIONS it makes the headers with the symbols'
 * versions, which are compiled from the configured sources.
 */

const MODULE_VERSIONS = 'CONFIG_MODVERSIONS';

/**
 * Symbols that decide where `make dep` of a tree goes: those in conditions around lines that name directories.
 * @param tree the kernel tree's directory
 */
export function dependSymbols(tree: string): Set<string> {
  const symbols = new Set<string>();
  for (const path of makefiles(tree)) {
    for (const symbol of symbolsAround(readFileSync(join(tree, path), 'latin1'))) symbols.add(symbol);
  }
  return symbols;
}

/** Whether the dependencies made under one configuration are those of another. */
export function sharesDependencies(before: string, after: string, symbols: ReadonlySet<string>): boolean {
  const one = valuesOf(before);
  const other = valuesOf(after);
  if (other.get(MODULE_VERSIONS) === 'y' || one.get(MODULE_VERSIONS) === 'y') return before === after;
  return [...symbols].every((symbol) => one.get(symbol) === other.get(symbol));
}

/** The time that every file of a prepared tree has: whatever is built from it is newer. */
const TREE_TIME = new Date('2000-01-01T00:00:00Z');

/** Gives every file of a tree that nothing was built in `TREE_TIME`. */
export function levelTimes(tree: string): void {
  for (const path of filesBelow(tree, '.')) utimesSync(join(tree, path), TREE_TIME, TREE_TIME);
}

/**
 * Gives what configuration and dependencies have made the time of the tree's own files. A rule of .hdepend touches
 * every header that includes a newer one, and sub-makes that run at the same time do it over and over: an object that
 * was compiled in between would count as out of date in the next build, and with it most of the kernel. Where all
 * headers are of one age nothing is touched; a change of the configuration still makes its own headers newer.
 * For a tree in which nothing was compiled yet.
 */
export function settleTimes(tree: string): void {
  const made = ['Makefile', 'autoconf.h', 'version.h', 'compile.h', 'modversions.h'].map((name) =>
    name === 'Makefile' ? name : `include/linux/${name}`,
  );
  for (const path of [...made, ...filesBelow(tree, 'include/config').filter((name) => name.endsWith('.h'))]) {
    if (existsSync(join(tree, path))) utimesSync(join(tree, path), TREE_TIME, TREE_TIME);
  }
}

function filesBelow(tree: string, folder: string): string[] {
  if (!existsSync(join(tree, folder))) return [];
  return readdirSync(join(tree, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(tree, join(entry.parentPath, entry.name)));
}

/** The Makefiles of everything but other architectures. */
function makefiles(tree: string): string[] {
  const found: string[] = [];
  const visit = (folder: string) => {
    for (const entry of readdirSync(join(tree, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!/^(?:arch\/(?!i386$)|Documentation$|include$|\.)/.test(path)) visit(path);
      } else if (entry.name === 'Makefile' || entry.name === 'Rules.make') found.push(path);
    }
  };
  visit('');
  return found;
}

/** A line that names directories to go into. */
const DIRECTORIES =
  /(?:^|[\s-])(?:SUBDIRS|SUB_DIRS|MOD_SUB_DIRS|ALL_SUB_DIRS|MOD_IN_SUB_DIRS|subdir-[\w$()]*)\s*[:+]?=/;

/** The symbols of the conditions that stand around lines that name directories. */
function symbolsAround(text: string): Set<string> {
  const found = new Set<string>();
  const open: string[][] = [];
  for (const line of text.split('\n')) {
    const word = /^\s*(ifn?eq|ifn?def|else|endif)\b(.*)/.exec(line);
    if (word?.[1] === 'endif') open.pop();
    else if (word !== null && word[1] !== 'else') open.push(line.match(/CONFIG_\w+/g) ?? []);
    else if (DIRECTORIES.test(line)) for (const symbol of open.flat()) found.add(symbol);
  }
  return found;
}

function valuesOf(config: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [, symbol = '', value = ''] of config.matchAll(/^(CONFIG_\w+)=(.*)$/gm))
    values.set(symbol, value);
  return values;
}
