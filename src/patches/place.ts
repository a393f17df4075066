import { asBuffer, BACKSLASH, LineIndex, lineEnd, MINUS, PLUS, SPACE } from './bytes.ts';
import { type Choice, choosePlaces } from './choose.ts';
import { anchorOf, type Fits, findFits, fitsAt, narrowByHeading } from './fit.ts';
import { isBare, reverseHunk, statedLine, statedNewLine } from './hunks.ts';
import type { Hunk } from './types.ts';

/** Lines of context that diffs have unless asked otherwise. */
const USUAL_CONTEXT = 3;

/** Where one hunk goes. Lines are 0-based, in the file as it was found. */
export type Placement =
  | {
      readonly status: 'applied';
      readonly hunk: Hunk;
      readonly line: number;
      readonly offset: number;
      readonly fuzz: number;
      /** Context lines that fuzz dropped from the front of `hunk`. */
      readonly front: number;
    }
  | { readonly status: 'already'; readonly hunk: Hunk; readonly line: number; readonly offset: number }
  | {
      readonly status: 'ambiguous';
      readonly hunk: Hunk;
      readonly fits: readonly number[];
      readonly reason: string;
    }
  | { readonly status: 'rejected'; readonly hunk: Hunk; readonly reason: string };

export interface PlaceOptions {
  readonly fuzz?: number;
  /** The file is byte for byte the one the patch was made for (git's blob name says so). */
  readonly exactBase?: () => boolean;
}

/**
 * Finds the one place of every hunk of a file: the stated line where all context matches, else the place
 * that needs the fewest shifts, with the offsets of earlier hunks carried along (see choose.ts). Pure.
 * @param hunks in the order in which the patch has them
 * @param index the file's lines, where the caller goes on to use them
 */
export function placeHunks(
  file: Uint8Array,
  hunks: readonly Hunk[],
  options: PlaceOptions = {},
  index: LineIndex = new LineIndex(file),
): readonly Placement[] {
  return placeAsStated(file, index, hunks) ?? placeBySearch(file, index, hunks, options);
}

/** The common case, at the cost of one pass: every hunk fits at its stated line. */
function placeAsStated(
  file: Uint8Array,
  index: LineIndex,
  hunks: readonly Hunk[],
): readonly Placement[] | undefined {
  const placements: Placement[] = [];
  let end = 0;
  for (const hunk of hunks) {
    const line = statedLine(hunk);
    if (line < end || isWeak(hunk) || !fitsAt(file, index, hunk, line)) return undefined;
    end = line + hunk.oldCount;
    placements.push({ status: 'applied', hunk, line, offset: 0, fuzz: 0, front: 0 });
  }
  return placements;
}

/** A hunk without any context: what it removes may stand elsewhere as well, and its line number proves nothing. */
export function isWeak(hunk: Hunk): boolean {
  return hunk.prefix === 0 && hunk.suffix === 0 && isBare(hunk);
}

function placeBySearch(
  file: Uint8Array,
  index: LineIndex,
  hunks: readonly Hunk[],
  options: PlaceOptions,
): readonly Placement[] {
  const disorder = findDisorder(hunks);
  const fits = hunks.map((hunk, at) => {
    if (disorder[at] !== undefined) return undefined;
    if (hunk.oldCount === 0) return emptyFits(file, hunk, options);
    return narrowByHeading(file, index, findFits(file, index, hunk, options.fuzz ?? 0));
  });
  const contextOf = (hunk: Hunk) => {
    if (Math.max(hunk.prefix, hunk.suffix) >= USUAL_CONTEXT) return 'full';
    return isWeak(hunk) && options.exactBase?.() !== true ? 'none' : 'little';
  };
  const choices = hunks.map((hunk, at): Choice => {
    const found = fits[at];
    return {
      stated: statedLine(found?.hunk ?? hunk),
      length: (found?.hunk ?? hunk).oldCount,
      lines: found?.lines ?? [],
      context: contextOf(hunk),
    };
  });
  const places = choosePlaces(choices);
  return hunks.map((hunk, at): Placement => {
    const problem = disorder[at];
    if (problem !== undefined) return { status: 'rejected', hunk, reason: problem };
    return verdict(file, index, hunk, fits[at], places[at] ?? [], hunks.length === 1);
  });
}

function verdict(
  file: Uint8Array,
  index: LineIndex,
  hunk: Hunk,
  fits: Fits | undefined,
  places: readonly number[],
  alone: boolean,
): Placement {
  const line = places[0];
  if (fits !== undefined && line !== undefined && places.length === 1) {
    const offset = line - statedLine(fits.hunk);
    return { status: 'applied', hunk: fits.hunk, line, offset, fuzz: fits.fuzz, front: fits.front };
  }
  if (fits !== undefined && places.length > 1) {
    return {
      status: 'ambiguous',
      hunk,
      fits: places.map((place) => place + 1 - fits.front),
      reason: `it fits equally well in ${places.length} places`,
    };
  }
  const found = findApplied(file, index, hunk);
  if (found !== undefined) {
    return { status: 'already', hunk, line: found, offset: found - statedNewLine(hunk) };
  }
  if (hunk.oldCount === 0 && hunk.oldStart === 0 && alone) {
    return { status: 'rejected', hunk, reason: 'it makes a new file, and the file is there, with content' };
  }
  if (hunk.oldCount === 0) {
    return {
      status: 'ambiguous',
      hunk,
      fits: [],
      reason: 'it inserts lines without any context, so that nothing says where they belong',
    };
  }
  if (fits !== undefined && fits.lines.length > 0) {
    return {
      status: 'rejected',
      hunk,
      reason: 'it fits only in front of, or inside, the hunk before it',
    };
  }
  return { status: 'rejected', hunk, reason: rejection(hunk) };
}

