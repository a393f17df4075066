import { applyEdits, type Edit } from './c-text.ts';
import { C_FOLDERS, type CompatRule, isCSource } from './rule.ts';

/** What a scan of C source must not look into, and strings: comments, preprocessor messages, characters. */
const PIECE =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|^[ \t]*#[ \t]*(?:error|warning)[^\n]*|'(?:\\.|[^'\\\n])+'|"(?:\\[\s\S]|[^"\\])*"/gm;

export const TEXT_RULES_2_2: readonly CompatRule[] = [
  {
    id: 'string-over-lines',
    reason: 'a string literal that runs over lines is an error: it ends on each line and begins on the next',
    files: { under: C_FOLDERS, matches: isCSource },
    rewrite(text) {
      const edits = [...text.matchAll(PIECE)].flatMap(({ 0: piece, index }) =>
        piece.startsWith('"') ? lineEdits(piece, index) : [],
      );
      return edits.length === 0 ? text : applyEdits(text, edits);
    },
  },
  {
    id: 'pasted-punctuation',
    reason:
      'pasting a name to a parenthesis, an ampersand or a string makes no token, an error: they stand side by side',
    files: { under: C_FOLDERS, matches: isCSource },
    rewrite: (text) =>
      text.includes('##')
        ? text.replace(DEFINITION, (macro) =>
            macro
              .replace(/(?<!#)[ \t]*##[ \t]*(?=[("&:;*.,[])/g, ' ')
              .replace(/(?<=[)"&;(*>]|\bKERN_\w+)[ \t]*##[ \t]*(?!#)/g, ' '),
          )
        : text,
  },
];

/** A macro's definition with its continuation lines. */
const DEFINITION = /^[ \t]*#[ \t]*define\b(?:[^\n]*\\\n)*[^\n]*/gm;

/** Every end of a line in a literal that no backslash hides. */
function lineEdits(literal: string, at: number): Edit[] {
  const edits: Edit[] = [];
  for (const { index, 0: found } of literal.matchAll(/\\[\s\S]|\n/g)) {
    if (found === '\n') edits.push({ start: at + index, end: at + index + 1, text: '\\n"\n"' });
  }
  return edits;
}
