import { setImmediate as nextTurn } from 'node:timers/promises';
import { reverseSection } from './hunks.ts';
import { LineRecord } from './line-record.ts';
import { memoryStore, Overlay } from './overlay.ts';
import { parsePatch } from './parse.ts';
import { isUnprovable, isWeak } from './place.ts';
import { applySection, type SectionContext } from './section.ts';
import { findStrip, findTarget } from './targets.ts';
import type { DiskTree } from './tree.ts';
import type {
  FileReport,
  FileSection,
  ParsedPatch,
  PatchEvent,
  PatchInput,
  PatchReport,
  SeriesReport,
} from './types.ts';

/** How long the event loop may be held, in milliseconds: a dashboard or a lease wants its turn. */
const TURN = 40;

/** One patch of a series, read. */
export interface ReadPatch {
  readonly patch: ParsedPatch;
  readonly strip: number | undefined;
  readonly fuzz: number;
}

export interface EvaluateOptions {
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: PatchEvent) => void;
  readonly onChanged?: SectionContext['onChanged'];
  /** Stop at the first patch that does not apply. */
  readonly stopEarly?: boolean;
}

/** Reads all patches before anything else is done. @throws KilnError `invalid` */
export function readSeries(series: readonly PatchInput[]): ReadPatch[] {
  return series.map((input) => ({
    patch: parsePatch(input.bytes, input.name),
    strip: input.strip,
    fuzz: input.fuzz ?? 0,
  }));
}

/**
 * Applies a series to an overlay, patch after patch, each seeing what the ones before it did, and reports
 * every hunk. The tree on disk is only read.
 * @throws KilnError `integrity` when a patch leaves the tree
 */
export async function evaluateSeries(
  tree: Overlay,
  series: readonly ReadPatch[],
  options: EvaluateOptions = {},
): Promise<SeriesReport> {
  const patches: PatchReport[] = [];
  const touchedBy = new Map<string, string[]>();
  const record = series.length > 1 ? new LineRecord() : undefined;
  const turn = new Turn(options.signal);
  for (const entry of series) {
    options.onEvent?.({ type: 'patch-started', patch: entry.patch.name });
    const report = await evaluatePatch(tree, entry, turn, record, options);
    patches.push(report);
    noteTouched(touchedBy, report);
    options.onEvent?.({ type: 'patch-placed', patch: entry.patch.name, report });
  }
  const touched = Object.fromEntries([...touchedBy].sort(([a], [b]) => (a < b ? -1 : 1)));
  if (patches.every((patch) => patch.ok)) return { ok: true, already: false, patches, touchedBy: touched };
  if (await isApplied(tree.disk, series, patches)) {
    return { ok: true, already: true, patches: patches.map(asApplied), touchedBy: {} };
  }
  return { ok: false, already: false, patches, touchedBy: touched };
}

/** Lets others run from time to time, and stops when told to. */
class Turn {
  private since = performance.now();
  private readonly signal: AbortSignal | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal;
  }

  async rest(): Promise<void> {
    this.signal?.throwIfAborted();
    if (performance.now() - this.since < TURN) return;
    await nextTurn();
    this.signal?.throwIfAborted();
    this.since = performance.now();
  }
}

async function evaluatePatch(
  tree: Overlay,
  { patch, strip: given, fuzz }: ReadPatch,
  turn: Turn,
  record: LineRecord | undefined,
  options: EvaluateOptions,
): Promise<PatchReport> {
  const strip = given ?? findStrip(patch, tree);
  tree.startPatch(leavingPaths(patch, strip, tree));
  const files: FileReport[] = [];
  const context: SectionContext = {
    patch: patch.name,
    strip,
    fuzz,
    tree,
    ...(record === undefined
      ? {}
      : { onPlaced: (path, placements) => record.note(path, patch.name, placements) }),
    ...(options.onChanged === undefined ? {} : { onChanged: options.onChanged }),
  };
  for (const section of patch.sections) {
    const report = applySection(context, section);
    files.push(record === undefined ? report : withHistory(report, record));
    await tree.ease();
    await turn.rest();
  }
  const ok = files.every(isDone);
  return { name: patch.name, strip, ok, already: files.length > 0 && files.every(isAlready), files };
}

