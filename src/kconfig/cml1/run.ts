import type { Setter } from './ast.ts';
import type { Values } from './base.ts';
import type { Lookup } from './condition.ts';
import { refuse } from './lexer.ts';
import type { ConfigOutput } from './output.ts';
import type { Trace } from './trace.ts';
import type { ConfigTree } from './tree.ts';

/** One run through a tree's questions. */
export interface Run {
  readonly tree: ConfigTree;
  readonly values: Values;
  readonly lookup: Lookup;
  readonly output: ConfigOutput;
  readonly trace: Trace | undefined;
  steps: number;
}

export function setTristate(
  run: Run,
  node: Setter,
  symbol: string,
  value: string,
  cause: Parameters<Trace['set']>[3],
): void {
  run.output.tristate(symbol, value);
  run.trace?.set(node, symbol, value, cause);
  run.values.set(symbol, value);
}

/** As `$(eval echo "\${X}")` gives it: blanks squeezed, and what echo takes for its options gone. */
export function oldValue(run: Run, symbol: string): string {
  const value = run.values.get(symbol);
  if (value === undefined || !/[\s-]/.test(value)) return value ?? '';
  const words = value.split(/[ \t\n]+/).filter((word) => word !== '');
  if (run.tree.dialect.echoedValues) while (/^-[neE]+$/.test(words[0] ?? '')) words.shift();
  return words.join(' ');
}

export function endless(node: Setter, symbol: string, value: string, wanted: string): Error {
  return refuse(
    `${node.kind} ${symbol} has the value '${value}', which is not ${wanted}`,
    node.file,
    node.line,
    'make oldconfig would ask this question for ever: give it another value in a fragment or in the base',
  );
}
