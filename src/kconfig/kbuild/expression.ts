/** y, m and n as numbers, so that "and" is the smaller and "or" the greater of two. */
export type Tristate = 0 | 1 | 2;

export type Expression =
  | { readonly op: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly op: 'not'; readonly of: Expression }
  | { readonly op: 'compare'; readonly by: string; readonly left: string; readonly right: string }
  | { readonly op: 'symbol'; readonly name: string };

/** The written value of a symbol by its name without `CONFIG_`; undefined for one that is not set. */
export type LookUp = (name: string) => string | undefined;

/** Words, strings (with their quotes), operators; a macro call `$(...)` is one word. */
const TOKEN =
  /\s*("(?:[^"\\]|\\.)*"|'[^']*'|\$\((?:[^()]|\([^()]*\))*\)|&&|\|\||!=|<=|>=|[=<>!()]|[^\s"'&|!=<>()$]+|\S)/y;
const MAX_DEPTH = 200;

/** Cuts a Kconfig line into words; strings keep their quotes. */
export function kconfigWords(line: string): string[] {
  const words: string[] = [];
  TOKEN.lastIndex = 0;
  for (let found = TOKEN.exec(line); found !== null; found = TOKEN.exec(line)) words.push(found[1] ?? '');
  return words;
}

/** Reads an expression (Documentation/kbuild/kconfig-language, "Menu dependencies"); undefined for what is none. */
export function parseExpression(words: readonly string[]): Expression | undefined {
  const reader = { words, at: 0, depth: 0 };
  const expression = parseOr(reader);
  return reader.at === words.length ? expression : undefined;
}

interface Reader {
  readonly words: readonly string[];
  at: number;
  depth: number;
}

function parseOr(reader: Reader): Expression | undefined {
  let left = parseAnd(reader);
  while (left !== undefined && reader.words[reader.at] === '||') {
    reader.at += 1;
    const right = parseAnd(reader);
    left = right === undefined ? undefined : { op: 'or', left, right };
  }
  return left;
}

function parseAnd(reader: Reader): Expression | undefined {
  let left = parseTerm(reader);
  while (left !== undefined && reader.words[reader.at] === '&&') {
    reader.at += 1;
    const right = parseTerm(reader);
    left = right === undefined ? undefined : { op: 'and', left, right };
  }
  return left;
}

function parseTerm(reader: Reader): Expression | undefined {
  const word = reader.words[reader.at];
  reader.depth += 1;
  if (word === undefined || reader.depth > MAX_DEPTH) return undefined;
  reader.at += 1;
  let term: Expression | undefined;
  if (word === '!') {
    const of = parseTerm(reader);
    term = of === undefined ? undefined : { op: 'not', of };
  } else if (word === '(') {
    term = parseOr(reader);
    if (reader.words[reader.at] !== ')') return undefined;
    reader.at += 1;
  } else {
    term = parseComparison(reader, word);
  }
  reader.depth -= 1;
  return term;
}

function parseComparison(reader: Reader, left: string): Expression | undefined {
  const by = reader.words[reader.at];
  if (by === undefined || !['=', '!=', '<', '>', '<=', '>='].includes(by))
    return { op: 'symbol', name: left };
  const right = reader.words[reader.at + 1];
  if (right === undefined) return undefined;
  reader.at += 2;
  return { op: 'compare', by, left, right };
}

/** What an expression comes to. A macro call counts as y: only the tree's own make can tell. */
export function evaluate(expression: Expression, lookUp: LookUp): Tristate {
  switch (expression.op) {
    case 'and':
      return Math.min(evaluate(expression.left, lookUp), evaluate(expression.right, lookUp)) as Tristate;
    case 'or':
      return Math.max(evaluate(expression.left, lookUp), evaluate(expression.right, lookUp)) as Tristate;
    case 'not':
      return (2 - evaluate(expression.of, lookUp)) as Tristate;
    case 'compare':
      return compare(expression.by, text(expression.left, lookUp), text(expression.right, lookUp)) ? 2 : 0;
    case 'symbol':
      return rank(text(expression.name, lookUp));
  }
}

/** y is 2, m is 1, anything else 0. */
export function rank(value: string | undefined): Tristate {
  if (value === 'y') return 2;
  return value === 'm' ? 1 : 0;
}

function text(word: string, lookUp: LookUp): string {
  if (/^(['"]).*\1$/s.test(word)) return word.slice(1, -1);
  if (/^([ymn]|-?\d+|0x[0-9a-fA-F]+)$/.test(word)) return word;
  if (word.startsWith('$(')) return 'y';
  return (lookUp(word) ?? 'n').replace(/^"(.*)"$/s, '$1');
}

function compare(by: string, left: string, right: string): boolean {
  const numbers = [Number(left), Number(right)] as const;
  const order = numbers.some(Number.isNaN) ? compareText(left, right) : numbers[0] - numbers[1];
  switch (by) {
    case '=':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return order < 0;
    case '>':
      return order > 0;
    case '<=':
      return order <= 0;
    default:
      return order >= 0;
  }
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** The expression as it is written. */
export function showExpression(expression: Expression): string {
  switch (expression.op) {
    case 'and':
      return `${showInside(expression.left)} && ${showInside(expression.right)}`;
    case 'or':
      return `${showExpression(expression.left)} || ${showExpression(expression.right)}`;
    case 'not':
      return `!${expression.of.op === 'symbol' ? expression.of.name : `(${showExpression(expression.of)})`}`;
    case 'compare':
      return `${expression.left}${expression.by}${expression.right}`;
    case 'symbol':
      return expression.name;
  }
}

function showInside(expression: Expression): string {
  return expression.op === 'or' ? `(${showExpression(expression)})` : showExpression(expression);
}

/** The symbols that keep an expression below `wanted`: what would have to change. */
export function culprits(expression: Expression, wanted: Tristate, lookUp: LookUp): string[] {
  if (evaluate(expression, lookUp) >= wanted) return [];
  switch (expression.op) {
    case 'and':
    case 'or':
      return [...culprits(expression.left, wanted, lookUp), ...culprits(expression.right, wanted, lookUp)];
    case 'not':
      return symbolsOf(expression.of);
    default:
      return symbolsOf(expression);
  }
}

/** The symbols that an expression asks about, without `CONFIG_`. */
export function symbolsOf(expression: Expression): string[] {
  switch (expression.op) {
    case 'and':
    case 'or':
      return [...symbolsOf(expression.left), ...symbolsOf(expression.right)];
    case 'not':
      return symbolsOf(expression.of);
    case 'compare':
      return [expression.left, expression.right].filter((word) => /^[A-Z]\w*$/.test(word));
    case 'symbol':
      return /^\w+$/.test(expression.name) ? [expression.name] : [];
  }
}