function leavingPaths(patch: ParsedPatch, strip: number, tree: Overlay): ReadonlySet<string> {
  const leaving = new Set<string>();
  for (const section of patch.sections) {
    if (section.renameFrom === undefined) continue;
    const from = findTarget(patch.name, section, strip, tree)?.from;
    if (from !== undefined) leaving.add(from);
  }
  return leaving;
}

function isDone(file: FileReport): boolean {
  return (
    file.problem === undefined &&
    file.already !== true &&
    file.hunks.every((hunk) => hunk.status === 'applied')
  );
}

function isAlready(file: FileReport): boolean {
  if (file.already === true) return true;
  return file.hunks.length > 0 && file.hunks.every((hunk) => hunk.status === 'already');
}

function withHistory(report: FileReport, record: LineRecord): FileReport {
  if (report.hunks.every((hunk) => hunk.status === 'applied' || hunk.hunk === undefined)) return report;
  const hunks = report.hunks.map((hunk) => {
    if (hunk.hunk === undefined) return hunk;
    const first = hunk.nearest?.at ?? hunk.at;
    const by = record.lastTouched(report.path, first - 1, first - 1 + Math.max(1, hunk.hunk.oldCount));
    return by === undefined ? hunk : { ...hunk, touchedBy: by };
  });
  return { ...report, hunks };
}

function noteTouched(touchedBy: Map<string, string[]>, report: PatchReport): void {
  for (const file of report.files) {
    if (isAlready(file) || file.problem !== undefined) continue;
    for (const path of file.from === undefined ? [file.path] : [file.from, file.path]) {
      const names = touchedBy.get(path);
      if (names === undefined) touchedBy.set(path, [report.name]);
      else if (names.at(-1) !== report.name) names.push(report.name);
    }
  }
}

/** A tree has a series already when undoing it, last patch first, works without a doubt. */
async function isApplied(
  disk: DiskTree,
  series: readonly ReadPatch[],
  patches: readonly PatchReport[],
): Promise<boolean> {
  if (patches.every((patch) => patch.already)) return true;
  if (patches.length === 0 || !patches.some((patch) => !patch.ok)) return false;
  const hunks = series.flatMap(({ patch }) => patch.sections.flatMap((section) => section.hunks));
  if (hunks.some(isUnprovable)) return false;
  const tree = new Overlay(disk, memoryStore());
  for (let at = series.length - 1; at >= 0; at--) {
    const entry = series[at];
    const strip = patches[at]?.strip;
    if (entry === undefined || strip === undefined) return false;
    const sections = reverseSections(entry.patch.sections);
    if (sections === undefined) return false;
    const reversed = { ...entry, strip, patch: { ...entry.patch, sections } };
    const report = await evaluatePatch(tree, reversed, new Turn(undefined), undefined, {});
    if (!report.ok || sections.some((section, index) => isFarFetched(section, report.files[index])))
      return false;
  }
  return true;
}

/** Whether what has no context was found at another line than its own. */
function isFarFetched({ hunks }: FileSection, report: FileReport | undefined): boolean {
  return hunks.some((hunk, index) => isWeak(hunk) && report?.hunks[index]?.offset !== 0);
}

function reverseSections(sections: readonly FileSection[]): FileSection[] | undefined {
  const reversed = sections.map(reverseSection).reverse();
  return reversed.every((section) => section !== undefined) ? reversed : undefined;
}

function asApplied(patch: PatchReport): PatchReport {
  const files = patch.files.map((file): FileReport => {
    const { problem: _, ...rest } = file;
    const hunks = file.hunks.map((hunk) => ({
      at: hunk.at,
      offset: hunk.offset,
      fuzz: 0,
      status: 'already' as const,
      line: hunk.line,
      stated: hunk.stated,
    }));
    return { ...rest, hunks, already: true };
  });
  return { ...patch, ok: true, already: true, files };
}
