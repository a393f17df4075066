import { askBool, askHex, askInt, askString, askTristate } from './ask.ts';
import type { Ask, Choice, Define, Dep, Node } from './ast.ts';
import type { Values } from './base.ts';
import { expandFields, holds, variableOf } from './condition.ts';
import { refuse } from './lexer.ts';
import { ConfigOutput } from './output.ts';
import { endless, oldValue, type Run, setTristate } from './run.ts';
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
