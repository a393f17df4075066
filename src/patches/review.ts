import { sideLines } from './hunks.ts';
import type { FileReport, HunkReport, NearMiss, PatchReport, SeriesReport } from './types.ts';

/** Width of one side of a side-by-side view, in characters. */
const SIDE = 58;
/** More hunks than this are counted, not shown. */
const SHOWN = 20;

/** One sentence: how many hunks of which patches have no place. */
export function summarize(report: SeriesReport): string {
  const failed = report.patches.filter((patch) => !patch.ok);
  const named = failed.map((patch) => `${patch.name} (${describeFailure(patch)})`);
  return `the series does not apply: ${named.slice(0, 5).join(', ')}${named.length > 5 ? ` and ${named.length - 5} more` : ''}`;
}

function describeFailure(patch: PatchReport): string {
  if (patch.already) return 'the tree has all of it already';
  const hunks = patch.files.flatMap((file) => file.hunks);
  const count = (status: HunkReport['status']) => hunks.filter((hunk) => hunk.status === status).length;
  const parts = [
    [count('rejected'), 'rejected'],
    [count('ambiguous'), 'ambiguous'],
    [count('already'), 'in the tree already'],
  ]
    .filter(([number]) => number !== 0)
    .map(([number, word]) => `${number} ${word}`);
  const problems = patch.files.filter((file) => file.problem !== undefined && file.hunks.length === 0).length;
  if (problems > 0) parts.push(`${problems} files that can't be done`);
  return parts.length === 0
    ? 'files that are in the tree already'
    : `${parts.join(', ')} of ${hunks.length} hunks`;
}

/** The failures as a reviewer would write them down: file, hunk, what was expected and what is there. */
export function reviewLines(report: SeriesReport): string[] {
  const lines: string[] = [];
  let left = SHOWN;
  let more = 0;
  for (const patch of report.patches) {
    if (patch.ok) continue;
    if (patch.already) {
      lines.push(`${patch.name}: the tree has all of it already; leave it out of the series`);
      continue;
    }
    for (const file of patch.files) {
      const failed = file.hunks.filter((hunk) => hunk.status !== 'applied');
      if (file.problem !== undefined) lines.push(`${patch.name}: ${file.path}: ${file.problem}`);
      else if (file.already === true)
        lines.push(`${patch.name}: ${file.path}: is as the patch wants it already`);
      else {
        for (const hunk of failed) {
          if (left-- > 0) lines.push(...reviewHunk(patch, file, hunk));
          else more++;
        }
      }
    }
  }
  if (more > 0) lines.push(`... and ${more} more hunks; kiln patch check --json has them all`);
  return lines;
}

/** One hunk that has no place. */
export function reviewHunk(patch: PatchReport, file: FileReport, hunk: HunkReport): string[] {
  const number = file.hunks.indexOf(hunk) + 1;
  const head = `${patch.name}:${hunk.line}: ${file.path}, hunk ${number} of ${file.hunks.length}, stated at line ${hunk.stated}`;
  if (hunk.status === 'already') return [`${head}: is in the tree already, at line ${hunk.at}`];
  const lines = [`${head}: ${hunk.status}: ${hunk.reason ?? 'it has no place'}`];
  if (hunk.fits !== undefined && hunk.fits.length > 0) {
    lines.push(
      `  it fits at the lines ${hunk.fits.slice(0, 12).join(', ')}${hunk.fits.length > 12 ? ' ...' : ''}`,
    );
  }
  if (hunk.touchedBy !== undefined) {
    lines.push(`  an earlier patch of the series, ${hunk.touchedBy}, last touched these lines`);
  }
  if (hunk.nearest !== undefined) lines.push(...sideBySide(hunk.nearest));
  else if (hunk.hunk !== undefined && hunk.status === 'rejected' && file.problem === undefined) {
    const expected = sideLines(hunk.hunk, 'old').slice(0, 8);
    if (expected.length > 0)
      lines.push(
        '  not one of its lines is in the file; it expects',
        ...expected.map((l) => `    ${l.trimEnd()}`),
      );
  }
  return lines;
}

function sideBySide(nearest: NearMiss): string[] {
  const cell = (text: string | undefined) => clip(text ?? '').padEnd(SIDE);
  const rows = nearest.rows.map((row) => {
    const number = String(row.line ?? '').padStart(6);
    const mark = row.same ? ' ' : row.expected === undefined ? '>' : row.found === undefined ? '<' : '|';
    return `  ${cell(row.expected)} ${mark} ${number} ${clip(row.found ?? '')}`.trimEnd();
  });
  return [
    `  nearest: line ${nearest.at}, where ${nearest.matching} of its ${nearest.of} lines are`,
    `  ${'the patch expects'.padEnd(SIDE)}   the file has`,
    ...rows,
  ];
}

function clip(text: string): string {
  const shown = text.replace(/\t/g, '    ').replace(/[\x00-\x1f\x7f]/g, '?');
  return shown.length > SIDE ? `${shown.slice(0, SIDE - 1)}…` : shown;
}

/** The hunks of a series that have no place, by path, each as a `.rej` that patch tools read. */
export function rejects(report: SeriesReport): ReadonlyMap<string, Uint8Array> {
  const parts = new Map<string, Uint8Array[]>();
  for (const patch of report.patches) {
    for (const file of patch.files) {
      const failed = file.hunks.filter((hunk) => hunk.hunk !== undefined);
      if (failed.length === 0) continue;
      const list = parts.get(file.path) ?? [];
      list.push(Buffer.from(`--- ${file.path}\t(${patch.name})\n+++ ${file.path}\t(${patch.name})\n`));
      for (const { hunk } of failed) {
        if (hunk === undefined) continue;
        const range = `@@ -${hunk.oldStart},${hunk.oldCount} +${hunk.newStart},${hunk.newCount} @@`;
        list.push(
          Buffer.from(`${range}${hunk.heading === '' ? '' : ` ${hunk.heading}`}\n`, 'latin1'),
          hunk.body,
        );
      }
      parts.set(file.path, list);
    }
  }
  return new Map([...parts].map(([path, list]) => [path, Buffer.concat(list)]));
}
