import { fromLatin1, latin1, readable } from './bytes.ts';
import { sideBytes, statedLine, statedNewLine } from './hunks.ts';
import { findNearMiss } from './near-miss.ts';
import type { Placement } from './place.ts';
import type { Target } from './targets.ts';
import type { FileAction, FileReport, FileSection, Hunk, HunkReport } from './types.ts';

export function actionOf(section: FileSection): FileAction {
  if (section.creates) return 'create';
  if (section.deletes) return 'delete';
  if (section.renameFrom !== undefined || section.copyFrom !== undefined) return 'rename';
  return section.hunks.length === 0 && section.binary === undefined ? 'mode' : 'modify';
}

/** The report of a section that can't be done at all. */
export function refused(section: FileSection, path: string, problem: string): FileReport {
  const hunks = section.hunks.map((hunk) => rejectedHunk(hunk, problem, 0));
  return { path, action: actionOf(section), hunks, problem, line: section.line };
}

function rejectedHunk(hunk: Hunk, reason: string, carried: number): HunkReport {
  return {
    at: statedNewLine(hunk) + 1 + carried,
    offset: 0,
    fuzz: 0,
    status: 'rejected',
    line: hunk.line,
    stated: statedLine(hunk) + 1,
    reason,
    hunk,
  };
}

/** A report in which every hunk has the one status. */
export function uniform(
  section: FileSection,
  target: Target,
  status: 'applied' | 'already',
  extra: Partial<FileReport> = {},
): FileReport {
  const hunks = section.hunks.map((hunk): HunkReport => {
    const place = { at: statedNewLine(hunk) + 1, stated: statedLine(hunk) + 1, line: hunk.line };
    return { ...place, offset: 0, fuzz: 0, status };
  });
  return {
    path: target.path,
    ...(target.from === undefined ? {} : { from: target.from }),
    action: actionOf(section),
    hunks,
    line: section.line,
    ...(status === 'already' ? { already: true } : {}),
    ...extra,
  };
}

export function reportOf(
  section: FileSection,
  target: Target,
  before: Uint8Array,
  placements: readonly Placement[],
  crlfStripped: boolean,
): FileReport {
  let grown = 0;
  let carried = 0;
  const describe = (placement: Placement): HunkReport => {
    const { hunk } = placement;
    const place = { line: hunk.line, stated: statedLine(hunk) + 1 };
    switch (placement.status) {
      case 'applied': {
        const at = placement.line - placement.front + 1 + grown;
        grown += hunk.newCount - hunk.oldCount;
        carried = placement.offset;
        const ignored = placement.fuzz > 0 ? ignoredLines(section, placement, before) : undefined;
        return {
          ...place,
          stated: place.stated - placement.front,
          at,
          offset: placement.offset,
          fuzz: placement.fuzz,
          status: 'applied',
          ...(ignored === undefined ? {} : { ignored }),
        };
      }
      case 'already':
        return { ...place, at: placement.line + 1, offset: placement.offset, fuzz: 0, status: 'already' };
      case 'ambiguous':
        return {
          ...rejectedHunk(hunk, placement.reason, carried),
          status: 'ambiguous',
          fits: placement.fits,
        };
      case 'rejected': {
        const nearest = findNearMiss(before, hunk, statedLine(hunk) + carried);
        return { ...rejectedHunk(hunk, placement.reason, carried), ...(nearest ? { nearest } : {}) };
      }
    }
  };
  const hunks = placements.map(describe);
  return {
    path: target.path,
    ...(target.from === undefined ? {} : { from: target.from }),
    action: actionOf(section),
    hunks,
    line: section.line,
    ...(crlfStripped ? { crlfStripped } : {}),
  };
}

/** The context that fuzz passed over and that differs: what the patch expected, what the file has. */
function ignoredLines(
  section: FileSection,
  placement: Placement & { readonly status: 'applied' },
  before: Uint8Array,
): HunkReport['ignored'] {
  const whole = section.hunks.find((hunk) => hunk.line === placement.hunk.line);
  if (whole === undefined) return undefined;
  const show = (bytes: string) => readable(fromLatin1(bytes.replace(/\r?\n$/, '')));
  const expected = latin1(sideBytes(whole, 'old')).split(/(?<=\n)/);
  const lines = latin1(before).split(/(?<=\n)/);
  const first = placement.line - placement.front;
  const kept = placement.hunk.oldCount;
  return expected.flatMap((text, at) => {
    if (at >= placement.front && at < placement.front + kept) return [];
    const found = lines[first + at];
    return found === text
      ? []
      : [{ expected: show(text), found: found === undefined ? undefined : show(found) }];
  });
}
