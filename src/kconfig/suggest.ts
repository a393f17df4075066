/** Symbols that a patch brings, for the sentence about a symbol that a tree doesn't have. */
interface PatchSymbols {
  readonly symbols: RegExp;
  readonly patch: string;
  /** The first kernel for which the patch no longer has them, and what is said then. */
  readonly until?: { readonly version: readonly [number, number, number]; readonly note: string };
}

const PATCHES: readonly PatchSymbols[] = [
  {
    symbols: /^CONFIG_MOSIX_(FS|DFSA)$/,
    patch: 'openMosix (openMosix-<version>-<n>.bz2)',
    until: { version: [2, 4, 26], note: 'openMosix dropped MFS and DFSA with 2.4.26' },
  },
  { symbols: /^CONFIG_(MOSIX|openMosix)(_|$)/, patch: 'openMosix (openMosix-<version>-<n>.bz2)' },
  { symbols: /^CONFIG_QKERNEL_EXT$|^CONFIG_QOS_JID$/, patch: "openMosix's first releases" },
];

/**
 * What can be said of a symbol that no file of the tree's configuration defines: the patch that would bring it, else the names that
 * are nearest to it.
 * @param version the kernel's, e.g. `2.4.22`, where it is known.
 */
export function describeUnknown(
  symbol: string,
  known: Iterable<string>,
  version?: string,
  file: 'Config.in' | 'Kconfig' = 'Config.in',
): string {
  const nobody = `no ${file} of this tree has it`;
  const brought = PATCHES.find(({ symbols }) => symbols.test(symbol));
  if (brought?.until !== undefined && !isBefore(version, brought.until.version)) {
    return `${nobody}: ${brought.until.note}`;
  }
  if (brought !== undefined) {
    return `${nobody}; the patch ${brought.patch} would bring it`;
  }
  const near = nearestSymbols(symbol, known);
  const hint = near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`;
  return `${nobody}${hint}`;
}

function isBefore(version: string | undefined, limit: readonly number[]): boolean {
  const numbers = version?.split('.').map((part) => Number.parseInt(part, 10));
  if (numbers === undefined) return true;
  for (const [index, bound] of limit.entries()) {
    const number = numbers[index] ?? 0;
    if (number !== bound) return number < bound;
  }
  return false;
}

/** Up to three known names that are a few keystrokes away, nearest first. */
export function nearestSymbols(symbol: string, known: Iterable<string>): string[] {
  const reach = Math.max(1, Math.floor((symbol.length - 'CONFIG_'.length) / 3));
  const near: { name: string; distance: number }[] = [];
  for (const name of known) {
    if (Math.abs(name.length - symbol.length) > reach) continue;
    const distance = editDistance(name.toUpperCase(), symbol.toUpperCase());
    if (distance <= reach) near.push({ name, distance });
  }
  near.sort((one, other) => one.distance - other.distance || (one.name < other.name ? -1 : 1));
  const best = near[0]?.distance ?? 0;
  return near
    .filter(({ distance }) => distance <= best + 1)
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row += 1) {
    const now = [row];
    for (let column = 1; column <= other.length; column += 1) {
      const same = one[row - 1] === other[column - 1];
      let best = Math.min(
        at(last, column) + 1,
        at(now, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]) {
        best = Math.min(best, at(beforeLast, column - 2) + 1);
      }
      now.push(best);
    }
    beforeLast = last;
    last = now;
  }
  return at(last, other.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
