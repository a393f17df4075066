import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ANY, type PciId } from './device-tables.ts';
import type { ModuleFacts } from './module.ts';
import type { Claims } from './niclist.ts';

/** One line of nic-2.2.tsv. */
export interface CardsOfModule {
  readonly module: string;
  /** `10ec:8139` */
  readonly ids: readonly string[];
  /** The release whose source they were read from. */
  readonly source: string;
}

/** Reads nic-2.2.tsv: what network drivers of Linux 2.2 take. */
export function cardsOf22(): CardsOfModule[] {
  return readFileSync(join(import.meta.dirname, 'nic-2.2.tsv'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [module = '', ids = '', source = ''] = line.split('\t');
      return { module, ids: ids.split(' '), source };
    });
}

/** What modules of 2.2 drive, by their names: they say nothing of it themselves. Those that the list has not drive nothing. */
export function claimsByName(
  modules: readonly Pick<ModuleFacts, 'path' | 'name'>[],
  cards: readonly CardsOfModule[],
): Claims[] {
  const byModule = new Map(cards.map(({ module, ids }) => [module, ids.map(pciId)]));
  return modules.map(({ path, name }) => ({ path, name, pci: byModule.get(name) ?? [] }));
}

function pciId(id: string): PciId {
  const [vendor = 0, device = 0] = id.split(':').map((digits) => Number.parseInt(digits, 16));
  return { vendor, device, subvendor: ANY, subdevice: ANY, class: 0, classMask: 0, driverData: 0 };
}
