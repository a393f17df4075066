import { asBuffer, BACKSLASH, type LineIndex, NEWLINE, PLUS } from './bytes.ts';
import { isBare, sideBytes, statedLine, trimContext } from './hunks.ts';
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
  const { body } = hunk;
  const length = body.length;
  let left = hunk.oldCount;
  let here = at;
  for (let next = 0; next < length; ) {
    const op = body[next++];
    if (op === PLUS || op === BACKSLASH) {
      while (next < length && body[next++] !== NEWLINE);
      continue;
    }
    left--;
    for (;;) {
      const byte = body[next++];
      if (byte === NEWLINE) {
        if (left === 0 && hunk.oldNoNewline) return here === file.length ? here : -1;
        if (file[here++] !== NEWLINE) return -1;
        break;
      }
      if (file[here++] !== byte || byte === undefined) return -1;
    }
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

/** True when nothing but the line number says where the hunk belongs. */
export function isUnfounded(hunk: Hunk): boolean {
  return hunk.oldCount === 0 && isBare(hunk);
}
