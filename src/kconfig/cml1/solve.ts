import { sameValue } from '../dotconfig.ts';
import type { Requested } from '../fragment.ts';
import { variableOf } from './condition.ts';
import { investigate } from './config.ts';
import { type Assignment, both, type Ways, waysTo } from './needs.ts';
import type { ConfigTree, Site } from './tree.ts';
import type { Known } from './why.ts';

export interface Solution {
  /** The fewest further options that let every request through; empty when nothing is missing. */
  readonly options: readonly Assignment[];
  /** Configurations that were resolved to find it. */
  readonly tried: number;
}

export interface SolveInput {
  readonly tree: ConfigTree;
  readonly base: ReadonlyMap<string, string>;
  readonly requested: readonly Requested[];
  /** Configurations to try before giving up; 600 by default, a few milliseconds each. */
  readonly budget?: number;
}

/**
 * Looks for the smallest set of further options with which every request gets what it asks for. Never
 * contradicts a request. Each candidate is proven by resolving it; fewer options are tried before more.
 * @returns undefined when there is none, or none within the budget.
 */
export function solve({ tree, base, requested, budget = 600 }: SolveInput): Solution | undefined {
  const wanted = new Map(requested.map(({ symbol, want }) => [symbol, want.replace(/^"(.*)"$/, '$1')]));
  const queue: Assignment[][][] = [[[]]];
  const seen = new Set<string>(['']);
  let tried = 0;
  for (let size = 0; size < queue.length; size += 1) {
    // Grows while it is gone through: a way may add nothing but replace what an earlier one added.
    for (const options of queue[size] ?? []) {
      if (tried >= budget) return undefined;
      tried += 1;
      const known = investigate(tree, base, [...requested, ...options.map(asRequest)]);
      // What was added first: its own needs come before the needs of what it was added for.
      const failing = findFailing(known, [...options, ...[...wanted].map(asAssignment)]);
      if (failing.length === 0) return { options: prune(tree, base, requested, options, wanted), tried };
      for (const next of nextSteps(known, failing, options, wanted)) {
        const key = keyOf(next);
        if (seen.has(key)) continue;
        seen.add(key);
        for (let bucket = queue.length; bucket <= next.length; bucket += 1) queue.push([]);
        queue[next.length]?.push(next);
      }
    }
  }
  return undefined;
}

function asAssignment([symbol, value]: readonly [string, string]): Assignment {
  return { symbol, value };
}

function asRequest({ symbol, value }: Assignment): Requested {
  return { symbol, want: value, fragment: 'solve', line: 0, override: false, comments: [] };
}

function keyOf(options: readonly Assignment[]): string {
  return options
    .map(({ symbol, value }) => `${symbol}=${value}`)
    .sort()
    .join(' ');
}

/** From the first failing assignment that anything can be added for. */
function nextSteps(
  known: Known,
  failing: readonly Assignment[],
  options: readonly Assignment[],
  wanted: ReadonlyMap<string, string>,
): Assignment[][] {
  for (const assignment of failing) {
    const steps = waysFor(known, assignment).flatMap((way) => {
      const next = extend(options, way, wanted);
      return next === undefined ? [] : [next];
    });
    if (steps.length > 0) return steps;
  }
  return [];
}

function findFailing(known: Known, assignments: readonly Assignment[]): Assignment[] {
  return assignments.filter(
    ({ symbol, value }) =>
      !sameValue(known.values.get(symbol) || 'n', value) || isUnwritten(known, symbol, value),
  );
}

/** A variable keeps what it was given, though no statement writes it. */
function isUnwritten(known: Known, symbol: string, value: string): boolean {
  if (value === 'n') return false;
  const event = known.trace.events.get(symbol)?.at(-1);
  return event === undefined || event.cause.kind === 'skipped';
}

