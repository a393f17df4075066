import type { Ask, Setter } from './ast.ts';
import { expandFields } from './condition.ts';
import { refuse } from './lexer.ts';
import { afterX } from './output.ts';
import { endless, oldValue, type Run, setTristate } from './run.ts';

export function askBool(run: Run, node: Setter & { symbol: string }): void {
  const old = oldValue(run, node.symbol) || 'n';
  if (old === 'm') setTristate(run, node, node.symbol, 'y', { kind: 'boolean' });
  else if (/^(y|Y|[yY]es)$/.test(old)) setTristate(run, node, node.symbol, 'y', { kind: 'asked' });
  else if (/^(n|N|[nN]o)$/.test(old)) setTristate(run, node, node.symbol, 'n', { kind: 'asked' });
  else throw endless(node, node.symbol, old, 'y or n');
}

export function askTristate(run: Run, node: Setter & { symbol: string }): void {
  if (run.lookup('CONFIG_MODULES') !== 'y') {
    askBool(run, node);
    return;
  }
  const old = oldValue(run, node.symbol) || 'n';
  if (/^(y|Y|[yY]es)$/.test(old)) setTristate(run, node, node.symbol, 'y', { kind: 'asked' });
  else if (/^(n|N|[nN]o)$/.test(old)) setTristate(run, node, node.symbol, 'n', { kind: 'asked' });
  else if (/^[mM]$/.test(old)) setTristate(run, node, node.symbol, 'm', { kind: 'asked' });
  else throw endless(node, node.symbol, old, 'y, m or n');
}

export function askInt(run: Run, node: Ask): void {
  const [fallback, lowest, highest] = expandFields(node.args, run.lookup);
  const value = oldValue(run, node.symbol) || (fallback ?? '');
  if (run.tree.dialect.intRange) {
    if (!inRange(value, lowest ?? '-10000000', highest ?? '10000000')) {
      const range = `a number from ${lowest ?? '-10000000'} to ${highest ?? '10000000'}`;
      throw endless(node, node.symbol, value, range);
    }
  } else if (!/^[0-9]+$/.test(value)) {
    throw endless(node, node.symbol, value, 'a number');
  }
  run.output.int(node.symbol, value);
  run.trace?.set(node, node.symbol, value, { kind: 'asked' });
  run.values.set(node.symbol, value);
}

function inRange(value: string, lowest: string, highest: string): boolean {
  if (![value, lowest, highest].every((text) => /^-?[0-9]+$/.test(text))) return false;
  return BigInt(value) >= BigInt(lowest) && BigInt(value) <= BigInt(highest);
}

export function askHex(run: Run, node: Ask): void {
  const value = oldValue(run, node.symbol) || (expandFields(node.args, run.lookup)[0] ?? '');
  const digits = run.tree.dialect.hexPrefix ? withPrefix(value) : withoutPrefix(value);
  if (digits === undefined) throw endless(node, node.symbol, value, 'a hexadecimal number');
  run.output.hex(node.symbol, digits);
  run.trace?.set(node, node.symbol, digits, { kind: 'asked' });
  run.values.set(node.symbol, digits);
}

function withPrefix(value: string): string | undefined {
  if (/^0x[0-9a-fA-F]+$/.test(value)) return value;
  return /^[0-9a-fA-F]+$/.test(value) ? `0x${value}` : undefined;
}

/** The older interpreter cuts twice: once from the default, once from the answer. */
function withoutPrefix(value: string): string | undefined {
  const digits = afterX(afterX(value));
  return /^[0-9a-fA-F]+$/.test(digits) ? digits : undefined;
}

export function askString(run: Run, node: Ask): void {
  const value = oldValue(run, node.symbol) || (expandFields(node.args, run.lookup)[0] ?? '');
  if (value === '?' && run.tree.dialect.stringHelp) throw endless(node, node.symbol, value, 'a text');
  if (/["\\$`]/.test(value)) {
    throw refuse(
      `${node.symbol}=${value} holds a quote, a backslash, $ or a backquote`,
      node.file,
      node.line,
    );
  }
  run.output.string(node.symbol, value);
  run.trace?.set(node, node.symbol, value, { kind: 'asked' });
  run.values.set(node.symbol, value);
}
