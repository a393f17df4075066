import type { Choice, Condition, DefineType, DepType, Node } from './ast.ts';
import { parseTest, show } from './condition.ts';
import { refuse, type Token, tokenize, type Word } from './lexer.ts';

/** Deeper than any Config.in of a tree (they stop at 9), and far from the end of our own stack. */
const MAX_DEPTH = 100;
const KEYWORDS = new Set(['if', 'then', 'else', 'elif', 'fi']);
const ASKS = new Set(['bool', 'tristate', 'int', 'hex', 'string']);
const DEPS = new Set(['dep_bool', 'dep_mbool', 'dep_tristate']);
const DEFINES = new Set(['define_bool', 'define_tristate', 'define_int', 'define_hex', 'define_string']);
const UNKNOWN_TO_TREES = new Set(['text', 'nchoice', 'dep_int', 'dep_hex', 'dep_string']);

/**
 * Reads one Config.in (CML1, Documentation/kbuild/config-language.txt) into its statements.
 * @param file its path in the tree, for messages and for the statements' places.
 * @throws KilnError `invalid` with file and line for what is not of the language.
 */
export function parseConfigIn(text: string, file: string): Node[] {
  const parser = new Parser(tokenize(text, file), file);
  const nodes: Node[] = [];
  try {
    parser.list([], 0, nodes);
  } catch (error) {
    if (!(error instanceof EmptyBody)) throw error;
    // The shell reads a command to its end before it runs it: what was whole before this one has run.
    nodes.push({ kind: 'broken', file, line: error.line });
  }
  return nodes;
}

class EmptyBody extends Error {
  readonly line: number;

  constructor(line: number) {
    super(`an if without a statement in line ${line}`);
    this.line = line;
  }
}

class Parser {
  private readonly tokens: readonly Token[];
  private readonly file: string;
  private at = 0;

  constructor(tokens: readonly Token[], file: string) {
    this.tokens = tokens;
    this.file = file;
  }

  /** Statements up to one of the keywords (left unread), or to the end where none is given. */
  list(until: readonly string[], depth: number, nodes: Node[] = []): Node[] {
    if (depth > MAX_DEPTH) throw this.error(`if is nested more than ${MAX_DEPTH} deep`);
    for (;;) {
      this.skipSeparators();
      const word = this.word();
      if (word === undefined) {
        const token = this.tokens[this.at];
        if (token !== undefined && 'operator' in token)
          throw this.error(`'${token.operator}' without a command before it`);
        if (until.length > 0) throw this.error(`the file ends before ${until.join(' or ')}`);
        return nodes;
      }
      const keyword = keywordOf(word);
      if (keyword !== undefined && until.includes(keyword)) {
        if (nodes.length === 0) throw new EmptyBody(word.line);
        return nodes;
      }
      if (keyword === 'if') nodes.push(this.conditional(depth));
      else if (keyword !== undefined) throw this.error(`'${keyword}' without its if`);
      else nodes.push(this.statement());
    }
  }

  private conditional(depth: number): Node {
    const line = this.line();
    this.at += 1;
    const condition = this.tests(line);
    this.skipSeparators();
    this.expect('then');
    const then = this.list(['else', 'elif', 'fi'], depth + 1);
    const keyword = this.word();
    let otherwise: Node[] = [];
    if (keyword?.literal === 'elif') {
      // The elif takes the if's own fi.
      otherwise = [this.conditional(depth + 1)];
      return { kind: 'if', file: this.file, line, condition, then, otherwise };
    }
    if (keyword?.literal === 'else') {
      this.at += 1;
      otherwise = this.list(['fi'], depth + 1);
    }
    this.expect('fi');
    return { kind: 'if', file: this.file, line, condition, then, otherwise };
  }

  /** `[ ... ]`, and further ones behind && and ||, which the shell takes from left to right. */
  private tests(line: number): Condition {
    let condition = this.test(line);
    for (;;) {
      const token = this.tokens[this.at];
      const operator = token !== undefined && 'operator' in token ? token.operator : undefined;
      if (operator !== '&&' && operator !== '||') return condition;
      this.at += 1;
      while (this.operator() === '\n') this.at += 1;
      condition = { op: operator === '&&' ? 'and' : 'or', left: condition, right: this.test(line) };
    }
  }

  private test(line: number): Condition {
    const words = this.words();
    if (words[0]?.literal !== '[') {
      const what = words[0] === undefined ? 'nothing' : `'${show(words[0])}'`;
      throw refuse(`if is followed by ${what} instead of [ ... ]`, this.file, line);
    }
    if (words.at(-1)?.literal !== ']') throw refuse(`[ without ]`, this.file, line);
    return parseTest(words.slice(1, -1), this.file, line);
  }

