import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ANY, type PciId } from './device-tables.ts';

/** One rule of precedence between two drivers. */
export interface NicPrecedence {
  readonly winner: string;
  readonly loser: string;
  readonly why: string;
}

/** Reads nic-precedence.tsv. */
export function nicPrecedence(): NicPrecedence[] {
  return readFileSync(join(import.meta.dirname, 'nic-precedence.tsv'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [winner = '', loser = '', why = ''] = line.split('\t');
      return { winner, loser, why };
    });
}

/** A module by what it claims to drive. */
export interface Claims {
  /** Relative to lib/modules/<release>. */
  readonly path: string;
  readonly name: string;
  readonly pci: readonly PciId[];
}

/** Where network drivers are, relative to lib/modules/<release>: from 2.4 on, and in 2.2. */
const NETWORK_DRIVERS = /^(?:kernel\/drivers\/)?net\//;

/** Said at the head of a list that was not made from tables of the modules. */
const BY_NAME =
  "# They have no tables to read: what each takes is from Kiln's own list of the drivers of 2.2 (nic-2.2.tsv).";

/**
 * The list by which a node finds the driver of its network card, in the form of LTSP's /etc/niclist: a line
 * for each PCI id, `10ec:8139 8139too`, sorted by id. Where more than one driver claims an id, the first by `precedence`
 * has it; the others come after it, for a card that the first does not take (8139too leaves the C+ to 8139cp from 2.6 on).
 * Entries that no vendor and device id can tell (a class, any device of a vendor) stand in comments at the end.
 * @param made what the claims are from: the modules' own PCI tables, or a list that has them by the modules' names
 * @returns undefined where no module is for a network card on PCI
 */
export function niclist(
  modules: readonly Claims[],
  release: string,
  precedence: readonly NicPrecedence[],
  made: 'from tables' | 'by name' = 'from tables',
): string | undefined {
  const claims = new Map<string, Set<string>>();
  const others: string[] = [];
  for (const { path, name, pci } of modules) {
    if (!NETWORK_DRIVERS.test(path)) continue;
    for (const id of pci) {
      if (id.vendor === ANY || id.device === ANY) others.push(`# ${name}: ${describe(id)}`);
      else claims.set(idOf(id), (claims.get(idOf(id)) ?? new Set()).add(name));
    }
  }
  if (claims.size === 0) return undefined;
  const lines = [...claims.keys()].sort().flatMap((id) => {
    const [winner = '', ...losers] = [...(claims.get(id) ?? [])].sort(byPrecedence(precedence));
    return [
      `${id} ${winner}`,
      ...losers.map((loser) => `${id} ${loser}  # ${reason(winner, loser, precedence)}`),
    ];
  });
  const head = [`# Network cards by PCI id, and the modules of ${release} for them; the first match wins.`];
  if (made === 'by name') head.push(BY_NAME);
  const tail = others.length === 0 ? [] : ['# What no id can tell:', ...new Set(others)];
  return `${[...head, ...lines, ...tail].join('\n')}\n`;
}

function byPrecedence(precedence: readonly NicPrecedence[]): (one: string, other: string) => number {
  return (one, other) => {
    const rule = ruleFor(one, other, precedence);
    if (rule !== undefined) return rule.winner === one ? -1 : 1;
    return one < other ? -1 : 1;
  };
}

function ruleFor(
  one: string,
  other: string,
  precedence: readonly NicPrecedence[],
): NicPrecedence | undefined {
  return precedence.find(
    ({ winner, loser }) => (winner === one && loser === other) || (winner === other && loser === one),
  );
}

function reason(winner: string, loser: string, precedence: readonly NicPrecedence[]): string {
  const rule = ruleFor(winner, loser, precedence);
  return rule === undefined ? `${winner} has it, being the earlier name` : `${winner} has it: ${rule.why}`;
}

function idOf({ vendor, device }: PciId): string {
  return `${hex4(vendor)}:${hex4(device)}`;
}

function describe({ vendor, device, subvendor, subdevice, class: code, classMask }: PciId): string {
  const any = (value: number) => (value === ANY ? 'any' : hex4(value));
  const subsystem =
    subvendor === ANY && subdevice === ANY ? '' : `, subsystem ${any(subvendor)}:${any(subdevice)}`;
  const ofClass = classMask === 0 ? '' : `, class ${code.toString(16).padStart(6, '0')}`;
  return `${any(vendor)}:${any(device)}${subsystem}${ofClass}`;
}

function hex4(value: number): string {
  return value.toString(16).padStart(4, '0');
}
