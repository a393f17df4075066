import { posix } from 'node:path';
import { refuse } from '../cml1/lexer.ts';
import type { SourceReader } from '../cml1/tree.ts';
import { type Expression, kconfigWords, parseExpression } from './expression.ts';

export interface Where {
  readonly file: string;
  readonly line: number;
}

export interface Depends extends Where {
  readonly expression: Expression;
}

/** What entries stand in: a menu, an if or a choice, whose dependencies are theirs too. */
interface Block extends Where {
  readonly kind: 'menu' | 'if' | 'choice';
  /** A menu's. */
  readonly title: string | undefined;
  readonly depends: Depends[];
  readonly visible: Depends[];
}

/** One `config` or `menuconfig` entry. */
export interface Entry extends Where {
  readonly symbol: string;
  type: string | undefined;
  prompt: string | undefined;
  readonly promptIf: Depends[];
  readonly depends: Depends[];
  readonly blocks: readonly Block[];
}

export interface Select extends Where {
  readonly by: string;
  readonly condition: Expression | undefined;
}

/** A 2.6+ tree's Kconfig files, as far as an explanation needs them. */
export interface KbuildTree {
  readonly arch: string;
  readonly version: string | undefined;
  /** By the symbol without `CONFIG_`. */
  readonly entries: ReadonlyMap<string, readonly Entry[]>;
  /** Who selects (or implies) a symbol. */
  readonly selects: ReadonlyMap<string, readonly Select[]>;
  /** The symbol that turns modules on. */
  readonly modules: string;
}

const MAX_FILE = 4 << 20;
const MAX_SOURCE_DEPTH = 60;
const MAX_FILES = 20_000;
const TYPES = new Set(['bool', 'boolean', 'tristate', 'string', 'int', 'hex']);

/** True for a tree of the 2.6 family: it has Kconfig files and no config.in for the architecture. */
export function isKbuildTree(reader: SourceReader, arch: string): boolean {
  if (reader.read(`arch/${arch}/config.in`) !== undefined) return false;
  return rootFile(reader, arch) !== undefined;
}

function rootFile(reader: SourceReader, arch: string): string | undefined {
  return ['Kconfig', `arch/${sourceArch(reader, arch)}/Kconfig`].find(
    (path) => reader.read(path) !== undefined,
  );
}

/** i386 and x86_64 moved to arch/x86 with 2.6.24. */
function sourceArch(reader: SourceReader, arch: string): string {
  const merged = arch === 'i386' || arch === 'x86_64';
  return merged && reader.read(`arch/${arch}/Kconfig`) === undefined ? 'x86' : arch;
}

/**
 * Reads the Kconfig files of a tree: entries with prompts and dependencies, and who selects whom. Macros are
 * not run; what they come to is left to the tree's own make.
 * @throws KilnError `invalid` with file and line: files that source each other in a circle or leave the tree, a
 *   file too large to be one.
 */
export function loadKbuildTree(reader: SourceReader, arch: string, version?: string): KbuildTree {
  const root = rootFile(reader, arch);
  if (root === undefined) throw refuse(`the tree has no Kconfig for ${arch}`, 'Kconfig', 1);
  const state: State = {
    reader,
    variables: { ARCH: arch, SRCARCH: sourceArch(reader, arch), srctree: '.', objtree: '.' },
    entries: new Map(),
    selects: new Map(),
    blocks: [],
    files: 0,
    modules: 'MODULES',
  };
  readFileInto(state, root, []);
  return { arch, version, entries: state.entries, selects: state.selects, modules: state.modules };
}

interface State {
  readonly reader: SourceReader;
  readonly variables: Readonly<Record<string, string>>;
  readonly entries: Map<string, Entry[]>;
  readonly selects: Map<string, Select[]>;
  readonly blocks: Block[];
  files: number;
  modules: string;
}

function readFileInto(state: State, path: string, open: readonly Where[]): void {
  const text = state.reader.read(path);
  if (text === undefined) return;
  state.files += 1;
  if (text.length > MAX_FILE || state.files > MAX_FILES) {
    throw refuse(`${path} has ${text.length} characters, or is one of too many files`, path, 1);
  }
  let current: Entry | Block | undefined;
  for (const { line, words, number } of logicalLines(text)) {
    const at = { file: path, line: number };
    const [keyword = '', ...rest] = words;
    if (/^(r|o|or)?source$/.test(keyword)) {
      current = undefined;
      followSource(state, keyword, rest, at, open);
    } else {
      current = readStatement(state, keyword, rest, at, line, current);
    }
  }
}

interface LogicalLine {
  readonly line: string;
  readonly words: readonly string[];
  readonly number: number;
}

