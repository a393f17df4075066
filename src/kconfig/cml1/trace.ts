import type { Dep, If, Setter } from './ast.ts';
import type { Lookup } from './condition.ts';

/** Why a statement gave the value it gave. */
export type Cause =
  /** Answered with the old value, or with the default where there was none. */
  | { readonly kind: 'asked' }
  /** m was asked of a question that knows y and n only. */
  | { readonly kind: 'boolean' }
  | { readonly kind: 'defined' }
  /** A dependency's value forbids anything but n. */
  | { readonly kind: 'unmet'; readonly variable: string | undefined; readonly value: string }
  /** A dependency is m, so that y became m. */
  | { readonly kind: 'capped'; readonly variable: string | undefined; readonly value: string }
  /** A dependency is m but modules are off: not asked and not written. */
  | { readonly kind: 'skipped'; readonly variable: string | undefined; readonly value: string }
  | {
      readonly kind: 'chosen';
      readonly winner: string /** A member was y before. */;
      readonly held: boolean;
    };

export interface SetEvent {
  readonly node: Setter;
  readonly value: string | undefined;
  readonly cause: Cause;
}

/** What happened in one run: who set each symbol, and how each condition came out. */
export class Trace {
  readonly events = new Map<string, SetEvent[]>();
  readonly outcomes = new Map<If, boolean>();

  condition(node: If, outcome: boolean, _lookup: Lookup): void {
    // A file sourced twice can come to the same if twice; reached once is reached.
    this.outcomes.set(node, outcome || this.outcomes.get(node) === true);
  }

  set(node: Setter, symbol: string, value: string, cause: Cause): void {
    this.push(symbol, { node, value, cause });
  }

  skipped(node: Dep, symbol: string, limit: { variable: string | undefined; value: string }): void {
    this.push(symbol, { node, value: undefined, cause: { kind: 'skipped', ...limit } });
  }

  private push(symbol: string, event: SetEvent): void {
    const events = this.events.get(symbol);
    if (events === undefined) this.events.set(symbol, [event]);
    else events.push(event);
  }
}
