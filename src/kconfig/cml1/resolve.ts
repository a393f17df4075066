import type { Ask, Choice, Define, Dep, Node, Setter } from './ast.ts';
import type { Values } from './base.ts';
import { expandFields, holds, type Lookup, variableOf } from './condition.ts';
import { refuse } from './lexer.ts';
import { afterX, ConfigOutput } from './output.ts';
import type { Trace } from './trace.ts';
import type { ConfigTree } from './tree.ts';

export interface Resolved {
  readonly dotConfig: string;
  readonly autoconf: string;
  /** Every variable at the end, strings without their quotes; unset ones are missing. */
  readonly values: ReadonlyMap<string, string>;
}

/** Statements that one run may execute: some 25 times what 2.4's largest architecture needs. */
const MAX_STEPS = 200_000;

/**
 * What `yes "" | make oldconfig` makes of a base configuration: every question is answered with its old
 * value, else its default, else n. The rules are those of the tree's scripts/Configure, including its quirks.
 * @param trace told of every value and every condition, for explanations.
 * @throws KilnError `invalid` with the place of a question that oldconfig would ask for ever, because its old
 *   value is none it accepts.
 */
export function resolve(tree: ConfigTree, base: ReadonlyMap<string, string>, trace?: Trace): Resolved {
  const values: Values = new Map(base);
  values.set('ARCH', tree.arch);
  const run: Run = {
    tree,
    values,
    lookup: (variable) => values.get(variable) ?? '',
    output: new ConfigOutput(),
    trace,
    steps: 0,
  };
  execute(run, tree.root);
  return { dotConfig: run.output.dotConfig(), autoconf: run.output.autoconf(), values };
}

interface Run {
  readonly tree: ConfigTree;
  readonly values: Values;
  readonly lookup: Lookup;
  readonly output: ConfigOutput;
  readonly trace: Trace | undefined;
  steps: number;
}

function execute(run: Run, nodes: readonly Node[]): void {
  for (const node of nodes) {
    run.steps += 1;
    if (run.steps > MAX_STEPS) {
      throw refuse(`more than ${MAX_STEPS} statements in one run`, node.file, node.line);
    }
    step(run, node);
  }
}

function step(run: Run, node: Node): void {
  switch (node.kind) {
    case 'if': {
      const outcome = holds(node.condition, run.lookup);
      run.trace?.condition(node, outcome, run.lookup);
      execute(run, outcome ? node.then : node.otherwise);
      return;
    }
    case 'source':
      execute(run, run.tree.files.get(node.path) ?? []);
      return;
    case 'comment':
      run.output.comment(node.text);
      return;
    case 'unset':
      for (const symbol of node.symbols) run.values.delete(symbol);
      return;
    case 'choice':
      choose(run, node);
      return;
    case 'dep_bool':
    case 'dep_mbool':
    case 'dep_tristate':
      depend(run, node);
      return;
    case 'define_bool':
    case 'define_tristate':
    case 'define_int':
    case 'define_hex':
    case 'define_string':
      define(run, node);
      return;
    case 'bool':
    case 'tristate':
    case 'int':
    case 'hex':
    case 'string':
      ask(run, node);
      return;
    default:
      return;
  }
}

function ask(run: Run, node: Ask): void {
  switch (node.kind) {
    case 'bool':
      askBool(run, node);
      return;
    case 'tristate':
      askTristate(run, node);
      return;
    case 'int':
      askInt(run, node);
      return;
    case 'hex':
      askHex(run, node);
      return;
    case 'string':
      askString(run, node);
      return;
  }
}

function askBool(run: Run, node: Setter & { symbol: string }): void {
  const old = oldValue(run, node.symbol) || 'n';
  if (old === 'm') setTristate(run, node, node.symbol, 'y', { kind: 'boolean' });
  else if (/^(y|Y|[yY]es)$/.test(old)) setTristate(run, node, node.symbol, 'y', { kind: 'asked' });
  else if (/^(n|N|[nN]o)$/.test(old)) setTristate(run, node, node.symbol, 'n', { kind: 'asked' });
  else throw endless(node, node.symbol, old, 'y or n');
}

