import type { Dependency, Statement, SymbolDescription } from '../cml1/describe.ts';
import type { SourceReader } from '../cml1/tree.ts';
import { type Context, contextOf, type KbuildAuditInput, lookUp, standing } from './audit.ts';
import { showExpression, symbolsOf } from './expression.ts';
import { type Depends, type Entry, helpOf } from './parse.ts';

/**
 * Everything about one symbol of a 2.6+ tree in one configuration, in the shape in which 2.2 and 2.4 tell it;
 * `statements` is empty for a symbol that the tree doesn't have.
 * @param symbol with its prefix
 * @param reader reads the tree's files, for the help text
 */
export function describeKbuildSymbol(
  input: KbuildAuditInput,
  symbol: string,
  reader: SourceReader,
): SymbolDescription {
  const context = contextOf(input);
  const name = symbol.replace(/^CONFIG_/, '');
  const entries = context.tree.entries.get(name) ?? [];
  const helps = entries.flatMap((entry) => helpOf(reader.read(entry.file) ?? '', entry) ?? []);
  const help = helps[0];
  return {
    symbol,
    value: context.values.get(symbol) ?? null,
    standing: standing(context, name),
    statements: entries.map((entry) => describeEntry(context, entry)),
    dependents: findDependents(context, name),
    selectedBy: describeSelects(context, name),
    help: help === undefined || help === '' ? null : help,
  };
}

function describeEntry(context: Context, entry: Entry): Statement {
  return {
    at: `${entry.type ?? 'config'} at ${entry.file}:${entry.line}`,
    prompt: entry.prompt ?? null,
    menus: entry.blocks.flatMap(({ title }) => title ?? []),
    dependsOn: conditionsOf(entry).map((depends) => describeDependency(context, depends)),
  };
}

/** All that must hold for an entry to be asked, from the outside in. */
function conditionsOf(entry: Entry): readonly Depends[] {
  const around = entry.blocks.flatMap(({ depends, visible }) => [...depends, ...visible]);
  return [...around, ...entry.depends, ...entry.promptIf];
}

function describeDependency(context: Context, { expression, file, line }: Depends): Dependency {
  const names = [...new Set(symbolsOf(expression))];
  return {
    needs: showExpression(expression),
    at: `${file}:${line}`,
    symbols: names.map((name) => ({ symbol: `CONFIG_${name}`, value: lookUp(context, name) ?? 'n' })),
  };
}

function describeSelects(context: Context, name: string): string[] {
  return (context.tree.selects.get(name) ?? []).map(({ by, condition, file, line }) => {
    const when = condition === undefined ? '' : ` if ${showExpression(condition)}`;
    return `CONFIG_${by}${when} (${file}:${line}), which is ${lookUp(context, by) ?? 'n'}`;
  });
}

function findDependents(context: Context, name: string): string[] {
  const found: string[] = [];
  for (const [symbol, entries] of context.tree.entries) {
    const depends = entries.some((entry) =>
      conditionsOf(entry).some(({ expression }) => symbolsOf(expression).includes(name)),
    );
    if (depends && symbol !== name) found.push(`CONFIG_${symbol}`);
  }
  return found.sort();
}
