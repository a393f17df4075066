import { dotConfigLine, sameValue } from '../dotconfig.ts';
import type { Requested } from '../fragment.ts';
import { describeUnknown } from '../suggest.ts';
import type { Setter } from './ast.ts';
import { showCondition, variableOf } from './condition.ts';
import { waysTo } from './needs.ts';
import type { SetEvent, Trace } from './trace.ts';
import type { ConfigTree, Guard, Site } from './tree.ts';

/** All that is known of one run, to say why a symbol has the value it has. */
export interface Known {
  readonly tree: ConfigTree;
  readonly sites: ReadonlyMap<string, readonly Site[]>;
  readonly trace: Trace;
  /** The values at the end of the run. */
  readonly values: ReadonlyMap<string, string>;
  /** The values it began with, before the fragments. */
  readonly base: ReadonlyMap<string, string>;
  readonly requested: readonly Requested[];
}

/** Causes are followed through this many symbols; beyond that the sentence helps nobody. */
const MAX_DEPTH = 4;

/**
 * Says, down to the statement, why a symbol did not get what was asked for, e.g. `dep_bool at
 * drivers/block/Config.in:41 needs CONFIG_BLK_DEV_RAM=y, which is m from kconfig/netboot.config:7`.
 */
export function why(known: Known, symbol: string): string {
  return explainSymbol(known, symbol, MAX_DEPTH, new Set());
}

function explainSymbol(known: Known, symbol: string, depth: number, seen: ReadonlySet<string>): string {
  const sites = known.sites.get(symbol);
  if (sites === undefined) return describeUnknown(symbol, known.sites.keys(), known.tree.version);
  const event = known.trace.events.get(symbol)?.at(-1);
  const further = new Set([...seen, symbol]);
  return event === undefined
    ? explainUnreached(known, symbol, sites, depth, further)
    : explainEvent(known, event, depth, further);
}

/** `CONFIG_X=y, which is m from kconfig/netboot.config:7`: a need, and how the symbol came to what it is. */
function need(
  known: Known,
  symbol: string,
  needed: string,
  depth: number,
  seen: ReadonlySet<string>,
): string {
  return `${needed}, which is ${standing(known, symbol, depth, seen)}`;
}

/** `m from kconfig/netboot.config:7`, `n (nothing asks for it)`, `n: dep_bool at ... needs ...`. */
export function standing(
  known: Known,
  symbol: string,
  depth = MAX_DEPTH,
  seen: ReadonlySet<string> = new Set(),
): string {
  const value = known.values.get(symbol);
  const shown = value === undefined || value === '' ? 'not set' : value;
  if (symbol === 'ARCH') return shown;
  const event = known.trace.events.get(symbol)?.at(-1);
  if (event?.cause.kind === 'asked') return `${shown}${origin(known, symbol, value)}`;
  if (depth <= 0 || seen.has(symbol)) return shown;
  return `${shown}: ${explainSymbol(known, symbol, depth - 1, seen)}`;
}

function origin(known: Known, symbol: string, value: string | undefined): string {
  const request = known.requested.findLast((each) => each.symbol === symbol);
  if (request !== undefined && sameValue(unquoted(request.want), value)) {
    return ` from ${request.fragment}:${request.line}`;
  }
  return known.base.has(symbol) ? ' from the base configuration' : ' (nothing asks for it)';
}

function unquoted(value: string): string {
  return value.replace(/^"(.*)"$/, '$1');
}

