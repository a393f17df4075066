import { refuse } from './lexer.ts';

/** Values of symbols as the interpreter holds them: strings without their quotes. */
export type Values = Map<string, string>;

const LINE = /^(?:(\w+)=(?:"([^"\\$`]*)"|(-?\w*))\s*|\s*|#.*)$/;
const NOT_SET = /^# (CONFIG_\w+) is not/;
const MAX_LINE = 1 << 16;

/**
 * Reads a base `.config` as scripts/Configure would by sourcing it, without running anything: assignments of
 * plain values, `# CONFIG_X is not set`, comments.
 * @throws KilnError `invalid` with file and line for any other line.
 */
export function parseBase(text: string, file: string): Values {
  const values: Values = new Map();
  for (const [index, line] of text.split('\n').entries()) {
    const notSet = NOT_SET.exec(line);
    if (notSet?.[1] !== undefined) {
      values.set(notSet[1], 'n');
      continue;
    }
    const found = line.length > MAX_LINE ? null : LINE.exec(line);
    if (found === null) {
      throw refuse(
        `'${line.slice(0, 60)}' is no line of a .config`,
        file,
        index + 1,
        'a .config has CONFIG_X=value lines and comments; shell code in one is not run',
      );
    }
    if (found[1] !== undefined) values.set(found[1], found[2] ?? found[3] ?? '');
  }
  return values;
}