  private statement(): Node {
    const line = this.line();
    const [head, ...args] = this.words();
    const name = head?.literal ?? '';
    const at = { file: this.file, line };
    const after = this.operator();
    if (after === '&&' || after === '||') throw this.error(`'${after}' is only known after [ ... ]`);
    if (ASKS.has(name)) {
      const kind = name as 'bool' | 'tristate' | 'int' | 'hex' | 'string';
      return { kind, ...at, ...this.question(name, args, line), args: args.slice(2) };
    }
    if (DEPS.has(name)) {
      return { kind: name as DepType, ...at, ...this.question(name, args, line), deps: args.slice(2) };
    }
    if (DEFINES.has(name)) {
      const symbol = this.symbol(name, args[0], line);
      return { kind: name as DefineType, ...at, symbol, args: args.slice(1) };
    }
    if (UNKNOWN_TO_TREES.has(name)) return { kind: 'ignored', ...at, statement: name };
    return this.structure(name, args, at);
  }

  private structure(name: string, args: readonly Word[], at: { file: string; line: number }): Node {
    switch (name) {
      case 'mainmenu_name':
        return { kind: 'ignored', ...at, statement: name };
      case 'mainmenu_option':
        return { kind: 'menu', ...at };
      case 'endmenu':
        return { kind: 'endmenu', ...at };
      case 'comment':
        return { kind: 'comment', ...at, text: this.fixed(name, args[0], at.line) };
      case 'choice':
        return this.choice(args, at);
      case 'unset':
        return { kind: 'unset', ...at, symbols: args.map((arg) => this.symbol(name, arg, at.line)) };
      case 'source':
        return { kind: 'source', ...at, path: this.fixed(name, args[0], at.line) };
      default:
        throw refuse(
          `'${name === '' ? '$...' : name.slice(0, 60)}' is no statement of the configuration language`,
          at.file,
          at.line,
          'Kiln reads Config.in files as data; a command in one is never run',
        );
    }
  }

  private choice(args: readonly Word[], at: { file: string; line: number }): Choice {
    const prompt = this.fixed('choice', args[0], at.line);
    const list = this.fixed('choice', args[1], at.line)
      .split(/[ \t\n]+/)
      .filter((word) => word !== '');
    const members: { name: string; symbol: string }[] = [];
    for (let index = 0; index < list.length; index += 2) {
      const name = list[index];
      const symbol = list[index + 1];
      if (name === undefined || symbol === undefined || !/^\w+$/.test(symbol)) {
        throw refuse(`choice '${prompt}' is not a list of names and symbols`, at.file, at.line);
      }
      members.push({ name, symbol });
    }
    const fallback = args[2] === undefined ? '' : this.fixed('choice', args[2], at.line);
    return { kind: 'choice', ...at, prompt, members, fallback };
  }

  private question(name: string, args: readonly Word[], line: number): { prompt: string; symbol: string } {
    return { prompt: this.fixed(name, args[0], line), symbol: this.symbol(name, args[1], line) };
  }

  private symbol(statement: string, word: Word | undefined, line: number): string {
    const symbol = this.fixed(statement, word, line);
    if (/^[A-Za-z_]\w*$/.test(symbol)) return symbol;
    throw refuse(`'${symbol.slice(0, 60)}' after ${statement} is no symbol`, this.file, line);
  }

  private fixed(statement: string, word: Word | undefined, line: number): string {
    if (word?.literal !== undefined) return word.literal;
    const what = word === undefined ? 'lacks a word' : `has ${show(word)} where a fixed word belongs`;
    throw refuse(`${statement} ${what}`, this.file, line);
  }

  private words(): Word[] {
    const words: Word[] = [];
    for (let word = this.word(); word !== undefined; word = this.word()) {
      words.push(word);
      this.at += 1;
    }
    return words;
  }

  private word(): Word | undefined {
    const token = this.tokens[this.at];
    return token === undefined || 'operator' in token ? undefined : token;
  }

  private operator(): string | undefined {
    const token = this.tokens[this.at];
    return token !== undefined && 'operator' in token ? token.operator : undefined;
  }

  private skipSeparators(): void {
    for (let next = this.operator(); next === ';' || next === '\n'; next = this.operator()) this.at += 1;
  }

  private expect(keyword: string): void {
    const word = this.word();
    if (word === undefined || keywordOf(word) !== keyword) throw this.error(`${keyword} is missing`);
    this.at += 1;
  }

  private line(): number {
    return (this.tokens[this.at] ?? this.tokens.at(-1))?.line ?? 1;
  }

  private error(what: string): Error {
    const line = this.line();
    return refuse(`${what}`, this.file, line);
  }
}

function keywordOf(word: Word): string | undefined {
  return word.bare && word.literal !== undefined && KEYWORDS.has(word.literal) ? word.literal : undefined;
}
