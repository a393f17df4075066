import type { Condition } from './ast.ts';
import { expand, showCondition, variableOf } from './condition.ts';
import { configureHelp } from './help.ts';
import type { Guard, Site, SourceReader } from './tree.ts';
import { type Known, place, standing } from './why.ts';

/** One thing that a statement depends on. */
export interface Dependency {
  /** `CONFIG_PCI=y or CONFIG_EISA=y`, `CONFIG_PCI` of a dep_tristate. */
  readonly needs: string;
  readonly at: string;
  /** Each symbol in it with the value it stands on. */
  readonly symbols: readonly { readonly symbol: string; readonly value: string }[];
}

export interface Statement {
  /** `dep_tristate at drivers/net/Config.in:204`. */
  readonly at: string;
  readonly prompt: string | null;
  readonly menus: readonly string[];
  readonly dependsOn: readonly Dependency[];
}

/** What `kiln kconfig explain` tells of a symbol. */
export interface SymbolDescription {
  readonly symbol: string;
  /** The value in the configuration looked at; null where no statement gives it one. */
  readonly value: string | null;
  /** The value and how it came about. */
  readonly standing: string;
  readonly statements: readonly Statement[];
  /** Symbols whose questions this one limits or guards. */
  readonly dependents: readonly string[];
  /** What selects this symbol and on what value that stands; 2.6 and later alone. */
  readonly selectedBy: readonly string[];
  /** The text in Configure.help, null where there is none. */
  readonly help: string | null;
}

/** Everything about one symbol in one configuration; `statements` is empty for a symbol the tree doesn't have. */
export function describeSymbol(known: Known, symbol: string, reader: SourceReader): SymbolDescription {
  const written = known.trace.events.get(symbol)?.at(-1)?.value;
  return {
    symbol,
    value: written === undefined || written === '' ? null : written,
    standing: standing(known, symbol),
    statements: (known.sites.get(symbol) ?? []).map((site) => describeSite(known, site)),
    dependents: findDependents(known, symbol),
    selectedBy: [],
    help: configureHelp(reader.read('Documentation/Configure.help') ?? '', symbol) ?? null,
  };
}

function describeSite(known: Known, site: Site): Statement {
  const { node } = site;
  return {
    at: place(node),
    prompt: 'prompt' in node ? node.prompt.trim() : null,
    menus: site.menus,
    dependsOn: [...site.guards.map((guard) => describeGuard(known, guard)), ...describeDeps(known, site)],
  };
}

function describeGuard(known: Known, { node, condition, negated }: Guard): Dependency {
  const shown = showCondition(condition);
  return {
    needs: negated ? `not (${shown})` : shown,
    at: `${node.file}:${node.line}`,
    symbols: [...new Set(symbolsOf(condition))].map((symbol) => standingOf(known, symbol)),
  };
}

function describeDeps(known: Known, { node }: Site): Dependency[] {
  if (!('deps' in node)) return [];
  const lookup = (variable: string) => known.values.get(variable) ?? '';
  return node.deps.map((word) => {
    const symbol = variableOf(word);
    const needs = symbol ?? expand(word, lookup);
    return {
      needs,
      at: `${node.file}:${node.line}`,
      symbols: symbol === undefined ? [] : [standingOf(known, symbol)],
    };
  });
}

function standingOf(known: Known, symbol: string): { symbol: string; value: string } {
  return { symbol, value: known.values.get(symbol) || 'n' };
}

function findDependents(known: Known, symbol: string): string[] {
  const found: string[] = [];
  for (const [name, sites] of known.sites) {
    const depends = sites.some(
      ({ guards, node }) =>
        guards.some(({ condition }) => symbolsOf(condition).includes(symbol)) ||
        ('deps' in node && node.deps.some((word) => variableOf(word) === symbol)),
    );
    if (depends && name !== symbol) found.push(name);
  }
  return found.sort();
}

/** The variables that a condition asks about. */
function symbolsOf(condition: Condition): string[] {
  switch (condition.op) {
    case 'and':
    case 'or':
      return [...symbolsOf(condition.left), ...symbolsOf(condition.right)];
    case 'not':
      return symbolsOf(condition.of);
    case 'same':
    case 'differs':
      return [condition.left, condition.right].flatMap((word) => variableOf(word) ?? []);
    case 'set':
    case 'empty':
      return [condition.word].flatMap((word) => variableOf(word) ?? []);
  }
}
