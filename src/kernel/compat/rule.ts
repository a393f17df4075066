/**
 * A compatibility rule: what today's compiler or binutils refuse or silently break in a kernel of its time,
 * and how to say it so that they don't. Rules are pure functions over a file's text (latin1, so that every
 * byte survives), applying one twice is the same as applying it once, and a rule acts on what it finds in the
 * tree, not on a version number.
 */
export interface CompatRule {
  readonly id: string;
  /** Why the rule is there: what goes wrong without it. One sentence, for the report. */
  readonly reason: string;
  readonly files: FileChoice;
  /** False where the tree needs no such rule, or where it would do harm. Default: always. */
  readonly guard?: (peek: Peek) => boolean;
  /** The new text; the same text where there is nothing to do. */
  rewrite(text: string, path: string): string;
}

/** Text of another file of the tree, or undefined where there is none. */
export type Peek = (path: string) => string | undefined;

/** Files by name, or every file of some folders that a predicate accepts. Paths are relative, with `/`. */
export type FileChoice = readonly string[] | FilePattern;

export interface FilePattern {
  /** Folders to search, e.g. `drivers`; folders of other architectures are never entered. */
  readonly under: readonly string[];
  readonly matches: (path: string) => boolean;
}

/** C sources and headers. */
export function isCSource(path: string): boolean {
  return path.endsWith('.c') || path.endsWith('.h');
}

/** The folders of a kernel tree that hold C code of every architecture's or of i386's. */
export const C_FOLDERS: readonly string[] = [
  'arch/i386',
  'crypto',
  'drivers',
  'fs',
  'include',
  'init',
  'ipc',
  'kernel',
  'lib',
  'mm',
  'net',
];
