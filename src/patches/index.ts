/** Patches: read, placed as a careful maintainer would, applied whole or not at all. The door to this room. */
export { type ApplyOptions, applySeries, checkSeries, SeriesRejected } from './apply.ts';
export { type OrderRules, orderSeries } from './order.ts';
export { parsePatch } from './parse.ts';
export { parseSeries, type SeriesEntry } from './quilt.ts';
export { type Refreshed, refreshSeries } from './refresh.ts';
export { rejects, reviewHunk, reviewLines } from './review.ts';
export type {
  FileAction,
  FileReport,
  FileSection,
  Hunk,
  HunkReport,
  HunkStatus,
  NearMiss,
  ParsedPatch,
  PatchEvent,
  PatchInput,
  PatchReport,
  SeriesReport,
} from './types.ts';
