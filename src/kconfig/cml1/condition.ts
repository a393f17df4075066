import type { Condition } from './ast.ts';
import { refuse, type Word } from './lexer.ts';

/** The value of a variable; an unset one is the empty string. */
export type Lookup = (variable: string) => string;

/**
 * Reads the words between `[` and `]` as test(1) does: `!` before `-a` before `-o`, and `=`, `==`, `!=`,
 * `-n`, `-z` or a lone word.
 * @throws KilnError `invalid` with file and line.
 */
export function parseTest(words: readonly Word[], file: string, line: number): Condition {
  const reader = { words, at: 0, file, line };
  const condition = parseOr(reader);
  const left = words[reader.at];
  if (left !== undefined) throw refuse(`'${show(left)}' does not belong in [ ]`, file, left.line);
  return condition;
}

interface Reader {
  readonly words: readonly Word[];
  at: number;
  readonly file: string;
  readonly line: number;
}

function parseOr(reader: Reader): Condition {
  let left = parseAnd(reader);
  while (accept(reader, '-o')) left = { op: 'or', left, right: parseAnd(reader) };
  return left;
}

function parseAnd(reader: Reader): Condition {
  let left = parseTerm(reader);
  while (accept(reader, '-a')) left = { op: 'and', left, right: parseTerm(reader) };
  return left;
}

function parseTerm(reader: Reader): Condition {
  const negations = countNegations(reader);
  let term = parseComparison(reader);
  for (let left = negations; left > 0; left -= 1) term = { op: 'not', of: term };
  return term;
}

function countNegations(reader: Reader): number {
  let count = 0;
  while (accept(reader, '!')) count += 1;
  return count;
}

function parseComparison(reader: Reader): Condition {
  const { words, file } = reader;
  const first = words[reader.at];
  if (first === undefined) throw refuse(`[ ] ends where a value should be`, file, reader.line);
  const operator = words[reader.at + 1]?.literal;
  const second = words[reader.at + 2];
  if (second !== undefined && (operator === '=' || operator === '==' || operator === '!=')) {
    reader.at += 3;
    return {
      op: operator === '!=' ? 'differs' : 'same',
      left: oneWord(first, file),
      right: oneWord(second, file),
    };
  }
  const unary = first.bare ? first.literal : undefined;
  const operand = words[reader.at + 1];
  if ((unary === '-n' || unary === '-z') && operand !== undefined) {
    reader.at += 2;
    return { op: unary === '-n' ? 'set' : 'empty', word: oneWord(operand, file) };
  }
  if (first.bare && unary?.startsWith('-') === true) {
    throw refuse(`[ ] has ${unary}, which is no test of configuration values`, file, first.line);
  }
  reader.at += 1;
  return { op: 'set', word: oneWord(first, file) };
}

/** Outside quotes, an empty value would vanish and make another test of it. */
function oneWord(word: Word, file: string): Word {
  if (word.parts.every((part) => 'text' in part || part.quoted)) return word;
  throw refuse(`${show(word)} needs double quotes in [ ]`, file, word.line);
}

function accept(reader: Reader, text: string): boolean {
  const word = reader.words[reader.at];
  if (word?.literal !== text || !word.bare) return false;
  reader.at += 1;
  return true;
}

/** True when the condition holds. */
export function holds(condition: Condition, lookup: Lookup): boolean {
  switch (condition.op) {
    case 'or':
      return holds(condition.left, lookup) || holds(condition.right, lookup);
    case 'and':
      return holds(condition.left, lookup) && holds(condition.right, lookup);
    case 'not':
      return !holds(condition.of, lookup);
    case 'same':
      return expand(condition.left, lookup) === expand(condition.right, lookup);
    case 'differs':
      return expand(condition.left, lookup) !== expand(condition.right, lookup);
    case 'set':
      return expand(condition.word, lookup) !== '';
    case 'empty':
      return expand(condition.word, lookup) === '';
  }
}

/** A word's text with its variables put in. */
export function expand(word: Word, lookup: Lookup): string {
  if (word.literal !== undefined) return word.literal;
  return word.parts.map((part) => ('text' in part ? part.text : lookup(part.variable))).join('');
}

/** A word's fields: an unquoted variable that is empty gives none, one with blanks several. */
export function expandFields(words: readonly Word[], lookup: Lookup): string[] {
  const fields: string[] = [];
  for (const word of words) {
    const whole = word.literal !== undefined || word.parts.every((part) => 'text' in part || part.quoted);
    if (whole) fields.push(expand(word, lookup));
    else
      fields.push(
        ...expand(word, lookup)
          .split(/[ \t\n]+/)
          .filter((field) => field !== ''),
      );
  }
  return fields;
}

/** The one variable that a word consists of, e.g. CONFIG_PCI of `$CONFIG_PCI`. */
export function variableOf(word: Word): string | undefined {
  const named = word.parts.filter((part) => !('text' in part && part.text === ''));
  const only = named[0];
  return named.length === 1 && only !== undefined && 'variable' in only ? only.variable : undefined;
}

/** A word as a person would write it. */
export function show(word: Word): string {
  return (
    word.literal ?? word.parts.map((part) => ('text' in part ? part.text : `$${part.variable}`)).join('')
  );
}

/** A condition as a person would write it: `CONFIG_PCI=y and CONFIG_ISA!=n`. */
export function showCondition(condition: Condition): string {
  const bare = (word: Word) => variableOf(word) ?? show(word);
  switch (condition.op) {
    case 'or':
      return `${showCondition(condition.left)} or ${showCondition(condition.right)}`;
    case 'and':
      return `${showOperand(condition.left)} and ${showOperand(condition.right)}`;
    case 'not':
      return `not (${showCondition(condition.of)})`;
    case 'same':
      return `${bare(condition.left)}=${bare(condition.right)}`;
    case 'differs':
      return `${bare(condition.left)}!=${bare(condition.right)}`;
    case 'set':
      return `${bare(condition.word)} is set`;
    case 'empty':
      return `${bare(condition.word)} is empty`;
  }
}

function showOperand(condition: Condition): string {
  return condition.op === 'or' ? `(${showCondition(condition)})` : showCondition(condition);
}