function explainEvent(known: Known, event: SetEvent, depth: number, seen: ReadonlySet<string>): string {
  const { cause } = event;
  const at = place(event.node);
  switch (cause.kind) {
    case 'asked':
      return `${at} took it as it was: ${event.value ?? 'not set'}`;
    case 'boolean':
      if (event.node.kind === 'bool' || event.node.kind === 'dep_bool' || event.node.kind === 'dep_mbool') {
        return `${at} knows y and n only, so that m became y`;
      }
      return `${at} takes m only with ${need(known, 'CONFIG_MODULES', 'CONFIG_MODULES=y', depth, seen)}`;
    case 'defined':
      return explainDefine(known, event, depth, seen);
    case 'unmet': {
      if (cause.variable === undefined) return `${at} is always n`;
      const needed = event.node.kind === 'dep_bool' ? `${cause.variable}=y` : `${cause.variable}=y or m`;
      return `${at} needs ${need(known, cause.variable, needed, depth, seen)}`;
    }
    case 'capped':
      if (cause.variable === undefined) return `${at} allows m and n only`;
      return `${at} allows y only with ${need(known, cause.variable, `${cause.variable}=y`, depth, seen)}`;
    case 'skipped':
      return `${at} is for modules only while ${cause.variable ?? 'a dependency'} is m, and needs ${need(known, 'CONFIG_MODULES', 'CONFIG_MODULES=y', depth, seen)}`;
    case 'chosen': {
      const reason = cause.held ? `which is ${choiceStanding(known, cause.winner)}` : 'its default';
      return `${at} takes one of its members, and took ${cause.winner}, ${reason}`;
    }
  }
}

/** Where a choice's winner had its y from: the choice itself is no reason. */
function choiceStanding(known: Known, winner: string): string {
  const request = known.requested.findLast((each) => each.symbol === winner && each.want === 'y');
  if (request !== undefined) return `y from ${request.fragment}:${request.line}`;
  return 'y from the base configuration';
}

function explainDefine(known: Known, event: SetEvent, depth: number, seen: ReadonlySet<string>): string {
  const { node } = event;
  const at = place(node);
  const followed = 'args' in node && node.args[0] !== undefined ? variableOf(node.args[0]) : undefined;
  if (followed !== undefined) return `${at} sets it to ${need(known, followed, followed, depth, seen)}`;
  const site = known.sites.get('symbol' in node ? node.symbol : '')?.find((each) => each.node === node);
  const guard = site?.guards.at(-1);
  const condition = guard === undefined ? '' : ` ${guardText(guard)}`;
  return `${at} sets it to ${event.value === undefined || event.value === '' ? 'nothing' : event.value}${condition}`;
}

function explainUnreached(
  known: Known,
  symbol: string,
  sites: readonly Site[],
  depth: number,
  seen: ReadonlySet<string>,
): string {
  const ranked = sites
    .map((site) => ({ site, failing: firstFailing(known, site) }))
    .sort((one, other) => rank(one.site, one.failing) - rank(other.site, other.failing));
  const best = ranked[0];
  if (best?.failing === undefined) return `no statement about ${symbol} was reached`;
  const { failing, site } = best;
  const lookup = (variable: string) => known.values.get(variable) ?? '';
  const ways = waysTo(failing.condition, !failing.negated, lookup);
  const symbols = [...new Set(ways.flat().map((assignment) => assignment.symbol))].slice(0, 3);
  const reasons = symbols.map(
    (each) => `${each} is ${standing(known, each, symbols.length > 1 ? 0 : depth - 1, seen)}`,
  );
  const stand = reasons.length === 0 ? '' : `; ${reasons.join('; ')}`;
  return `${place(site.node)} is reached only ${guardText(failing)}${stand}`;
}

/** Questions before definitions, and those nearest to being reached first. */
function rank(site: Site, failing: Guard | undefined): number {
  const after = failing === undefined ? 0 : site.guards.length - site.guards.indexOf(failing);
  return after + (site.node.kind.startsWith('define') ? 1000 : 0);
}

function firstFailing(known: Known, site: Site): Guard | undefined {
  return site.guards.find((guard) => {
    const outcome = known.trace.outcomes.get(guard.node);
    return outcome !== undefined && outcome === guard.negated;
  });
}

function guardText({ node, condition, negated }: Guard): string {
  return `${negated ? 'unless' : 'if'} ${showCondition(condition)} (${node.file}:${node.line})`;
}

/** `dep_bool at drivers/block/Config.in:41`. */
export function place(node: Setter): string {
  const name = node.kind === 'choice' ? `choice '${node.prompt.trim()}'` : node.kind;
  return `${name} at ${node.file}:${node.line}`;
}

/** For lists of options: `CONFIG_X=y`, `# CONFIG_X is not set`. */
export function showAssignment({ symbol, value }: { symbol: string; value: string }): string {
  return dotConfigLine(symbol, value);
}