function extend(
  options: readonly Assignment[],
  way: readonly Assignment[],
  wanted: ReadonlyMap<string, string>,
): Assignment[] | undefined {
  const next = [...options];
  for (const assignment of way) {
    const asked = wanted.get(assignment.symbol);
    if (asked !== undefined && !sameValue(asked, assignment.value)) return undefined;
    const known = next.find(({ symbol }) => symbol === assignment.symbol);
    if (known !== undefined && known.value !== assignment.value) return undefined;
    if (asked === undefined && known === undefined) next.push(assignment);
  }
  return next.length === options.length ? undefined : next;
}

/** Leaves out what turned out not to be needed. */
function prune(
  tree: ConfigTree,
  base: ReadonlyMap<string, string>,
  requested: readonly Requested[],
  options: readonly Assignment[],
  wanted: ReadonlyMap<string, string>,
): readonly Assignment[] {
  let kept = options;
  for (const option of options) {
    const fewer = kept.filter((each) => each !== option);
    const known = investigate(tree, base, [...requested, ...fewer.map(asRequest)]);
    if (findFailing(known, [...wanted].map(asAssignment)).length === 0) kept = fewer;
  }
  return kept;
}

/** The ways that may let one assignment through, from what stopped it in this run. */
function waysFor(known: Known, { symbol, value }: Assignment): Ways {
  const sites = known.sites.get(symbol) ?? [];
  const event = known.trace.events.get(symbol)?.at(-1);
  if (event === undefined)
    return sites.filter((site) => canGive(site, value)).flatMap((site) => waysToReach(known, site));
  const { cause, node } = event;
  switch (cause.kind) {
    case 'asked':
      return [];
    case 'boolean':
      return node.kind.includes('tristate') ? [[{ symbol: 'CONFIG_MODULES', value: 'y' }]] : [];
    case 'unmet':
    case 'capped': {
      if (cause.variable === undefined) return [];
      const yes = [{ symbol: cause.variable, value: 'y' }];
      const module = [{ symbol: cause.variable, value: 'm' }];
      const moduleIsEnough =
        cause.kind === 'unmet' && node.kind !== 'dep_bool' && (value === 'm' || node.kind === 'dep_mbool');
      return moduleIsEnough ? [yes, module] : [yes];
    }
    case 'skipped': {
      const modules = [{ symbol: 'CONFIG_MODULES', value: 'y' }];
      return cause.variable === undefined ? [modules] : [modules, [{ symbol: cause.variable, value: 'y' }]];
    }
    case 'chosen': {
      if (node.kind !== 'choice') return [];
      if (value === 'y') return [[{ symbol: cause.winner, value: 'n' }]];
      return node.members
        .filter((each) => each.symbol !== symbol)
        .map((each) => [{ symbol: each.symbol, value: 'y' }]);
    }
    case 'defined':
      return waysAroundDefine(
        known,
        symbol,
        value,
        sites.find((site) => site.node === node),
      );
  }
}

function canGive(site: Site, value: string): boolean {
  const { node } = site;
  if (!('args' in node) || !node.kind.startsWith('define')) return true;
  const fixed = node.args[0]?.literal;
  return fixed === undefined || fixed === value;
}

function waysToReach(known: Known, site: Site): Ways {
  const lookup = (variable: string) => known.values.get(variable) ?? '';
  let ways: Ways = [[]];
  for (const guard of site.guards) ways = both(ways, waysTo(guard.condition, !guard.negated, lookup));
  return ways;
}

function waysAroundDefine(known: Known, symbol: string, value: string, site: Site | undefined): Ways {
  if (site === undefined || !('args' in site.node)) return [];
  const followed = site.node.args[0] === undefined ? undefined : variableOf(site.node.args[0]);
  if (followed !== undefined) return [[{ symbol: followed, value }]];
  const lookup = (variable: string) => known.values.get(variable) ?? '';
  const away = site.guards.flatMap((guard) => waysTo(guard.condition, guard.negated, lookup));
  const others = (known.sites.get(symbol) ?? []).filter((other) => other !== site && canGive(other, value));
  return [...away, ...others.flatMap((other) => waysToReach(known, other))];
}
