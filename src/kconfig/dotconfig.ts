const ASSIGNMENT = /^(CONFIG_\w+)=(.*)$/;
const NOT_SET = /^# (CONFIG_\w+) is not set$/;

/**
 * The values of a `.config`, as they are written: `y`, `m`, `n` (also for `# CONFIG_X is not set`), `"text"`,
 * `12`, `0x10`. The last line about a symbol counts, as it does for make and the C preprocessor. Lines that
 * are neither an assignment nor `is not set` are skipped.
 */
export function parseDotConfig(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const notSet = NOT_SET.exec(line);
    if (notSet?.[1] !== undefined) values.set(notSet[1], 'n');
    const assigned = ASSIGNMENT.exec(line);
    if (assigned?.[1] !== undefined && assigned[2] !== undefined) values.set(assigned[1], assigned[2]);
  }
  return values;
}

/** One line of a `.config` for a symbol's value. */
export function dotConfigLine(symbol: string, value: string): string {
  return value === 'n' ? `# ${symbol} is not set` : `${symbol}=${value}`;
}

/**
 * True when two written values mean the same. Up to 2.4.3x scripts/Configure writes a hex value without its
 * `0x`, so that prefix and the case of hex digits don't count; a missing symbol (undefined) is `n`.
 */
export function sameValue(one: string | undefined, other: string | undefined): boolean {
  return plainValue(one ?? 'n') === plainValue(other ?? 'n');
}

function plainValue(value: string): string {
  return /^(0x)?[0-9a-f]+$/i.test(value) ? value.replace(/^0x/i, '').toLowerCase() : value;
}
