import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';

/** A network card that QEMU can put into the node. */
export interface Nic {
  readonly model: string;
  readonly aliases: readonly string[];
  /** QEMU's -device argument, without the network it is plugged into. */
  readonly device: string;
  /** Whether QEMU has a boot ROM for it. */
  readonly rom: boolean;
  /** What the kernel's command line must say for the kit to find it; empty for cards on PCI. */
  readonly cmdline: string;
}

/** Every card of nics.tsv, in the order of that file. */
export const NICS: readonly Nic[] = parseNics(readFileSync(join(import.meta.dirname, 'nics.tsv'), 'utf8'));

/** Reads the table's lines: model, aliases, device, rom, cmdline. @throws Error for a line of another shape. */
export function parseNics(text: string): Nic[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [model, aliases, device, rom, cmdline] = line.split('\t');
      if (
        model === undefined ||
        aliases === undefined ||
        device === undefined ||
        cmdline === undefined ||
        !/^(yes|no)$/.test(rom ?? '')
      )
        throw new Error(`nics.tsv: not a line of five columns: ${line}`);
      return {
        model,
        aliases: aliases === '-' ? [] : aliases.split(','),
        device,
        rom: rom === 'yes',
        cmdline: cmdline === '-' ? '' : cmdline,
      };
    });
}

/** The card of that model or alias. @throws KilnError `usage` listing the models there are. */
export function findNic(name: string): Nic {
  const nic = NICS.find((known) => known.model === name || known.aliases.includes(name));
  if (nic !== undefined) return nic;
  throw new KilnError('usage', `QEMU has no network card ${name}`, {
    hint: `one of ${NICS.map((known) => known.model).join(', ')}`,
  });
}
