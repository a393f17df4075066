import { type ConfigTree, findSites } from '../../../src/kconfig/cml1/tree.ts';

/** A repeatable source of numbers from 0 to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws base configurations of many kinds for one tree; number `n` is always the same. */
export function baseGenerator(tree: ConfigTree, defconfig: string): (n: number) => string {
  const types = new Map<string, string>();
  const ranges = new Map<string, readonly [number, number]>();
  for (const [symbol, sites] of findSites(tree)) {
    const asked = sites.find(({ node }) => !node.kind.startsWith('define'));
    types.set(symbol, (asked ?? sites[0])?.node.kind ?? 'bool');
    if (asked?.node.kind === 'int' && asked.node.args.length === 3) {
      const [, lowest, highest] = asked.node.args.map(({ literal }) => Number(literal));
      ranges.set(symbol, [lowest ?? 0, highest ?? 0]);
    }
  }
  const symbols = [...types.keys()];
  return (n) => {
    const random = seeded(n);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const draw = (symbol: string) => {
      const [lowest, highest] = ranges.get(symbol) ?? [0, pick([2, 10, 300, 5000])];
      const number = lowest + Math.floor(random() * (highest - lowest + 1));
      return drawValue(types.get(symbol) ?? 'bool', number, random, pick);
    };
    const uniform = (value: string) =>
      symbols.map((symbol) =>
        isSwitch(types.get(symbol)) ? line(symbol, value) : line(symbol, draw(symbol)),
      );
    const some = (count: number) => Array.from({ length: count }, () => pick(symbols));
    switch (n % 8) {
      case 0:
        return text([...uniform('y'), ...mutate(some(Math.floor(random() * 30)), draw)]);
      case 1:
        return text([...uniform('n'), ...mutate(some(Math.floor(random() * 200)), draw)]);
      case 2:
        return text([...uniform('m'), line('CONFIG_MODULES', pick(['y', 'n'])), ...mutate(some(40), draw)]);
      case 3:
        return text(symbols.map((symbol) => line(symbol, draw(symbol))));
      case 4: {
        const density = random();
        return text(symbols.filter(() => random() < density).map((symbol) => line(symbol, draw(symbol))));
      }
      case 5: {
        const bias = random();
        const drawn = symbols.map((symbol) =>
          isSwitch(types.get(symbol)) && random() < bias ? line(symbol, 'y') : line(symbol, draw(symbol)),
        );
        return text([...drawn, line('CONFIG_MODULES', 'y'), line('CONFIG_EXPERIMENTAL', 'y')]);
      }
      default:
        return defconfig + text(mutate(some(1 + Math.floor(random() * 60)), draw));
    }
  };
}

function isSwitch(type: string | undefined): boolean {
  return type === undefined || /bool|tristate|choice/.test(type);
}

function mutate(symbols: readonly string[], draw: (symbol: string) => string): string[] {
  return symbols.map((symbol) => line(symbol, draw(symbol)));
}

function drawValue(
  type: string,
  number: number,
  random: () => number,
  pick: <T>(from: readonly T[]) => T,
): string {
  if (type.includes('int')) return String(number);
  if (type.includes('hex')) {
    // Some of the interpreters take 0X, others ask again for ever.
    const prefix = random() < 0.002 ? '0X' : pick(['', '0x']);
    return prefix + Math.floor(random() * 0xfffff).toString(16);
  }
  if (type.includes('string'))
    return pick(['"a b"', '"x  y "', '"/dev/hda1"', '""', '"-n q"', '"ttyS0,9600 ro"']);
  if (type.includes('tristate')) return pick(['y', 'm', 'n']);
  return pick(['y', 'n', 'y', 'n', 'm']);
}

function line(symbol: string, value: string): string {
  return value === 'n' ? `# ${symbol} is not set` : `${symbol}=${value}`;
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
