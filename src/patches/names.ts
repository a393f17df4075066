import { KilnError, type Place } from '../platform/errors.ts';
import { fromLatin1 } from './bytes.ts';

/** Kiln's own directory at the top of a tree that a series is being applied to; no patch may name it. */
export const SIDE_DIRECTORY = '.kiln-patch';

/** A name and what follows it on a `---`, `+++` or `***` line. */
export interface NameAndStamp {
  /** undefined for `/dev/null`. */
  readonly name: string | undefined;
  /** The time stamp, revision or whatever stands behind the name. */
  readonly stamp: string;
}

/**
 * Takes the file name off a header line, as GNU patch does (pch.c, `fetchname`): quoted names are
 * unquoted; with a tab in the line the name goes up to it and may hold spaces; else it ends at the
 * first space.
 * @param rest the line behind `--- `, one character per byte, without its line end
 */
export function parseName(rest: string, place: Place): NameAndStamp {
  if (rest.startsWith('"')) {
    const { text, length } = unquote(rest, place);
    return { name: nullName(decodeName(text, place)), stamp: rest.slice(length).trim() };
  }
  const tab = rest.indexOf('\t');
  const end = tab >= 0 ? tab : /\s/.exec(rest)?.index;
  const name = (end === undefined ? rest : rest.slice(0, end)).trimEnd();
  return { name: nullName(decodeName(name, place)), stamp: end === undefined ? '' : rest.slice(end).trim() };
}

function nullName(name: string): string | undefined {
  return name === '/dev/null' ? undefined : name;
}

/** A name's bytes as text. @throws KilnError `invalid` for a name that is not UTF-8. */
export function decodeName(bytes: string, place: Place): string {
  if (/^[\x00-\x7f]*$/.test(bytes)) return bytes;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(fromLatin1(bytes));
  } catch {
    throw new KilnError('invalid', `the file name ${JSON.stringify(bytes)} is not UTF-8`, {
      place,
      hint: 'rename the file in the patch; no name in a kernel tree needs more than ASCII',
    });
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  '"': '"',
  '\\': '\\',
};

/**
 * Undoes git's C-style quoting (git's quote.c) at the start of `text`.
 * @returns the name, one character per byte, and how many characters the quoted form took
 */
export function unquote(text: string, place: Place): { readonly text: string; readonly length: number } {
  let name = '';
  for (let at = 1; at < text.length; at++) {
    const character = text[at];
    if (character === '"') return { text: name, length: at + 1 };
    if (character !== '\\') {
      name += character;
      continue;
    }
    const octal = /^[0-3][0-7]{2}/.exec(text.slice(at + 1))?.[0];
    const escaped = ESCAPES[text[at + 1] ?? ''];
    if (octal !== undefined) name += String.fromCharCode(Number.parseInt(octal, 8));
    else if (escaped !== undefined) name += escaped;
    else throw new KilnError('invalid', `a quoted file name holds an escape that means nothing`, { place });
    at += octal === undefined ? 1 : 3;
  }
  throw new KilnError('invalid', 'a quoted file name has no closing quote', { place });
}

/**
 * The two names on a `diff --git` line. Unquoted names may hold spaces, and then only their being equal
 * behind the prefix tells where one ends (git's apply.c, `git_header_name`).
 * @returns undefined where the line does not tell, as for a rename of names with spaces
 */
export function parseGitNames(rest: string, place: Place): readonly [string, string] | undefined {
  if (rest.startsWith('"')) {
    const first = unquote(rest, place);
    const second = rest.slice(first.length).trimStart();
    const text = second.startsWith('"') ? unquote(second, place).text : second;
    return [decodeName(first.text, place), decodeName(text, place)];
  }
  const quote = rest.indexOf(' "');
  if (quote >= 0) {
    const second = unquote(rest.slice(quote + 1), place).text;
    return [decodeName(rest.slice(0, quote), place), decodeName(second, place)];
  }
  const only = /^(\S+) (\S+)$/.exec(rest);
  if (only !== null) return [decodeName(only[1] ?? '', place), decodeName(only[2] ?? '', place)];
  for (let at = rest.indexOf(' '); at >= 0; at = rest.indexOf(' ', at + 1)) {
    const [left, right] = [rest.slice(0, at), rest.slice(at + 1)];
    if (left === right || stripName(left, 1) === stripName(right, 1)) {
      return [decodeName(left, place), decodeName(right, place)];
    }
  }
  return undefined;
}

/**
 * Drops leading components as GNU patch's `-p` does: a run of slashes counts as one.
 * @returns undefined when the name has too few components
 */
export function stripName(name: string, strip: number): string | undefined {
  let rest = name;
  for (let dropped = 0; dropped < strip; dropped++) {
    const cut = /^[^/]*\/+/.exec(rest)?.[0].length;
    if (cut === undefined) return undefined;
    rest = rest.slice(cut);
  }
  return rest === '' ? undefined : rest;
}

/** Why a (stripped) name may not be used in a tree, or undefined when it may. */
export function hazardOf(path: string): string | undefined {
  if (/[\0\n\r]/.test(path)) return 'holds a NUL or a line end';
  if (path.startsWith('/')) return 'is absolute';
  const parts = path.split('/');
  if (parts.includes('..')) return 'climbs out of the tree with ..';
  if (parts.includes('.git')) return 'is inside .git';
  if (parts.includes(SIDE_DIRECTORY)) return `is inside ${SIDE_DIRECTORY}, which is Kiln's own`;
  if (path.endsWith('/')) return 'names a directory';
  return undefined;
}

/** A path without empty and `.` components. */
export function tidyPath(path: string): string {
  return /(^|\/)\.?(\/|$)/.test(path)
    ? path
        .split('/')
        .filter((part) => part !== '' && part !== '.')
        .join('/')
    : path;
}

/**
 * Whether a time stamp says 1970-01-01 00:00:00 UTC, by which `diff -N` marks the absent side. Reads the
 * styles of GNU diff old and new, BSD, CVS, SVN, and RFC 2822. A stamp without a zone counts when it is the
 * epoch in any zone: it was written by a diff that printed local time.
 */
export function isEpoch(stamp: string): boolean {
  const day = /\b(1970[-/]01[-/]01|0?1 Jan 1970|Jan +1 [\d:.]+ (?:[A-Z]+ )?1970)\b/.test(stamp);
  const eve = /\b(1969[-/]12[-/]31|31 Dec 1969|Dec 31 [\d:.]+ (?:[A-Z]+ )?1969)\b/.test(stamp);
  if (!day && !eve) return false;
  const time = /\b(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?/.exec(stamp);
  if (time === null) return day;
  if (Number(time[3] ?? 0) !== 0 || Number(time[4] ?? 0) !== 0) return false;
  const minutes = Number(time[1]) * 60 + Number(time[2]) - (eve ? 1440 : 0);
  const zone = /[ ]([-+])(\d\d):?(\d\d)\b/.exec(stamp);
  if (zone !== null) return minutes === (zone[1] === '-' ? -1 : 1) * (Number(zone[2]) * 60 + Number(zone[3]));
  if (/\b(?:GMT|UTC|Z)\b/.test(stamp)) return minutes === 0;
  return minutes % 15 === 0 && minutes >= -12 * 60 && minutes <= 14 * 60;
}
