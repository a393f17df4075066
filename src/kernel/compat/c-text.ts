/** A statement of GNU inline assembly with operands, as offsets into the text it was found in. */
export interface AsmStatement {
  /** Behind the keyword and its qualifiers, before the opening parenthesis. */
  readonly qualifierEnd: number;
  readonly isVolatile: boolean;
  /** Template, outputs, inputs, clobbers: as many as are written. */
  readonly sections: readonly Span[];
}

/** A half-open range of offsets. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const ASM_KEYWORD = /\b(?:__asm__|__asm|asm)\b((?:\s|\\\n|__volatile__|__volatile|volatile)*)\(/g;

/** Finds every asm statement that has operands (a template alone is passed over), outermost first. */
export function findAsm(text: string): AsmStatement[] {
  const found: AsmStatement[] = [];
  for (const match of text.matchAll(ASM_KEYWORD)) {
    const open = match.index + match[0].length - 1;
    const sections = splitSections(text, open);
    if (sections === undefined || sections.length < 2) continue;
    const qualifiers = match[1] ?? '';
    found.push({
      qualifierEnd: open - trailingSpace(qualifiers),
      isVolatile: qualifiers.includes('volatile'),
      sections,
    });
  }
  return found;
}

function trailingSpace(text: string): number {
  return /(?:\s|\\\n)*$/.exec(text)?.[0].length ?? 0;
}

/** The parts between an opening parenthesis and its partner, cut at colons of the same depth. */
function splitSections(text: string, open: number): Span[] | undefined {
  const sections: Span[] = [];
  let start = open + 1;
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    const char = text[at];
    if (char === '"' || char === "'") at = skipQuoted(text, at);
    else if (char === '/' && text[at + 1] === '*') at = skipComment(text, at);
    else if (char === '(' || char === '[' || char === '{') depth++;
    else if (char === ')' || char === ']' || char === '}') {
      depth--;
      if (depth === 0) {
        sections.push({ start, end: at });
        return sections;
      }
    } else if (char === ':' && depth === 1) {
      sections.push({ start, end: at });
      start = at + 1;
    }
  }
  return undefined;
}

/** Offset of the quote that closes the one at `at`. */
function skipQuoted(text: string, at: number): number {
  const quote = text[at];
  for (let next = at + 1; next < text.length; next++) {
    if (text[next] === '\\') next++;
    else if (text[next] === quote) return next;
  }
  return text.length;
}

/** Offset of the slash that closes the comment at `at`. */
function skipComment(text: string, at: number): number {
  const end = text.indexOf('*/', at + 2);
  return end < 0 ? text.length : end + 1;
}

/** Offset just behind the brace that closes the one at `open`, strings and comments passed over. */
export function matchingBrace(text: string, open: number): number | undefined {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    const char = text[at];
    if (char === '"' || char === "'") at = skipQuoted(text, at);
    else if (char === '/' && text[at + 1] === '*') at = skipComment(text, at);
    else if (char === '{') depth++;
    else if (char === '}') {
      depth--;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}

/** A replacement of one range of a text. */
export interface Edit extends Span {
  readonly text: string;
}

/** Applies edits that don't overlap, in any order. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = '';
  let at = 0;
  for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
    result += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return result + text.slice(at);
}
