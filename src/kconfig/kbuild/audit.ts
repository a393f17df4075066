import { type AuditReport, auditConfig } from '../audit.ts';
import { parseDotConfig, sameValue } from '../dotconfig.ts';
import type { Requested } from '../fragment.ts';
import { describeUnknown } from '../suggest.ts';
import { culprits, evaluate, rank, showExpression, type Tristate } from './expression.ts';
import type { Depends, Entry, KbuildTree } from './parse.ts';

export interface KbuildAuditInput {
  readonly tree: KbuildTree;
  /** `.config` text before the fragments. */
  readonly base: string;
  readonly requested: readonly Requested[];
  /** What the tree's own `make olddefconfig` made of base and fragments. */
  readonly dotConfig: string;
}

/**
 * The same report for a 2.6+ tree as `resolveConfig` gives for 2.2 and 2.4. The final configuration comes from
 * the tree's own `make olddefconfig`; the Kconfig files are read for what is unknown and for why.
 */
export function auditKbuild(input: KbuildAuditInput): AuditReport {
  const known = new Set([...input.tree.entries.keys()].map((name) => `CONFIG_${name}`));
  const context = contextOf(input);
  return auditConfig(input.requested, input.dotConfig, known, ({ symbol, want }) =>
    why(context, symbol, want),
  );
}

/** A configuration and where it comes from. */
export interface Context extends KbuildAuditInput {
  readonly values: ReadonlyMap<string, string>;
  readonly baseValues: ReadonlyMap<string, string>;
}

export function contextOf(input: KbuildAuditInput): Context {
  return { ...input, values: parseDotConfig(input.dotConfig), baseValues: parseDotConfig(input.base) };
}

function why(context: Context, symbol: string, want: string): string | undefined {
  const entries = context.tree.entries.get(symbol.replace(/^CONFIG_/, ''));
  const first = entries?.[0];
  if (entries === undefined || first === undefined) {
    const names = [...context.tree.entries.keys()].map((name) => `CONFIG_${name}`);
    return describeUnknown(symbol, names, context.tree.version, 'Kconfig');
  }
  const got = context.values.get(symbol);
  const asked = entries.find(({ prompt }) => prompt !== undefined);
  if (rank(want) < rank(got)) {
    const selected =
      whyMore(context, symbol) ??
      whyNoModule(context, entries, want) ??
      (want === 'm' ? whyBool(entries) : undefined);
    if (selected !== undefined) return selected;
  }
  if (asked === undefined) return `${place(first)} has no prompt: ${selectors(context, symbol)}`;
  if (rank(want) < rank(got)) return whyChosen(asked);
  return whyLess(context, asked, Math.max(rank(want), 1) as Tristate) ?? whyBool(entries, want);
}

/** The dependency that stopped it: the first one, from the outside in, that is below what was asked for. */
function whyLess(context: Context, entry: Entry, wanted: Tristate): string | undefined {
  const depends = [...entry.blocks.flatMap((block) => block.depends), ...entry.depends];
  const shown = [...entry.blocks.flatMap((block) => block.visible), ...entry.promptIf];
  const failing = firstBelow(context, depends, wanted);
  if (failing !== undefined) return `${place(entry)} depends on ${unmet(context, failing, wanted)}`;
  const hidden = firstBelow(context, shown, 1);
  if (hidden !== undefined) return `${place(entry)} is asked only if ${unmet(context, hidden, 1)}`;
  return whyChosen(entry);
}

function whyChosen(entry: Entry): string | undefined {
  const choice = entry.blocks.findLast(({ kind }) => kind === 'choice');
  if (choice === undefined) return undefined;
  return `${place(entry)} is a member of the choice at ${choice.file}:${choice.line}, which takes exactly one`;
}

function firstBelow(context: Context, all: readonly Depends[], wanted: Tristate): Depends | undefined {
  return all.find(({ expression }) => evaluate(expression, (name) => lookUp(context, name)) < wanted);
}

function unmet(context: Context, { expression, file, line }: Depends, wanted: Tristate): string {
  const names = new Set(culprits(expression, wanted, (name) => lookUp(context, name)));
  const reasons = [...names].slice(0, 3).map((name) => `; CONFIG_${name} is ${standing(context, name)}`);
  return `${showExpression(expression)} (${file}:${line})${reasons.join('')}`;
}

export function standing(context: Context, name: string): string {
  const symbol = `CONFIG_${name}`;
  const value = lookUp(context, name);
  const request = context.requested.findLast((each) => each.symbol === symbol);
  if (request !== undefined && sameValue(request.want, value)) {
    return `${value ?? 'n'} from ${request.fragment}:${request.line}`;
  }
  if (!context.tree.entries.has(name)) return 'not in any Kconfig of this tree';
  if (context.baseValues.has(symbol) && sameValue(context.baseValues.get(symbol), value)) {
    return `${value ?? 'n'} from the base configuration`;
  }
  return `${value ?? 'n'}`;
}

/** Something that selects a symbol keeps it on, whatever is asked. */
function whyMore(context: Context, symbol: string): string | undefined {
  const selects = context.tree.selects.get(symbol.replace(/^CONFIG_/, '')) ?? [];
  const active = selects.find(
    ({ by, condition }) =>
      rank(lookUp(context, by)) > 0 &&
      (condition === undefined || evaluate(condition, (name) => lookUp(context, name)) > 0),
  );
  if (active === undefined) return undefined;
  return `CONFIG_${active.by}, which is ${standing(context, active.by)}, selects it (${active.file}:${active.line})`;
}

/** Without modules a tristate is y or n. */
function whyNoModule(context: Context, entries: readonly Entry[], want: string): string | undefined {
  const modules = context.tree.modules;
  const entry = entries.find(({ type }) => type === 'tristate');
  if (want !== 'm' || entry === undefined || rank(lookUp(context, modules)) > 0) return undefined;
  return `${place(entry)} can be m with modules alone; CONFIG_${modules} is ${standing(context, modules)}`;
}

function whyBool(entries: readonly Entry[], want = 'm'): string | undefined {
  const entry = entries.find(({ type }) => type === 'bool');
  return entry === undefined || want !== 'm' ? undefined : `${place(entry)} is a bool: it knows y and n only`;
}

function selectors(context: Context, symbol: string): string {
  const by = (context.tree.selects.get(symbol.replace(/^CONFIG_/, '')) ?? []).map(
    (select) => `CONFIG_${select.by}`,
  );
  if (by.length === 0) return 'only its defaults set it';
  const more = by.length > 4 ? ` and ${by.length - 4} more` : '';
  return `only its defaults set it, and what selects it: ${by.slice(0, 4).join(', ')}${more}`;
}

export function lookUp(context: Context, name: string): string | undefined {
  return context.values.get(`CONFIG_${name}`);
}

function place({ file, line }: { file: string; line: number }): string {
  return `config at ${file}:${line}`;
}
