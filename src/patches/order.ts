import { KilnError } from '../platform/errors.ts';

/** What a recipe says about a patch's place in its series. */
export interface OrderRules {
  readonly name: string;
  /** Patches that must come before this one. */
  readonly after?: readonly string[];
  /** Comes behind all that are not `last` themselves, as openMosix must. */
  readonly last?: boolean;
  /** Patches that can't be in the same series. */
  readonly conflicts?: readonly string[];
}

/**
 * Puts a series in an order that keeps its rules, and the order it was written in wherever the rules leave
 * the choice. Pure.
 * @throws KilnError `invalid` for a name that is there twice or not at all, for patches that conflict, and for
 *   rules that contradict each other
 */
export function orderSeries<Patch extends OrderRules>(patches: readonly Patch[]): Patch[] {
  const names = new Set<string>();
  for (const { name } of patches) {
    if (names.has(name)) throw invalid(`the series has the patch ${name} twice`, 'leave one out');
    names.add(name);
  }
  refuseConflicts(patches, names);
  const waiting = [...patches];
  const done = new Set<string>();
  const ordered: Patch[] = [];
  while (waiting.length > 0) {
    const ready = waiting.findIndex((patch) => isReady(patch, waiting, done));
    const [next] = waiting.splice(ready, ready < 0 ? 0 : 1);
    if (next === undefined) throw contradiction(waiting);
    done.add(next.name);
    ordered.push(next);
  }
  return ordered;
}

function isReady(patch: OrderRules, waiting: readonly OrderRules[], done: ReadonlySet<string>): boolean {
  if (patch.after?.some((name) => !done.has(name)) === true) return false;
  return patch.last !== true || waiting.every((other) => other.last === true);
}

function refuseConflicts(patches: readonly OrderRules[], names: ReadonlySet<string>): void {
  for (const { name, after = [], conflicts = [] } of patches) {
    const clash = conflicts.find((other) => names.has(other));
    if (clash !== undefined) {
      throw invalid(`the patches ${name} and ${clash} conflict`, 'leave one of them out of the recipe');
    }
    const absent = after.find((other) => !names.has(other));
    if (absent !== undefined) {
      throw invalid(`${name} is to come after ${absent}, which the series does not have`, 'mend `after:`');
    }
  }
}

function contradiction(waiting: readonly OrderRules[]): KilnError {
  const wants = waiting.map(({ name, after = [], last }) => {
    const rules = [after.length > 0 ? `after ${after.join(', ')}` : '', last === true ? 'last' : ''];
    return `${name} (${rules.filter((rule) => rule !== '').join(', ') || 'no rule'})`;
  });
  return invalid(`no order keeps the rules of ${wants.join(', ')}`, 'drop one of `after:` and `last:`');
}

function invalid(sentence: string, hint: string): KilnError {
  return new KilnError('invalid', sentence, { hint });
}
