import { diffArrays } from 'diff';
import { fromLatin1, readable, splitLines } from './bytes.ts';
import { sideLines } from './hunks.ts';
import type { Hunk, NearMiss, SideBySide } from './types.ts';

/** Lines beyond which a file is only searched around the stated place. */
const WINDOW = 20_000;

/**
 * The place of a file that comes nearest to what a hunk expects: most lines equal, each at its own distance
 * from the start; of equals the one nearest to `stated`.
 * @param stated 0-based line
 * @returns undefined when not one line is there
 */
export function findNearMiss(file: Uint8Array, hunk: Hunk, stated: number): NearMiss | undefined {
  const lines = splitLines(file);
  const expected = sideLines(hunk, 'old');
  const from = Math.max(0, stated - WINDOW);
  const window = lines.slice(from, stated + WINDOW);
  const start = bestAlignment(window, expected, stated - from);
  if (start === undefined) return undefined;
  const first = from + start;
  // A line or two may have come in between: look a little further than the hunk is long.
  const found = lines.slice(first, first + expected.length + 3);
  const { rows, matching } = align(expected, found, first);
  return { at: first + 1, matching, of: expected.length, rows };
}

function bestAlignment(
  lines: readonly string[],
  expected: readonly string[],
  stated: number,
): number | undefined {
  const positions = new Map<string, number[]>();
  lines.forEach((line, at) => {
    const list = positions.get(line);
    if (list === undefined) positions.set(line, [at]);
    else list.push(at);
  });
  const scores = new Map<number, number>();
  expected.forEach((line, at) => {
    const where = positions.get(line) ?? [];
    // A line that is everywhere (a brace, a blank) says less than one that is rare.
    const weight = (line.trim().length < 3 ? 0.1 : 1) / Math.sqrt(where.length);
    for (const place of where) {
      const start = Math.max(0, place - at);
      scores.set(start, (scores.get(start) ?? 0) + weight);
    }
  });
  let best: number | undefined;
  let most = 0;
  for (const [start, score] of scores) {
    const nearer = best !== undefined && Math.abs(start - stated) < Math.abs(best - stated);
    if (score > most + 1e-9 || (score > most - 1e-9 && nearer)) {
      best = start;
      most = score;
    }
  }
  return best;
}

/** Both sides, line beside line. Found lines behind the last expected one are left out. */
function align(
  expected: readonly string[],
  found: readonly string[],
  first: number,
): { readonly rows: readonly SideBySide[]; readonly matching: number } {
  const rows: SideBySide[] = [];
  let line = first;
  let matching = 0;
  let removed: string[] = [];
  const show = (text: string | undefined) =>
    text === undefined ? undefined : readable(fromLatin1(text.replace(/\n$/, '')));
  const flush = (added: readonly string[]) => {
    for (let at = 0; at < Math.max(removed.length, added.length); at++) {
      const has = added[at];
      rows.push({
        same: false,
        line: has === undefined ? undefined : ++line,
        expected: show(removed[at]),
        found: show(has),
      });
    }
    removed = [];
  };
  for (const part of diffArrays([...expected], [...found])) {
    if (part.removed) removed = part.value;
    else if (part.added) flush(part.value);
    else {
      flush([]);
      matching += part.value.length;
      for (const text of part.value) {
        rows.push({ same: true, line: ++line, expected: show(text), found: show(text) });
      }
    }
  }
  flush([]);
  while (rows.at(-1)?.expected === undefined && rows.length > 0) rows.pop();
  return { rows, matching };
}