/** Lines without comments and help texts, continuation lines joined. */
function* logicalLines(text: string): Generator<LogicalLine> {
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index += 1) {
    const number = index + 1;
    let line = lines[index] ?? '';
    while (line.endsWith('\\') && index + 1 < lines.length) {
      index += 1;
      line = line.slice(0, -1) + (lines[index] ?? '');
    }
    const words = kconfigWords(line.replace(/^\s*#.*/, ''));
    if (words[0] === 'help' || line.trim() === '---help---') index = endOfHelp(lines, index + 1) - 1;
    else if (words.length > 0) yield { line, words, number };
  }
}

/** A help text ends before the first line that is indented less than its first one. */
function endOfHelp(lines: readonly string[], start: number): number {
  let indent: number | undefined;
  for (let index = start; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (line.trim() === '') continue;
    const width = line.slice(0, line.search(/\S/)).replace(/\t/g, '        ').length;
    if (indent === undefined && width === 0) return index;
    indent ??= width;
    if (width < indent) return index;
  }
  return lines.length;
}

/** The help text of an entry, without its indent; undefined where it has none. */
export function helpOf(text: string, entry: Where): string | undefined {
  const lines = text.split('\n');
  for (let index = entry.line; index < lines.length; index += 1) {
    const line = (lines[index] ?? '').trim();
    if (/^(menu)?config\b|^(end)?(menu|if|choice)\b|^source\b|^comment\b/.test(line)) return undefined;
    if (line !== 'help' && line !== '---help---') continue;
    const help = lines.slice(index + 1, endOfHelp(lines, index + 1));
    const indent = help.find((each) => each.trim() !== '')?.search(/\S/) ?? 0;
    return help
      .map((each) => each.slice(Math.min(indent, each.search(/\S|$/))))
      .join('\n')
      .trim();
  }
  return undefined;
}

function followSource(
  state: State,
  keyword: string,
  words: readonly string[],
  at: Where,
  open: readonly Where[],
): void {
  const written = unquote(words.join('')).replace(
    /\$\(?\{?(\w+)\)?\}?/g,
    (_, name: string) => state.variables[name] ?? '',
  );
  const relative = keyword === 'rsource' || keyword === 'orsource';
  const path = posix.normalize(relative ? posix.join(posix.dirname(at.file), written) : written);
  if (path.startsWith('/') || path.startsWith('..'))
    throw refuse(`source ${written} leaves the tree`, at.file, at.line);
  if (path === at.file || open.some(({ file }) => file === path)) {
    throw refuse(`source goes round in a circle through ${path}`, at.file, at.line);
  }
  if (open.length > MAX_SOURCE_DEPTH) {
    throw refuse(`files source each other more than ${MAX_SOURCE_DEPTH} deep`, at.file, at.line);
  }
  readFileInto(state, path, [...open, at]);
}

function readStatement(
  state: State,
  keyword: string,
  rest: readonly string[],
  at: Where,
  line: string,
  current: Entry | Block | undefined,
): Entry | Block | undefined {
  switch (keyword) {
    case 'config':
    case 'menuconfig':
      return addEntry(state, rest[0] ?? '', at);
    case 'menu':
    case 'choice':
      return openBlock(state, keyword, at, keyword === 'menu' ? unquote(rest[0] ?? '') : undefined);
    case 'if': {
      const block = openBlock(state, 'if', at, undefined);
      addExpression(block.depends, rest, at);
      return undefined;
    }
    case 'endmenu':
    case 'endchoice':
    case 'endif':
      state.blocks.pop();
      return undefined;
    case 'comment':
    case 'mainmenu':
      return undefined;
    default:
      if (current !== undefined && !/^[\w-]+\s*[:+]?=/.test(line))
        readAttribute(state, current, keyword, rest, at);
      return current;
  }
}

function addEntry(state: State, symbol: string, at: Where): Entry {
  const entry: Entry = {
    ...at,
    symbol,
    type: undefined,
    prompt: undefined,
    promptIf: [],
    depends: [],
    blocks: [...state.blocks],
  };
  const known = state.entries.get(symbol);
  if (known === undefined) state.entries.set(symbol, [entry]);
  else known.push(entry);
  return entry;
}

function openBlock(state: State, kind: Block['kind'], at: Where, title: string | undefined): Block {
  const block: Block = { ...at, kind, title, depends: [], visible: [] };
  state.blocks.push(block);
  return block;
}

function readAttribute(
  state: State,
  current: Entry | Block,
  keyword: string,
  rest: readonly string[],
  at: Where,
): void {
  if (keyword === 'depends') {
    addExpression(current.depends, rest[0] === 'on' ? rest.slice(1) : rest, at);
    return;
  }
  if (!('symbol' in current)) {
    if (keyword === 'visible') addExpression(current.visible, rest.slice(1), at);
    return;
  }
  if (TYPES.has(keyword)) {
    current.type = keyword === 'boolean' ? 'bool' : keyword;
    if (rest.length > 0) setPrompt(current, rest, at);
  } else if (keyword === 'prompt') {
    setPrompt(current, rest, at);
  } else if (keyword.startsWith('def_')) {
    current.type = keyword.slice(4);
  } else if (keyword === 'select' || keyword === 'imply') {
    addSelect(state, current.symbol, rest, at);
  } else if (keyword === 'modules' || (keyword === 'option' && rest[0] === 'modules')) {
    state.modules = current.symbol;
  }
}

function setPrompt(entry: Entry, words: readonly string[], at: Where): void {
  entry.prompt = unquote(words[0] ?? '');
  if (words[1] === 'if') addExpression(entry.promptIf, words.slice(2), at);
}

function addSelect(state: State, by: string, words: readonly string[], at: Where): void {
  const [target = '', word, ...condition] = words;
  const select: Select = { ...at, by, condition: word === 'if' ? parseExpression(condition) : undefined };
  const known = state.selects.get(target);
  if (known === undefined) state.selects.set(target, [select]);
  else known.push(select);
}

function addExpression(to: Depends[], words: readonly string[], at: Where): void {
  const expression = parseExpression(words.filter((word) => word !== '\\'));
  if (expression !== undefined) to.push({ ...at, expression });
}

function unquote(word: string): string {
  return /^(['"]).*\1$/s.test(word) ? word.slice(1, -1) : word;
}
