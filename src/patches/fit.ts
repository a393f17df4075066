import { asBuffer, BACKSLASH, type LineIndex, latin1, lineEnd, NEWLINE, PLUS } from './bytes.ts';
import { sideBytes, statedLine, trimContext } from './hunks.ts';
import type { Hunk } from './types.ts';

/** All places where a hunk fits into a file, at one degree of fuzz. */
export interface Fits {
  /** The hunk without the context that fuzz ignores. */
  readonly hunk: Hunk;
  readonly fuzz: number;
  /** Context lines dropped at the front; lines are counted from behind them. */
  readonly front: number;
  /** 0-based lines, ascending. */
  readonly lines: readonly number[];
}

/** More places than this are never told apart; searching on would only cost time. */
const MANY = 256;

/** Where a hunk is tied to an end of the file at this degree of fuzz, as GNU patch ties it. */
export interface Anchor {
  readonly front: number;
  readonly back: number;
  readonly atStart: boolean;
  readonly atEnd: boolean;
}

/**
 * GNU patch's meaning of fuzz (patch.c, `locate_hunk`): the longer context loses `fuzz` lines, the shorter
 * one is only trimmed to the same length. A shorter context is there because the file ended, so that
 * without fuzz such a hunk is tied to that end: to the start when it is stated there, always to the end.
 */
export function anchorOf(hunk: Hunk, fuzz: number): Anchor {
  const context = Math.max(hunk.prefix, hunk.suffix);
  const front = fuzz + hunk.prefix - context;
  const back = fuzz + hunk.suffix - context;
  return {
    front: Math.max(0, front),
    back: Math.max(0, back),
    atStart: front < 0 && hunk.oldStart <= 1,
    atEnd: back < 0,
  };
}

/**
 * Whether the hunk's old side stands in the file at byte `at`.
 * @returns the byte behind it, or -1
 */
export function matchAt(file: Uint8Array, at: number, hunk: Hunk): number {
  const found = asBuffer(file);
  const body = asBuffer(hunk.body);
  let left = hunk.oldCount;
  let here = at;
  // One native comparison a line: a loop over bytes would run for a while before it is compiled.
  for (let next = 0; next < body.length; ) {
    const op = body[next];
    const end = lineEnd(body, next);
    if (op !== PLUS && op !== BACKSLASH) {
      left--;
      const open = left === 0 && hunk.oldNoNewline;
      const stop = open ? end - 1 : end;
      const behind = here + stop - next - 1;
      if (behind > found.length || (open && behind !== found.length)) return -1;
      if (found.compare(body, next + 1, stop, here, behind) !== 0) return -1;
      here = behind;
    }
    next = end;
  }
  return here;
}

/** Whether the hunk fits, with all its context, exactly at the 0-based line. */
export function fitsAt(file: Uint8Array, index: LineIndex, hunk: Hunk, line: number): boolean {
  if (hunk.oldCount === 0) return false;
  const at = index.start(line);
  if (at === undefined || at >= file.length) return false;
  const anchor = anchorOf(hunk, 0);
  if (anchor.atStart && line !== 0) return false;
  const end = matchAt(file, at, hunk);
  return end >= 0 && (!anchor.atEnd || end === file.length);
}

/**
 * All places where the hunk fits with the least fuzz that finds any.
 * @param fuzz the most fuzz that is allowed
 */
export function findFits(file: Uint8Array, index: LineIndex, hunk: Hunk, fuzz: number): Fits {
  const most = Math.min(fuzz, Math.max(hunk.prefix, hunk.suffix));
  for (let degree = 0; degree <= most; degree++) {
    const anchor = anchorOf(hunk, degree);
    const trimmed = trimContext(hunk, anchor.front, anchor.back);
    const lines = searchAll(file, index, trimmed, anchor);
    if (lines.length > 0) return { hunk: trimmed, fuzz: degree, front: anchor.front, lines };
  }
  return { hunk, fuzz: 0, front: 0, lines: [] };
}

/** 0-based lines where the old side stands, nearest to its stated line when there are too many. */
function searchAll(file: Uint8Array, index: LineIndex, hunk: Hunk, anchor: Anchor): number[] {
  if (hunk.oldCount === 0) return [];
  const needle = sideBytes(hunk, 'old');
  if (anchor.atStart) {
    const end = matchAt(file, 0, hunk);
    return end >= 0 && (!anchor.atEnd || end === file.length) ? [0] : [];
  }
  if (anchor.atEnd || hunk.oldNoNewline) {
    const at = file.length - needle.length;
    const starts = at === 0 || (at > 0 && file[at - 1] === NEWLINE);
    return starts && matchAt(file, at, hunk) === file.length ? [index.lineAt(at)] : [];
  }
  const found: number[] = [];
  const haystack = asBuffer(file);
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, at + 1)) {
    if (at === 0 || file[at - 1] === NEWLINE) found.push(index.lineAt(at));
  }
  return found.length <= MANY ? found : nearest(found, statedLine(hunk));
}

function nearest(lines: number[], stated: number): number[] {
  return lines
    .sort((a, b) => Math.abs(a - stated) - Math.abs(b - stated))
    .slice(0, MANY)
    .sort((a, b) => a - b);
}

/**
 * Of several places, the one in the function that the hunk's heading names, when that is one. A heading is
 * the last line before the hunk that starts with a letter, `_` or `$`, cut off at forty or eighty characters
 * (GNU diff's `-p`, git's default).
 */
export function narrowByHeading(file: Uint8Array, index: LineIndex, fits: Fits): Fits {
  const { heading } = fits.hunk;
  if (fits.lines.length < 2 || !/^[A-Za-z_$]/.test(heading)) return fits;
  const named = fits.lines.filter((line) => headingAt(file, index, line - fits.front).startsWith(heading));
  return named.length === 1 ? { ...fits, lines: named } : fits;
}

/** What `diff -p` would print for a hunk that starts at the 0-based line; one character per byte. */
function headingAt(file: Uint8Array, index: LineIndex, line: number): string {
  for (let above = line - 1; above >= 0; above--) {
    const at = index.start(above) ?? 0;
    const first = String.fromCharCode(file[at] ?? 0);
    if (/[A-Za-z_$]/.test(first)) return latin1(file.subarray(at, index.start(above + 1)));
  }
  return '';
}
