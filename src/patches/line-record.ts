import type { Placement } from './place.ts';

interface Region {
  readonly start: number;
  readonly end: number;
  readonly patch: string;
}

/** Which patch of a series last touched which lines; lines are 0-based, ends exclusive. */
export class LineRecord {
  private readonly regions = new Map<string, Region[]>();

  /** Notes the hunks that one patch placed into a file; regions behind them move along. */
  note(path: string, patch: string, placements: readonly Placement[]): void {
    let regions = this.regions.get(path) ?? [];
    let grown = 0;
    for (const placement of placements) {
      if (placement.status !== 'applied') continue;
      const { hunk } = placement;
      const start = placement.line + grown;
      const growth = hunk.newCount - hunk.oldCount;
      regions = regions.map((region) => shift(region, start, start + hunk.oldCount, growth));
      regions.push({ start, end: start + hunk.newCount, patch });
      grown += growth;
    }
    this.regions.set(path, regions);
  }

  /** The last patch that touched any of the lines, or undefined. */
  lastTouched(path: string, start: number, end: number): string | undefined {
    return this.regions.get(path)?.findLast((region) => region.start < end && start <= region.end)?.patch;
  }
}

function shift(region: Region, start: number, end: number, growth: number): Region {
  if (region.start >= end) return { ...region, start: region.start + growth, end: region.end + growth };
  return region.end <= start ? region : { ...region, end: Math.max(region.start, region.end + growth) };
}
