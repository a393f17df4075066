import type { Condition } from './ast.ts';
import { holds, type Lookup, variableOf } from './condition.ts';
import type { Word } from './lexer.ts';

/** A value that a symbol would have to have. */
export interface Assignment {
  readonly symbol: string;
  readonly value: string;
}

/** Ways to something: any one of them will do, each is a set of assignments that all must hold. */
export type Ways = readonly (readonly Assignment[])[];

const TRISTATE = ['y', 'm', 'n'];
const MAX_WAYS = 64;

/**
 * The ways to make a condition hold (or fail), in terms of what does not have the right value yet. An empty
 * way means that nothing has to change; no way means that no assignment of options can do it.
 */
export function waysTo(condition: Condition, wanted: boolean, lookup: Lookup): Ways {
  if (holds(condition, lookup) === wanted) return [[]];
  switch (condition.op) {
    case 'not':
      return waysTo(condition.of, !wanted, lookup);
    case 'and':
    case 'or': {
      const left = waysTo(condition.left, wanted, lookup);
      const right = waysTo(condition.right, wanted, lookup);
      return (condition.op === 'and') === wanted ? both(left, right) : [...left, ...right].slice(0, MAX_WAYS);
    }
    case 'same':
      return waysToEqual(condition.left, condition.right, wanted, lookup);
    case 'differs':
      return waysToEqual(condition.left, condition.right, !wanted, lookup);
    case 'set':
    case 'empty': {
      const symbol = variableOf(condition.word);
      return symbol === undefined || (condition.op === 'set') !== wanted ? [] : [[{ symbol, value: 'y' }]];
    }
  }
}

function waysToEqual(left: Word, right: Word, wanted: boolean, lookup: Lookup): Ways {
  const [variable, other] = variableOf(left) === undefined ? [right, left] : [left, right];
  const symbol = variableOf(variable);
  if (symbol === undefined || symbol === 'ARCH') return [];
  const value = other.literal ?? lookup(variableOf(other) ?? '');
  if (wanted) return [[{ symbol, value: value === '' ? 'n' : value }]];
  return TRISTATE.filter((each) => each !== value).map((each) => [{ symbol, value: each }]);
}

/** Every way of the one together with every way of the other; contradictions fall out. */
export function both(one: Ways, other: Ways): Ways {
  const ways: Assignment[][] = [];
  for (const left of one) {
    for (const right of other) {
      const merged = mergeWays(left, right);
      if (merged !== undefined && ways.length < MAX_WAYS) ways.push(merged);
    }
  }
  return ways;
}

function mergeWays(left: readonly Assignment[], right: readonly Assignment[]): Assignment[] | undefined {
  const merged = [...left];
  for (const { symbol, value } of right) {
    const known = merged.find((assignment) => assignment.symbol === symbol);
    if (known === undefined) merged.push({ symbol, value });
    else if (known.value !== value) return undefined;
  }
  return merged;
}
