import { KilnError } from '../../platform/errors.ts';

/** A piece of a word: text as it stands, or a variable to be put in its place. */
export type Part =
  | { readonly text: string }
  | {
      readonly variable: string /** Inside double quotes: one word whatever the value. */;
      readonly quoted: boolean;
    };

export interface Word {
  /** The word's text, when it holds no variable. */
  readonly literal: string | undefined;
  /** Its pieces, when it does; else empty. */
  readonly parts: readonly Part[];
  /** No quote and no backslash in it, so it may be a keyword. */
  readonly bare: boolean;
  readonly line: number;
}

export type Operator = ';' | '\n' | '&&' | '||';
export type Token = Word | { readonly operator: Operator; readonly line: number };

/** The longest file that is read: the trees' longest Config.in has 25 KB. */
const MAX_FILE = 1 << 20;
/** The longest logical line, continuation lines included. */
const MAX_LINE = 1 << 16;

// One object each: a literal inside a method would be a new regular expression for every word.
const PLAIN = /[^\s;&|<>()'"$`\\]+/y;
const IN_DOUBLE_QUOTES = /[^"$`\\]+/y;
const VARIABLE = /\$(?:\{(\w+)\}|([A-Za-z_]\w*))/y;
const NO_PARTS: readonly Part[] = [];
const WORD_ENDS = ' \t\n;&|<>()';

/**
 * Cuts a Config.in into words and operators by the rules of the Bourne shell, as far as CML1 uses them:
 * quotes, backslashes, continuation lines, comments, `$NAME` and `${NAME}`. What would run a command or
 * open a file is refused, never run: Config.in files are input, not code.
 * @throws KilnError `invalid` with file and line.
 */
export function tokenize(text: string, file: string): Token[] {
  if (text.length > MAX_FILE) {
    throw refuse(
      `${file} has ${text.length} characters, more than a Config.in can have (${MAX_FILE})`,
      file,
      1,
    );
  }
  return new Lexer(text, file).run();
}

/** A sentence about a Config.in, with its place. */
export function refuse(sentence: string, file: string, line: number, hint?: string): KilnError {
  const place = { file, line };
  return new KilnError('invalid', sentence, hint === undefined ? { place } : { place, hint });
}

class Lexer {
  readonly tokens: Token[] = [];
  private readonly text: string;
  private readonly file: string;
  private at = 0;
  private line = 1;
  private lineStart = 0;

  constructor(text: string, file: string) {
    this.text = text;
    this.file = file;
  }

  run(): Token[] {
    while (this.at < this.text.length) this.step();
    this.tokens.push({ operator: '\n', line: this.line });
    return this.tokens;
  }

  private step(): void {
    const char = this.text[this.at];
    if (char === ' ' || char === '\t') this.at += 1;
    else if (char === '\n') this.newline();
    else if (char === '\\' && this.text[this.at + 1] === '\n') this.continueLine(2);
    else if (char === '#') this.skipComment();
    else if (char === ';') this.operator(';');
    else if (char === '&' && this.text[this.at + 1] === '&') this.operator('&&');
    else if (char === '|' && this.text[this.at + 1] === '|') this.operator('||');
    else if (char !== undefined && '&|<>()'.includes(char)) throw this.shell(`'${char}'`);
    else this.word();
  }

  private newline(): void {
    const last = this.tokens.at(-1);
    const isEmptyLine = last === undefined || ('operator' in last && last.operator === '\n');
    if (!isEmptyLine) this.tokens.push({ operator: '\n', line: this.line });
    this.at += 1;
    this.line += 1;
    this.lineStart = this.at;
  }

  private continueLine(length: number): void {
    this.at += length;
    this.line += 1;
    if (this.at - this.lineStart > MAX_LINE) throw this.tooLong();
  }

  private skipComment(): void {
    const end = this.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.text.length : end;
  }

  private operator(operator: Operator): void {
    this.tokens.push({ operator, line: this.line });
    this.at += operator.length;
  }

  private word(): void {
    const line = this.line;
    const plain = this.match(PLAIN);
    const after = this.text[this.at + (plain?.length ?? 0)];
    if (plain !== undefined && (after === undefined || WORD_ENDS.includes(after))) {
      // Most words are nothing but letters.
      this.at += plain.length;
      this.tokens.push({ literal: plain, parts: NO_PARTS, bare: true, line });
    } else {
      this.mixedWord(line);
    }
    if (this.at - this.lineStart > MAX_LINE) throw this.tooLong();
  }

  private mixedWord(line: number): void {
    const parts: Part[] = [];
    let bare = true;
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined || WORD_ENDS.includes(char)) break;
      if (char === '`') throw this.shell('a backquote');
      bare &&= char !== "'" && char !== '"' && char !== '\\';
      if (char === "'") this.singleQuoted(parts);
      else if (char === '"') this.doubleQuoted(parts);
      else if (char === '$') parts.push(this.variable(false));
      else if (char === '\\') this.escaped(parts);
      else this.plain(parts);
    }
    let literal: string | undefined = '';
    for (const part of parts)
      literal = literal === undefined || !('text' in part) ? undefined : literal + part.text;
    this.tokens.push({ literal, parts: literal === undefined ? parts : NO_PARTS, bare, line });
  }

  private plain(parts: Part[]): void {
    const run = this.match(PLAIN) ?? this.text.charAt(this.at);
    parts.push({ text: run });
    this.at += run.length;
  }

  private escaped(parts: Part[]): void {
    const next = this.text[this.at + 1];
    if (next === '\n') {
      this.continueLine(2);
      return;
    }
    parts.push({ text: next ?? '\\' });
    this.at += 2;
  }

  private singleQuoted(parts: Part[]): void {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) throw refuse(`a ' that is not closed`, this.file, this.line);
    const text = this.text.slice(this.at + 1, end);
    if (text.length > MAX_LINE) throw this.tooLong();
    parts.push({ text });
    this.countLines(text);
    this.at = end + 1;
  }

  private doubleQuoted(parts: Part[]): void {
    const line = this.line;
    this.at += 1;
    parts.push({ text: '' });
    for (;;) {
      const char = this.text[this.at];
      if (char === undefined) throw refuse(`a " that is not closed`, this.file, line);
      if (char === '"') break;
      if (char === '`') throw this.shell('a backquote');
      if (char === '$') parts.push(this.variable(true));
      else if (char === '\\') this.escapedInQuotes(parts);
      else this.quotedText(parts);
    }
    this.at += 1;
  }

  private quotedText(parts: Part[]): void {
    const run = this.match(IN_DOUBLE_QUOTES) ?? '';
    parts.push({ text: run });
    this.countLines(run);
    this.at += run.length;
    if (this.at - this.lineStart > MAX_LINE) throw this.tooLong();
  }

  private escapedInQuotes(parts: Part[]): void {
    const next = this.text[this.at + 1];
    if (next === '\n') {
      this.continueLine(2);
    } else if (next !== undefined && '$`"\\'.includes(next)) {
      parts.push({ text: next });
      this.at += 2;
    } else {
      parts.push({ text: '\\' });
      this.at += 1;
    }
  }

  private variable(quoted: boolean): Part {
    VARIABLE.lastIndex = this.at;
    const found = VARIABLE.exec(this.text);
    const variable = found?.[1] ?? found?.[2];
    if (found === null || variable === undefined) {
      const next = this.text[this.at + 1];
      if (next === '(') throw this.shell('$( )');
      if (next !== undefined && /[\w{?!$@*#-]/.test(next)) throw this.shell(`'$${next}'`);
      this.at += 1;
      return { text: '$' };
    }
    this.at += found[0].length;
    return { variable, quoted };
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    return pattern.exec(this.text)?.[0];
  }

  private countLines(text: string): void {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.line += 1;
  }

  private shell(what: string): KilnError {
    return refuse(
      `${what} is shell code, which Kiln does not run from a Config.in`,
      this.file,
      this.line,
      'the language has words, quotes, $NAME, comments and continuation lines only',
    );
  }

  private tooLong(): KilnError {
    return refuse(`a line of more than ${MAX_LINE} characters`, this.file, this.line);
  }
}
