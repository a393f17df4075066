import { ANY, type PciId } from './device-tables.ts';
import type { ModuleFacts } from './module.ts';
import type { Claims } from './niclist.ts';

/** `pci:v000010ECd00008139sv*sd*bc*sc*i*` (the kernel's scripts/mod/file2alias.c). */
const PCI_ALIAS =
  /^alias pci:v([0-9A-F]{8}|\*)d([0-9A-F]{8}|\*)sv([0-9A-F]{8}|\*)sd([0-9A-F]{8}|\*)\S* (\S+)$/gm;

/**
 * What modules of 2.6 and later drive, by the modules.alias that depmod made of their tables. Names there have _
 * for -, as the kernel lists modules; here they are those of the files.
 */
export function claimsOfAliases(
  aliases: string,
  modules: readonly Pick<ModuleFacts, 'path' | 'name'>[],
): Claims[] {
  const byModule = new Map<string, PciId[]>();
  for (const [, vendor, device, subvendor, subdevice, name = ''] of aliases.matchAll(PCI_ALIAS)) {
    const ids = byModule.get(name) ?? [];
    ids.push({
      vendor: number(vendor),
      device: number(device),
      subvendor: number(subvendor),
      subdevice: number(subdevice),
      class: 0,
      classMask: 0,
      driverData: 0,
    });
    byModule.set(name, ids);
  }
  return modules.map(({ path, name }) => ({
    path,
    name,
    pci: byModule.get(name.replaceAll('-', '_')) ?? [],
  }));
}

function number(digits: string | undefined): number {
  return digits === undefined || digits === '*' ? ANY : Number.parseInt(digits, 16);
}
