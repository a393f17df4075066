import { structuredPatch } from 'diff';
import { KilnError } from '../platform/errors.ts';
import { findTree, SeriesRejected } from './apply.ts';
import { fromLatin1, latin1, noBytes } from './bytes.ts';
import { memoryStore, Overlay } from './overlay.ts';
import { evaluateSeries, type ReadPatch, readSeries } from './series.ts';
import { refusePending } from './stage.ts';
import { DiskTree } from './tree.ts';
import type { FileSection, PatchInput, SeriesReport } from './types.ts';

/** A patch made anew. */
export interface Refreshed {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** False when it was as it should be already. */
  readonly changed: boolean;
}

interface Changed {
  readonly section: FileSection;
  readonly path: string;
  readonly before: Uint8Array;
  after: Uint8Array;
}

/**
 * Makes every patch of a series anew against the tree as the patches before it leave it: today's line
 * numbers, today's context, three lines of it. What stands in front of the first file is kept; prose between
 * files is not. Reads the tree and writes nothing.
 * @throws SeriesRejected when a hunk has no one place; KilnError `invalid` for a patch with binary content
 */
export async function refreshSeries(
  tree: string,
  series: readonly PatchInput[],
): Promise<{ readonly report: SeriesReport; readonly patches: readonly Refreshed[] }> {
  const patches = readSeries(series);
  const root = await findTree(tree);
  await refusePending(root);
  const changes = new Map<string, Map<string, Changed>>();
  let current = new Map<string, Changed>();
  const report = await evaluateSeries(new Overlay(new DiskTree(root), memoryStore()), patches, {
    onEvent: (event) => {
      if (event.type !== 'patch-started') return;
      current = new Map();
      changes.set(event.patch, current);
    },
    onChanged: (section, path, before, after) => {
      const known = current.get(path);
      if (known === undefined) current.set(path, { section, path, before, after });
      else known.after = after;
    },
  });
  if (!report.ok || report.already) throw new SeriesRejected(report);
  return {
    report,
    patches: patches.map((entry, at) => {
      const bytes = rewrite(entry, [...(changes.get(entry.patch.name)?.values() ?? [])]);
      const original = series[at]?.bytes ?? noBytes();
      return { name: entry.patch.name, bytes, changed: Buffer.compare(original, bytes) !== 0 };
    }),
  };
}

function rewrite({ patch }: ReadPatch, changes: readonly Changed[]): Uint8Array {
  const parts: Uint8Array[] = [patch.preamble];
  for (const change of changes) {
    if (change.section.binary !== undefined) {
      throw new KilnError('invalid', `${change.path} is binary, and can't be refreshed`, {
        place: { file: patch.name, line: change.section.line },
        hint: 'make the patch anew with git diff --binary',
      });
    }
    parts.push(fromLatin1(rewriteFile(change)));
  }
  return Buffer.concat(parts);
}

/** One file's part of a patch, one character per byte. jsdiff makes the hunks; names and modes are kept. */
function rewriteFile({ section, path, before, after }: Changed): string {
  const old = bytesName(section.oldName ?? `a/${path}`);
  const now = bytesName(section.newName ?? `b/${path}`);
  const made = structuredPatch(old, now, latin1(before), latin1(after), '', '', { context: 3 });
  const hunks = made.hunks.map((hunk) => {
    // jsdiff counts an empty side from the line behind it, the unified notation from the one before.
    const side = (start: number, count: number) => `${count === 0 ? start - 1 : start},${count}`;
    const range = `@@ -${side(hunk.oldStart, hunk.oldLines)} +${side(hunk.newStart, hunk.newLines)} @@`;
    return `${range}\n${hunk.lines.map((line) => `${line}\n`).join('')}`;
  });
  const header = section.notation === 'git' ? gitHeader(section, old, now) : '';
  if (hunks.length === 0) return header;
  const oldSide = section.creates ? '/dev/null' : old;
  const newSide = section.deletes ? '/dev/null' : now;
  return `${header}--- ${oldSide}${tabFor(oldSide)}\n+++ ${newSide}${tabFor(newSide)}\n${hunks.join('')}`;
}

function bytesName(name: string): string {
  return latin1(Buffer.from(name));
}

/** A name with a space in it ends at a tab. */
function tabFor(name: string): string {
  return name.includes(' ') ? '\t' : '';
}

function gitHeader(section: FileSection, old: string, now: string): string {
  const octal = (mode: number | undefined) => (mode ?? 0o100644).toString(8);
  const bare = (name: string) => name.replace(/^[^/]*\//, '');
  const lines = [`diff --git ${old} ${now}`];
  if (section.creates) lines.push(`new file mode ${octal(section.newMode)}`);
  else if (section.deletes) lines.push(`deleted file mode ${octal(section.oldMode)}`);
  else if (section.newMode !== section.oldMode) {
    lines.push(`old mode ${octal(section.oldMode)}`, `new mode ${octal(section.newMode)}`);
  }
  if (section.renameFrom !== undefined) lines.push(`rename from ${bare(old)}`, `rename to ${bare(now)}`);
  if (section.copyFrom !== undefined) lines.push(`copy from ${bare(old)}`, `copy to ${bare(now)}`);
  return `${lines.join('\n')}\n`;
}