function askTristate(run: Run, node: Setter & { symbol: string }): void {
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

function depend(run: Run, node: Dep): void {
  const deps = expandFields(node.deps, run.lookup);
  const stop = node.kind === 'dep_bool' ? /^[mn]$/ : /^n$/;
  for (const dep of deps) {
    if (stop.test(dep)) {
      setTristate(run, node, node.symbol, 'n', { kind: 'unmet', ...blame(run, node, dep) });
      return;
    }
    if (dep === 'm' && node.kind === 'dep_mbool' && run.tree.dialect.mboolPresets)
      run.values.set(node.symbol, 'y');
  }
  if (node.kind !== 'dep_tristate') askBool(run, node);
  else if (deps.includes('m')) askModule(run, node);
  else askTristate(run, node);
}

/** A dep_tristate that a dependency limits to m and n. */
function askModule(run: Run, node: Dep): void {
  const limit = blame(run, node, 'm');
  if (run.lookup('CONFIG_MODULES') !== 'y') {
    // scripts/Configure neither asks nor writes here; the variable keeps what it had.
    run.trace?.skipped(node, node.symbol, limit);
    return;
  }
  const old = oldValue(run, node.symbol) || 'n';
  if (old === 'y') setTristate(run, node, node.symbol, 'm', { kind: 'capped', ...limit });
  else if (/^[mM]$/.test(old)) setTristate(run, node, node.symbol, 'm', { kind: 'asked' });
  else if (/^(n|N|[nN]o)$/.test(old)) setTristate(run, node, node.symbol, 'n', { kind: 'asked' });
  else throw endless(node, node.symbol, old, 'm or n');
}

/** The dependency that has the value which decided. */
function blame(run: Run, node: Dep, value: string): { variable: string | undefined; value: string } {
  const word = node.deps.find((dep) => expandFields([dep], run.lookup).includes(value));
  return { variable: word === undefined ? undefined : variableOf(word), value };
}

function define(run: Run, node: Define): void {
  const value = expandFields(node.args, run.lookup)[0] ?? '';
  const { symbol } = node;
  switch (node.kind) {
    case 'define_bool':
    case 'define_tristate':
      run.output.tristate(symbol, value);
      break;
    case 'define_int':
      run.output.int(symbol, value);
      break;
    case 'define_hex':
      run.output.hex(symbol, value);
      break;
    case 'define_string':
      run.output.string(symbol, value);
      break;
  }
  run.trace?.set(node, symbol, value, { kind: 'defined' });
  run.values.set(symbol, value);
}

function askInt(run: Run, node: Ask): void {
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

function askHex(run: Run, node: Ask): void {
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

function askString(run: Run, node: Ask): void {
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

function choose(run: Run, node: Choice): void {
  let answer = node.fallback;
  let held: string | undefined;
  for (const { name, symbol } of node.members) {
    if (run.lookup(symbol) !== 'y') continue;
    answer = name;
    held = symbol;
  }
  const winner = findMember(node, answer.toUpperCase(), run.tree.dialect.choiceAliases);
  if (winner === undefined) throw endless(node, node.prompt, answer, 'one of its names');
  for (const { symbol } of node.members) {
    const value = symbol === winner ? 'y' : 'n';
    setTristate(run, node, symbol, value, { kind: 'chosen', winner, held: held !== undefined });
  }
}

/** The member that an answer names: the only one it is the beginning of, or the first it names in full. */
function findMember(node: Choice, answer: string, aliases: boolean): string | undefined {
  let found: string | undefined;
  for (const member of node.members) {
    const name = member.name.toUpperCase();
    if (!name.startsWith(answer) && !(aliases && name.includes(`/${answer}`))) continue;
    if (name === answer || (aliases && `/${name}/`.includes(`/${answer}/`))) return member.symbol;
    if (found !== undefined) return undefined;
    found = member.symbol;
  }
  return found;
}

function setTristate(
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
function oldValue(run: Run, symbol: string): string {
  const value = run.values.get(symbol);
  if (value === undefined || !run.tree.dialect.echoedValues || !/[\s-]/.test(value)) return value ?? '';
  const words = value.split(/[ \t\n]+/).filter((word) => word !== '');
  while (words[0] !== undefined && /^-[neE]+$/.test(words[0])) words.shift();
  return words.join(' ');
}

function endless(node: Setter, symbol: string, value: string, wanted: string): Error {
  return refuse(
    `${node.kind} ${symbol} has the value '${value}', which is not ${wanted}`,
    node.file,
    node.line,
    'make oldconfig would ask this question for ever: give it another value in a fragment or in the base',
  );
}
