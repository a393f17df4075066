import { parseDotConfig, sameValue } from './dotconfig.ts';

export interface ConfigDifference {
  readonly symbol: string;
  /** As written; null where the configuration does not mention the symbol. */
  readonly from: string | null;
  readonly to: string | null;
}

/** The symbols whose values differ between two `.config` texts, sorted; not mentioned is as good as n. */
export function diffConfigs(one: string, other: string): ConfigDifference[] {
  const from = parseDotConfig(one);
  const to = parseDotConfig(other);
  return [...new Set([...from.keys(), ...to.keys()])]
    .sort()
    .filter((symbol) => !sameValue(from.get(symbol), to.get(symbol)))
    .map((symbol) => ({ symbol, from: from.get(symbol) ?? null, to: to.get(symbol) ?? null }));
}
