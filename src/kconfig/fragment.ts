import { KilnError } from '../platform/errors.ts';

/** One line of a fragment: a symbol and the value that is asked for it. */
export interface Requested {
  /** With its prefix: `CONFIG_SMP`. */
  readonly symbol: string;
  /** As in `.config`: `y`, `m`, `n`, `"text"`, `12`, `0x10`. */
  readonly want: string;
  /** The fragment's name, as it was given to `parseFragment`. */
  readonly fragment: string;
  /** Counts from 1. */
  readonly line: number;
  /** The comment above says `# override:`; it may contradict what an earlier fragment asked for. */
  readonly override: boolean;
  /** The comment lines directly above, as written: they stay with their option. */
  readonly comments: readonly string[];
}

export interface Fragment {
  readonly file: string;
  readonly options: readonly Requested[];
}

const SYMBOL_LINE = /^(CONFIG_\w+)\s*=\s*(.*?)\s*$/;
const NOT_SET_LINE = /^# (CONFIG_\w+) is not set\s*$/;
const ALMOST_NOT_SET = /^#\s*(CONFIG_\w+) is not\b/;
const OVERRIDE = /^#\s*override\s*:/i;
/** What scripts/Configure, a shell script, would expand or end the string at. */
const SHELL_MEANING = /["\\$`]/;
const MAX_LINE = 4096;

/**
 * Reads a fragment: an excerpt of a `.config`, i.e. lines `CONFIG_X=y|m|n|"text"|12|0x10`,
 * `# CONFIG_X is not set`, comments and empty lines. A comment directly above an option belongs to it; when
 * one of its lines begins with `# override:`, that option may contradict an earlier fragment.
 * The file stays a `.config` excerpt that any other tool can read.
 * @param file the name that messages give, e.g. `kconfig/netboot.config`.
 * @throws KilnError `invalid`, with file and line, for a line that is none of these.
 */
export function parseFragment(text: string, file: string): Fragment {
  const options: Requested[] = [];
  let comments: string[] = [];
  const lines = text.split('\n');
  for (const [index, raw] of lines.entries()) {
    const number = index + 1;
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const asked = parseLine(line, file, number);
    if (asked !== undefined) {
      const override = comments.some((comment) => OVERRIDE.test(comment));
      options.push({ ...asked, fragment: file, line: number, override, comments });
      comments = [];
    } else if (line.trim() === '') {
      refuseLooseOverride(comments, file, number);
      comments = [];
    } else {
      comments.push(line);
    }
  }
  refuseLooseOverride(comments, file, lines.length + 1);
  return { file, options };
}

function parseLine(line: string, file: string, number: number): { symbol: string; want: string } | undefined {
  if (line.length > MAX_LINE) throw invalid(`a line of ${line.length} characters`, file, number);
  if (line.trim() === '') return undefined;
  const notSet = NOT_SET_LINE.exec(line);
  if (notSet?.[1] !== undefined) return { symbol: notSet[1], want: 'n' };
  const assigned = SYMBOL_LINE.exec(line);
  if (assigned?.[1] !== undefined && assigned[2] !== undefined) {
    return { symbol: assigned[1], want: readValue(assigned[2], assigned[1], file, number) };
  }
  const almost = ALMOST_NOT_SET.exec(line);
  if (almost !== null) {
    // scripts/Configure takes any "# CONFIG_X is not ..." as n, so that a remark would switch an option off.
    throw invalid(`'${line}' reads like '# ${almost[1]} is not set' but is not`, file, number);
  }
  if (line.startsWith('#')) return undefined;
  throw invalid(`'${shorten(line)}' is no line of a fragment`, file, number);
}

function readValue(written: string, symbol: string, file: string, number: number): string {
  if (/^([ymn]|[0-9]+|0[xX][0-9a-fA-F]+)$/.test(written)) return written;
  const quoted = /^"(.*)"$/.exec(written);
  if (quoted?.[1] !== undefined && !SHELL_MEANING.test(quoted[1])) return written;
  if (quoted !== null) {
    throw invalid(`${symbol}=${shorten(written)} holds a quote, a backslash, $ or a backquote`, file, number);
  }
  throw invalid(`${symbol}=${shorten(written)} is no value`, file, number);
}

function refuseLooseOverride(comments: readonly string[], file: string, end: number): void {
  const at = comments.findIndex((comment) => OVERRIDE.test(comment));
  if (at < 0) return;
  throw invalid('an override: that stands above no option', file, end - comments.length + at, {
    hint: 'put the comment directly above the option that may contradict an earlier fragment',
  });
}

function invalid(what: string, file: string, line: number, details: { hint?: string } = {}): KilnError {
  return new KilnError('invalid', `${what}`, {
    place: { file, line },
    hint: details.hint ?? 'write CONFIG_X=y, m, n, "text", 12 or 0x10, # CONFIG_X is not set, or a # comment',
  });
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
