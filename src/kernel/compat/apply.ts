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

/**
 * Applies rules to a tree, in their order. Every file is read at most once, and written only when a rule changed it: into a
 * new file that takes the old one's place, so that hard links to it elsewhere keep the old text.
 * Symbolic links are never followed. Applying rules to a tree that has them already changes nothing.
 * @param tree the kernel tree's directory
 */
export function applyCompat(
  tree: string,
  rules: readonly CompatRule[],
  signal?: AbortSignal,
): CompatReport[] {
  const texts = new Map<string, string | undefined>();
  const readRegular = regularReader();
  const peek = (path: string): string | undefined => {
    if (!texts.has(path)) texts.set(path, readRegular(join(tree, path)));
    return texts.get(path);
  };
  const active = rules.filter((rule) => rule.guard?.(peek) !== false);
  const touched = new Map<string, string[]>(active.map((rule) => [rule.id, []]));
  for (const [path, chosen] of rulesByFile(tree, active)) {
    signal?.throwIfAborted();
    const before = peek(path);
    texts.delete(path);
    if (before === undefined) continue;
    const after = chosen.reduce((text, rule) => {
      const next = rule.rewrite(text, path);
      if (next !== text) touched.get(rule.id)?.push(path);
      return next;
    }, before);
    if (after !== before) replaceFile(join(tree, path), after);
  }
  return active
    .map(({ id, reason }) => ({ rule: id, reason, files: (touched.get(id) ?? []).sort() }))
    .filter(({ files }) => files.length > 0);
}

/** Every file that some rule wants to see, with its rules in their order. */
function rulesByFile(tree: string, rules: readonly CompatRule[]): Map<string, CompatRule[]> {
  const byFile = new Map<string, CompatRule[]>();
  const add = (path: string, rule: CompatRule) => {
    const known = byFile.get(path);
    if (known === undefined) byFile.set(path, [rule]);
    else known.push(rule);
  };
  const folders = new Set(rules.flatMap(({ files }) => (isPattern(files) ? files.under : [])));
  const listed = new Map([...folders].map((folder) => [folder, listFiles(tree, folder)]));
  for (const rule of rules) {
    if (!isPattern(rule.files)) {
      for (const path of rule.files) add(path, rule);
      continue;
    }
    const pattern = rule.files;
    for (const folder of pattern.under) {
      for (const path of listed.get(folder) ?? []) if (pattern.matches(path)) add(path, rule);
    }
  }
  return byFile;
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
