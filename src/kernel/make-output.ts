import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

/** A reader of make's output: which files were compiled, and what went wrong first. */
export interface MakeOutput {
  /** Takes one line of either stream, in order. */
  push(line: string): void;
  /** Files compiled so far. */
  readonly compiled: number;
  /** The first lines that name what is wrong: compiler, assembler and linker errors, missing files. */
  readonly errors: readonly string[];
  /** Source files that make has no rule for, because they are not there; relative to the tree. */
  readonly missing: readonly string[];
}

const ERROR_LIMIT = 20;

const DIRECTORY = /^make(?:\[\d+\])?: (Entering|Leaving) directory '(.*)'$/;
/** A compiler's command line, as make prints it. */
const COMPILE = /^[^\s:]\S* (?:.* )?-c (?:.* )?(\S+\.[cS])(?: |$)/;
/** What the makefiles since 2.6 print in the place of a compiler's command line. */
const KBUILD_COMPILE = /^ {2}(?:CC|AS)(?: \[M\])? +(\S+\.o)$/;
const AT_FILE = /^([^\s:]+):(\d+)(?::\d+)?: (?:fatal )?(?:error|Error): /;
const HEADER = /: fatal error: ([^\s:]+\.h): No such file or directory/;
const ASSEMBLER = /^\{standard input\}:\d+: Error: /;
const LINKER =
  /undefined reference to |multiple definition of |^(?:\S*ld|\S+\.o)(?::.*)?: (?:cannot find|final link failed|.*(?:overflow|truncated|not found))/;
const NO_RULE = /\*\*\* No rule to make target ['`]([^']+)'/;
/** What a shell, or make in its place, says of a program that can't be run. */
const SHELL =
  /^\S*sh: (?:line )?\d+: .*: (?:(?:command )?not found|No such file or directory|Permission denied)$|^make(?:\[\d+\])?: \S+: (?:No such file or directory|Permission denied)$/;
const COMPILER_BROKE =
  /^(?:gcc|cc1|\S*\/gcc\S*): (?:fatal )?(?:error|internal compiler error)|internal compiler error/;

/**
 * Reads make's output. Paths in compiler errors are made relative to the tree, by the directory that make
 * says it is in (with `--output-sync=target` and both streams in one that is right even when jobs run side by side).
 */
export function readMakeOutput(tree: string, onCompiled: (file: string) => void): MakeOutput {
  const directories: string[] = [];
  const errors: string[] = [];
  const missing: string[] = [];
  let compiled = 0;
  const inTree = (file: string) =>
    relative(tree, join(file.startsWith('/') ? '/' : (directories.at(-1) ?? tree), file));
  const report = (line: string) => {
    if (errors.length < ERROR_LIMIT && !errors.includes(line)) errors.push(line);
  };
  return {
    push(line) {
      const directory = DIRECTORY.exec(line);
      if (directory !== null) {
        if (directory[1] === 'Entering') directories.push(directory[2] ?? tree);
        else directories.pop();
        return;
      }
      const file = COMPILE.exec(line)?.[1] ?? KBUILD_COMPILE.exec(line)?.[1];
      if (file !== undefined) {
        compiled++;
        onCompiled(inTree(file));
        return;
      }
      const place = AT_FILE.exec(line);
      const target = NO_RULE.exec(line)?.[1];
      const header = HEADER.exec(line)?.[1];
      // A header that is there in other case alone was lost on its way here; others are the source's own fault.
      if (header !== undefined && caseTwin(tree, `include/${header}`) !== undefined) {
        missing.push(`include/${header}`);
      }
      if (place !== null) report(inTree(place[1] ?? '') + line.slice(place[1]?.length ?? 0));
      else if (target !== undefined) {
        report(line);
        missing.push(...missingSource(inTree(target), tree));
      } else if (ASSEMBLER.test(line) || LINKER.test(line) || SHELL.test(line) || COMPILER_BROKE.test(line))
        report(line);
    },
    get compiled() {
      return compiled;
    },
    errors,
    missing,
  };
}

/** The source that a target without a rule is made from: an object's .c file, or the target itself. */
function missingSource(target: string, tree: string): string[] {
  if (target.startsWith('..')) return [];
  return /\.[oS]$|\.[chs]$/.test(target) ? [sourceOf(target, tree)] : [];
}

function sourceOf(target: string, tree: string): string {
  if (!target.endsWith('.o')) return target;
  const stem = target.slice(0, -2);
  const slash = stem.lastIndexOf('/');
  const names = listOf(join(tree, stem.slice(0, Math.max(slash, 0))));
  return names.includes(`${stem.slice(slash + 1)}.S`) ? `${stem}.S` : `${stem}.c`;
}

/** A file of the same folder whose name differs in case alone, as trees have that went through a folding file system. */
export function caseTwin(tree: string, path: string): string | undefined {
  const slash = path.lastIndexOf('/');
  const folder = path.slice(0, Math.max(slash, 0));
  const name = path.slice(slash + 1);
  const twin = listOf(join(tree, folder)).find(
    (other) => other !== name && other.toLowerCase() === name.toLowerCase(),
  );
  return twin === undefined ? undefined : join(folder, twin);
}

function listOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
