import { lstat, realpath } from 'node:fs/promises';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { memoryStore, Overlay } from './overlay.ts';
import { reviewLines, summarize } from './review.ts';
import { evaluateSeries, readSeries } from './series.ts';
import { openStage, refusePending, type Stage } from './stage.ts';
import { DiskTree } from './tree.ts';
import type { PatchEvent, PatchInput, SeriesReport } from './types.ts';

export interface ApplyOptions {
  /** Stops the work; the tree is then as it was. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: PatchEvent) => void;
  /** Flush to the disk before and after the files move, so that a power cut is survived as well as a kill. */
  readonly durable?: boolean;
}

/** A series that has hunks without a place; `report` has all of them, `lines` the review. */
export class SeriesRejected extends KilnError {
  readonly report: SeriesReport;

  constructor(report: SeriesReport) {
    super('failed', summarize(report), {
      lines: reviewLines(report),
      hint: 'kiln patch check shows every hunk of the series; the tree was not changed',
    });
    this.report = report;
  }
}

/**
 * Applies a series to a tree: all of it, or nothing, however it is stopped. New contents are staged inside
 * the tree and moved in when every hunk of every patch has its one place; a kill before that leaves the tree
 * as it was, a kill after it is made good by the next call on that tree. A series that the tree has already
 * is recognised and changes nothing.
 * @param tree directory that holds the tree
 * @throws SeriesRejected (`failed`) when a hunk has no one place; KilnError `invalid` when a patch can't be
 *   read, `integrity` when one leaves the tree, `locked` when another process patches the same tree
 */
export async function applySeries(
  tree: string,
  series: readonly PatchInput[],
  options: ApplyOptions = {},
): Promise<SeriesReport> {
  const patches = readSeries(series);
  const root = await findTree(tree);
  options.signal?.throwIfAborted();
  const stage = await openStage(root, options.durable ?? false, (how) =>
    options.onEvent?.({ type: 'series-recovered', tree, how }),
  );
  try {
    return await stageAndCommit(root, stage, patches, options);
  } finally {
    await stage.close();
  }
}

async function stageAndCommit(
  root: string,
  stage: Stage,
  patches: ReturnType<typeof readSeries>,
  options: ApplyOptions,
): Promise<SeriesReport> {
  const overlay = new Overlay(new DiskTree(root), stage);
  const report = await evaluateSeries(overlay, patches, options);
  if (!report.ok) throw new SeriesRejected(report);
  if (report.already) return report;
  options.signal?.throwIfAborted();
  await stage.commit(overlay.changes);
  options.onEvent?.({ type: 'series-applied', files: overlay.changes.size });
  return report;
}

/**
 * What `applySeries` would do, for every hunk of every patch, later patches seeing the effect of earlier
 * ones. Reads the tree and writes nothing. Hunks without a place are in the report, not an error.
 * @throws KilnError `invalid`, `integrity` as `applySeries`
 */
export async function checkSeries(
  tree: string,
  series: readonly PatchInput[],
  options: ApplyOptions = {},
): Promise<SeriesReport> {
  const patches = readSeries(series);
  const root = await findTree(tree);
  await refusePending(root);
  return evaluateSeries(new Overlay(new DiskTree(root), memoryStore()), patches, options);
}

/** The real directory of a tree. @throws KilnError `usage` where there is none. */
export async function findTree(tree: string): Promise<string> {
  try {
    const root = await realpath(tree);
    if ((await lstat(root)).isDirectory()) return root;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES')) throw error;
  }
  throw new KilnError('usage', `${tree} is no directory`, {
    hint: 'give the directory of an unpacked kernel tree',
  });
}