function rejection(hunk: Hunk): string {
  const anchor = anchorOf(hunk, 0);
  if (anchor.atStart) return 'the file does not start with the lines it expects there';
  if (anchor.atEnd) return 'the file does not end with the lines it expects there';
  return 'the lines it expects are nowhere in the file';
}

/** An insertion without context has a place only in an empty file, or in the very file it was made for. */
function emptyFits(file: Uint8Array, hunk: Hunk, options: PlaceOptions): Fits | undefined {
  if (file.length === 0 && hunk.oldStart === 0) return { hunk, fuzz: 0, front: 0, lines: [0] };
  if (options.exactBase?.() === true) return { hunk, fuzz: 0, front: 0, lines: [hunk.oldStart] };
  return undefined;
}

/** For each hunk whose stated lines lie before, or inside, those of an earlier one: what is wrong. */
function findDisorder(hunks: readonly Hunk[]): (string | undefined)[] {
  let end = 0;
  let previous: Hunk | undefined;
  return hunks.map((hunk) => {
    const start = statedLine(hunk);
    if (previous !== undefined && start < end) {
      return `its lines ${start + 1}-${start + hunk.oldCount} lie before the end of the hunk at ${previous.oldStart}: hunks out of order or overlapping`;
    }
    end = start + hunk.oldCount;
    previous = hunk;
    return undefined;
  });
}

/** An insertion without context: that the file has such a line (a brace, an #endif) does not say that it is in. */
export function isUnprovable(hunk: Hunk): boolean {
  return isWeak(hunk) && hunk.oldCount === 0 && hunk.oldStart > 0;
}

/** The 0-based line where the file has the hunk's new side already, if in one place. */
function findApplied(file: Uint8Array, index: LineIndex, hunk: Hunk): number | undefined {
  const reversed = reverseHunk(hunk);
  const stated = statedNewLine(hunk);
  if (hunk.newCount === 0 || isUnprovable(hunk)) return undefined;
  if (fitsAt(file, index, reversed, stated)) return stated;
  // The same lines elsewhere are nothing that this hunk has done.
  if (isWeak(hunk)) return undefined;
  const fits = findFits(file, index, reversed, 0);
  return fits.lines.length === 1 ? fits.lines[0] : undefined;
}

/** The file with every placed hunk applied; hunks that have no place are left out. */
export function applyPlacements(file: Uint8Array, placements: readonly Placement[]): Uint8Array {
  return Buffer.concat(splicePlacements(file, placements, new LineIndex(file)));
}

/** The same as pieces in order: runs of the file as they are, and what the hunks put between them. */
export function splicePlacements(
  file: Uint8Array,
  placements: readonly Placement[],
  index: LineIndex,
): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let taken = 0;
  for (const placement of placements) {
    if (placement.status !== 'applied') continue;
    taken = spliceHunk(pieces, file, taken, index.start(placement.line) ?? file.length, placement.hunk);
  }
  if (taken < file.length) pieces.push(file.subarray(taken));
  return pieces;
}

/** @returns the byte of the file that the next piece starts at */
function spliceHunk(
  pieces: Uint8Array[],
  file: Uint8Array,
  taken: number,
  start: number,
  hunk: Hunk,
): number {
  const body = asBuffer(hunk.body);
  const inserted = Buffer.allocUnsafe(body.length);
  let [filled, flushed] = [0, 0];
  let [kept, here] = [taken, start];
  let newLeft = hunk.newCount;
  for (let at = 0; at < body.length; ) {
    const op = body[at];
    const end = lineEnd(body, at);
    if (op === PLUS || op === SPACE) newLeft--;
    if (op === PLUS) {
      if (here > kept) {
        pieces.push(file.subarray(kept, here));
        kept = here;
      }
      filled += body.copy(inserted, filled, at + 1, newLeft === 0 && hunk.newNoNewline ? end - 1 : end);
    } else if (op !== BACKSLASH) {
      if (filled > flushed) pieces.push(inserted.subarray(flushed, filled));
      flushed = filled;
      const behind = Math.min(here + end - at - 1, file.length);
      if (op === MINUS) {
        if (here > kept) pieces.push(file.subarray(kept, here));
        kept = behind;
      }
      here = behind;
    }
    at = end;
  }
  if (filled > flushed) pieces.push(inserted.subarray(flushed, filled));
  return kept;
}
