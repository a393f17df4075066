import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../../platform/errors.ts';
import { temporaryBeside } from '../../platform/files.ts';
import type { CompatRule, FilePattern } from './rule.ts';

/** What one rule did to a tree. */
export interface CompatReport {
  readonly rule: string;
  readonly reason: string;
  /** The files it changed, sorted; rules that changed none are left out of the report. */
  readonly files: readonly string[];
}

/** A file, and the rules that want to see it: indices in a list of rules, ascending. */
export type FileRules = readonly [path: string, rules: readonly number[]];

/** A rule, by its index, that changed a file. */
export type Change = readonly [rule: number, path: string];

/**
 * Applies rules to a tree, in their order. Every file is written at most once, and only when a rule changed it: into a
 * new file that takes the old one's place, so that hard links to it elsewhere keep the old text.
 * Symbolic links are never followed. Applying rules to a tree that has them already changes nothing.
 * @param tree the kernel tree's directory
 */
export function applyCompat(
  tree: string,
  rules: readonly CompatRule[],
  signal?: AbortSignal,
): CompatReport[] {
  return reportOf(rules, rewriteFiles(tree, rules, planCompat(tree, rules), signal));
}

/** Every file of a tree that some rule wants to see; rules whose guard finds no need for them want to see none. */
export function planCompat(tree: string, rules: readonly CompatRule[]): FileRules[] {
  const read = regularReader();
  const peek = (path: string) => read(join(tree, path));
  const byFile = new Map<string, number[]>();
  const add = (path: string, rule: number) => {
    const known = byFile.get(path);
    if (known === undefined) byFile.set(path, [rule]);
    else known.push(rule);
  };
  const listed = new Map<string, readonly string[]>();
  const list = (folder: string) => {
    const found = listed.get(folder) ?? listFiles(tree, folder);
    listed.set(folder, found);
    return found;
  };
  for (const [index, { files, guard }] of rules.entries()) {
    if (guard?.(peek) === false) continue;
    if (isPattern(files)) {
      for (const path of files.under.flatMap(list)) if (files.matches(path)) add(path, index);
    } else for (const path of files) add(path, index);
  }
  return [...byFile];
}

/** Lets rules have files, one file after another. No file depends on what another one says. */
export function rewriteFiles(
  tree: string,
  rules: readonly CompatRule[],
  files: readonly FileRules[],
  signal?: AbortSignal,
): Change[] {
  const read = regularReader();
  const changes: Change[] = [];
  for (const [path, chosen] of files) {
    signal?.throwIfAborted();
    const before = read(join(tree, path));
    if (before === undefined) continue;
    const after = chosen.reduce((text, index) => {
      const next = rules[index]?.rewrite(text, path) ?? text;
      if (next !== text) changes.push([index, path]);
      return next;
    }, before);
    if (after !== before) replaceFile(join(tree, path), after);
  }
  return changes;
}

/** What each rule did, in the rules' order. */
export function reportOf(rules: readonly CompatRule[], changes: readonly Change[]): CompatReport[] {
  const touched = new Map<number, string[]>();
  for (const [index, path] of changes) touched.set(index, [...(touched.get(index) ?? []), path]);
  return rules.flatMap(({ id, reason }, index) => {
    const files = touched.get(index);
    return files === undefined ? [] : [{ rule: id, reason, files: files.sort() }];
  });
}

function isPattern(files: CompatRule['files']): files is FilePattern {
  return 'under' in files;
}

/** Headers of other architectures: nothing of an i386 build reads them. */
const OTHER_HEADERS = /^include\/asm-(?!i386$|generic$)/;

function listFiles(tree: string, folder: string): string[] {
  const found: string[] = [];
  const visit = (path: string) => {
    for (const entry of entriesOf(join(tree, path))) {
      const child = `${path}/${entry.name}`;
      if (entry.isFile()) found.push(child);
      else if (entry.isDirectory() && !OTHER_HEADERS.test(child)) visit(child);
    }
  };
  visit(folder);
  return found;
}

function entriesOf(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** Reads regular files and no others, ten thousand of them by way of one piece of memory. */
function regularReader(): (path: string) => string | undefined {
  let memory = Buffer.allocUnsafeSlow(1 << 20);
  return (path) => {
    const file = openRegular(path);
    if (file === undefined) return undefined;
    try {
      const status = fstatSync(file);
      if (!status.isFile()) return undefined;
      if (status.size > memory.length) memory = Buffer.allocUnsafeSlow(2 * status.size);
      let length = 0;
      while (length < status.size) {
        const count = readSync(file, memory, length, status.size - length, null);
        if (count === 0) break;
        length += count;
      }
      return memory.toString('latin1', 0, length);
    } finally {
      closeSync(file);
    }
  };
}

/** A descriptor of a file; undefined where there is none, or something that is not to be followed or waited for. */
function openRegular(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
    throw error;
  }
}

function replaceFile(path: string, text: string): void {
  const { mode } = statSync(path);
  const temporary = temporaryBeside(path);
  writeFileSync(temporary, text, { encoding: 'latin1', mode: mode & 0o777 });
  renameSync(temporary, path);
}
