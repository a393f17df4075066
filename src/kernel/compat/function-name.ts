import { applyEdits, type Edit, type Span } from './c-text.ts';
import { C_FOLDERS, type CompatRule, isCSource } from './rule.ts';

export const FUNCTION_NAME_RULES: readonly CompatRule[] = [
  {
    id: 'function-name-literal',
    reason:
      '__FUNCTION__ is no string literal any more and joins none: it becomes "%s" in the format and an argument',
    files: { under: C_FOLDERS, matches: isCSource },
    rewrite(text) {
      if (!text.includes('__FUNCTION__')) return text;
      return applyEdits(
        text,
        joinedNames(text).flatMap((chain) => chainEdits(text, chain)),
      );
    },
  },
];

const TOKEN = /"(?:\\[\s\S]|[^"\\])*"|\w+|(?:\s|\\\n)+/y;

/** The runs of literals, macros and `__FUNCTION__` that stand side by side as one argument of a call. */
function joinedNames(text: string): Span[] {
  const chains: Span[] = [];
  for (const match of text.matchAll(/__FUNCTION__/g)) {
    if (match.index < (chains.at(-1)?.end ?? 0)) continue;
    const chain = { start: chainStart(text, match.index), end: chainEnd(text, match.index) };
    const before = text[chain.start - 1] ?? '';
    const after = text[chain.end] ?? '';
    const isArgument = (before === '(' || before === ',') && (after === ')' || after === ',');
    const isAlone = text.slice(chain.start, chain.end).replaceAll('\\\n', ' ').trim() === '__FUNCTION__';
    if (isArgument && !isAlone) chains.push(chain);
  }
  return chains;
}

function chainStart(text: string, from: number): number {
  let start = from;
  for (;;) {
    start = blanksStart(text, start);
    // Mostly it is a bracket or a comma.
    if (!/["\w]/.test(text[start - 1] ?? '')) return start;
    const line = text.slice(Math.max(0, start - 400), start);
    const token = /(?:"(?:\\.|[^"\\\n])*"|\w+)$/.exec(line)?.[0];
    if (token === undefined) return start;
    start -= token.length;
  }
}

/** Where the white space in front of an offset begins, ends of continued lines included. */
function blanksStart(text: string, from: number): number {
  let start = from;
  while (/\s/.test(text[start - 1] ?? '')) {
    start--;
    if (text[start] === '\n' && text[start - 1] === '\\') start--;
  }
  return start;
}

function chainEnd(text: string, from: number): number {
  let end = from;
  for (;;) {
    TOKEN.lastIndex = end;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined) return end;
    end += token.length;
  }
}

/** `%s` for every name in the chain, and the names behind it, each after the arguments of earlier conversions. */
function chainEdits(text: string, chain: Span): Edit[] {
  const edits: Edit[] = [];
  for (const match of text.slice(chain.start, chain.end).matchAll(/__FUNCTION__/g)) {
    const start = chain.start + match.index;
    const earlier = conversions(text.slice(chain.start, start));
    const at = argumentEnd(text, chain.end, earlier);
    edits.push({ start, end: start + match[0].length, text: '"%s"' });
    edits.push({ start: at, end: at, text: ', __FUNCTION__' });
  }
  return edits;
}

/** How many arguments the formats in a piece of source ask for. */
function conversions(source: string): number {
  const literals = [...source.matchAll(/"((?:\\[\s\S]|[^"\\])*)"/g)].map((match) => match[1] ?? '').join('');
  return (literals.replaceAll('%%', '').match(/%/g) ?? []).length;
}

/** Offset behind the `count`th argument that follows the one ending at `end`, or behind the last. */
function argumentEnd(text: string, end: number, count: number): number {
  let at = end;
  for (let left = count; left > 0; left--) {
    if (text[at] !== ',') break;
    at = nextArgument(text, at + 1);
  }
  return at;
}

function nextArgument(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === '"' || char === "'") {
      for (at++; at < text.length && text[at] !== char; at++) if (text[at] === '\\') at++;
    } else if ('([{'.includes(char)) depth++;
    else if (')]}'.includes(char)) {
      if (depth === 0) return at;
      depth--;
    } else if (char === ',' && depth === 0) return at;
  }
  return text.length;
}
