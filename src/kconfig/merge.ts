import { KilnError } from '../platform/errors.ts';
import { dotConfigLine, parseDotConfig, sameValue } from './dotconfig.ts';
import type { Fragment, Requested } from './fragment.ts';

/** Two fragments that ask for different values of one symbol, the later one without `override:`. */
export interface Conflict {
  readonly symbol: string;
  readonly earlier: Requested;
  readonly later: Requested;
}

export interface Merged {
  /** `.config` text to resolve: base, then what the fragments ask for; each symbol once. */
  readonly config: string;
  /** Every line of every fragment, in order of precedence (lowest first). */
  readonly requested: readonly Requested[];
  readonly conflicts: readonly Conflict[];
}

/**
 * Lays fragments over a base `.config`. Precedence is the order given: base, the recipe's fragments, the
 * variant's, the recipe's inline options. The later of two fragments that differ on a symbol wins, and is
 * reported as a conflict unless it says `override:`. Pure; what the kernel's own rules make of the result
 * is another matter (`auditConfig`).
 * @throws KilnError `invalid` for a base with a value that is none (it could be a command).
 */
export function mergeFragments(baseText: string, fragments: readonly Fragment[]): Merged {
  const requested = fragments.flatMap((fragment) => fragment.options);
  const wanted = new Map<string, Requested>();
  const conflicts: Conflict[] = [];
  for (const later of requested) {
    const earlier = wanted.get(later.symbol);
    if (earlier !== undefined && !later.override && !sameValue(earlier.want, later.want)) {
      conflicts.push({ symbol: later.symbol, earlier, later });
    }
    wanted.set(later.symbol, later);
  }
  return { config: mergedText(baseText, wanted), requested, conflicts };
}

/**
 * @throws KilnError `invalid` that names every pair of fragments that contradict each other, all at once,
 * with both places of each.
 */
export function refuseConflicts(conflicts: readonly Conflict[]): void {
  const first = conflicts[0];
  if (first === undefined) return;
  const place = { file: first.later.fragment, line: first.later.line };
  throw new KilnError('invalid', `${describeConflict(first)}${more(conflicts.length - 1)}`, {
    place,
    hint: "drop one of the two, or put a comment '# override: <why>' directly above the later one",
    lines: conflicts.map(describeConflict),
  });
}

/** `CONFIG_SMP: n asked by a.config:3, y by b.config:9`. */
export function describeConflict({ symbol, earlier, later }: Conflict): string {
  return (
    `${symbol}: ${earlier.want} asked by ${earlier.fragment}:${earlier.line}, ` +
    `${later.want} by ${later.fragment}:${later.line}`
  );
}

function more(count: number): string {
  return count === 0 ? '' : ` (and ${count} more)`;
}

function mergedText(baseText: string, wanted: ReadonlyMap<string, Requested>): string {
  const lines: string[] = [];
  for (const [symbol, value] of parseDotConfig(baseText)) {
    if (!wanted.has(symbol)) lines.push(dotConfigLine(symbol, plainBaseValue(symbol, value)));
  }
  let fragment = '';
  for (const request of wanted.values()) {
    if (request.fragment !== fragment) lines.push('#', `# ${request.fragment}`, '#');
    fragment = request.fragment;
    lines.push(...request.comments, dotConfigLine(request.symbol, request.want));
  }
  return `${lines.join('\n')}\n`;
}

/** scripts/Configure sources a `.config` as shell: what is no plain value must not get there. */
function plainBaseValue(symbol: string, value: string): string {
  if (/^(\w*|-\d+|"[^"\\$`]*")$/.test(value)) return value;
  throw new KilnError(
    'invalid',
    `the base .config has ${symbol}=${value.slice(0, 60)}, which is no plain value`,
    {
      hint: 'values are y, m, n, a number, or "text" without quotes, backslashes, $ and backquotes in it',
    },
  );
}
