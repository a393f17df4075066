import { bytesAt, type ElfObject, follow, type Position, positionOf, textAt } from './elf.ts';

/**
 * The ids of what a module drives, as 2.4 lays them out (linux/pci.h, isapnp.h, usb.h, parport.h,
 * drivers/ieee1394/ieee1394_hotplug.h): `__module_<kind>_device_table` leads to a table that ends with an
 * entry of zeros, `__module_<kind>_device_size` says how long an entry is.
 */
export interface DeviceTables {
  readonly pci: readonly PciId[];
  readonly isapnp: readonly IsapnpId[];
  readonly isapnpCards: readonly IsapnpCard[];
  readonly usb: readonly UsbId[];
  readonly parport: readonly string[];
  readonly ieee1394: readonly Ieee1394Id[];
  readonly pnpbios: readonly string[];
}

/** Numbers as in `struct pci_device_id`; ANY stands for any. */
export interface PciId {
  readonly vendor: number;
  readonly device: number;
  readonly subvendor: number;
  readonly subdevice: number;
  readonly class: number;
  readonly classMask: number;
  readonly driverData: number;
}

/** PCI_ANY_ID */
export const ANY = 0xffffffff;

export interface IsapnpId {
  readonly cardVendor: number;
  readonly cardDevice: number;
  readonly vendor: number;
  readonly function: number;
  readonly driverData: number;
}

export interface IsapnpCard {
  readonly cardVendor: number;
  readonly cardDevice: number;
  readonly driverData: number;
  readonly devices: readonly { readonly vendor: number; readonly function: number }[];
}

/** The fields of `struct usb_device_id` in its order; the last but one are bytes. */
export interface UsbId {
  readonly matchFlags: number;
  readonly words: readonly number[];
  readonly bytes: readonly number[];
  readonly driverInfo: number;
}

export interface Ieee1394Id {
  readonly matchFlags: number;
  readonly vendor: number;
  readonly model: number;
  readonly specifier: number;
  readonly version: number;
}

/** ISAPNP_CARD_DEVS */
const CARD_DEVICES = 8;

/** The largest table that is believed to be one: a table without an end must not run on for ever. */
const MOST_ENTRIES = 10_000;

/** Reads a module's tables. An entry of another size than 2.4's is not read, as depmod does not. */
export function deviceTables(object: ElfObject): DeviceTables {
  return {
    pci: table(object, 'pci_device', 28, readPci),
    isapnp: table(object, 'isapnp_device', 12, readIsapnp),
    isapnpCards: table(object, 'isapnp_card', 8 + 4 * CARD_DEVICES, readIsapnpCard),
    usb: table(object, 'usb_device', 20, readUsb),
    parport: table(object, 'parport_device', 4, (_entry, at) => {
      const pattern = follow(object, at);
      return pattern === undefined ? undefined : textAt(object, pattern);
    }),
    ieee1394: table(object, 'ieee1394_device', 24, readIeee1394),
    pnpbios: table(object, 'pnpbios_device', 12, readPnpbios),
  };
}

function table<T>(
  object: ElfObject,
  kind: string,
  size: number,
  read: (entry: Buffer, at: Position) => T | undefined,
): T[] {
  const pointer = positionOf(object, `__module_${kind}_table`);
  const first = pointer === undefined ? undefined : follow(object, pointer);
  if (first === undefined) return [];
  const sizeAt = positionOf(object, `__module_${kind}_size`);
  const stated = sizeAt === undefined ? size : bytesAt(object, sizeAt, 4)?.readUInt32LE();
  if (stated !== size) return [];
  const entries: T[] = [];
  for (let index = 0; index < MOST_ENTRIES; index++) {
    const at = { section: first.section, offset: first.offset + index * size };
    const bytes = bytesAt(object, at, size);
    const entry = bytes === undefined ? undefined : read(bytes, at);
    if (entry === undefined) break;
    entries.push(entry);
  }
  return entries;
}

function readPci(entry: Buffer): PciId | undefined {
  const word = (index: number) => entry.readUInt32LE(4 * index);
  if (word(0) === 0) return undefined;
  return {
    vendor: word(0),
    device: word(1),
    subvendor: word(2),
    subdevice: word(3),
    class: word(4),
    classMask: word(5),
    driverData: word(6),
  };
}

function readIsapnp(entry: Buffer): IsapnpId | undefined {
  const half = (index: number) => entry.readUInt16LE(2 * index);
  if (half(0) === 0) return undefined;
  return {
    cardVendor: half(0),
    cardDevice: half(1),
    vendor: half(2),
    function: half(3),
    driverData: entry.readUInt32LE(8),
  };
}

function readIsapnpCard(entry: Buffer): IsapnpCard | undefined {
  const cardVendor = entry.readUInt16LE(4);
  if (cardVendor === 0) return undefined;
  const devices = Array.from({ length: CARD_DEVICES }, (_, index) => ({
    vendor: entry.readUInt16LE(8 + 4 * index),
    function: entry.readUInt16LE(10 + 4 * index),
  }));
  return {
    cardVendor,
    cardDevice: entry.readUInt16LE(6),
    driverData: entry.readUInt32LE(0),
    devices: devices.filter(({ vendor }) => vendor !== 0),
  };
}

function readUsb(entry: Buffer): UsbId | undefined {
  const words = [2, 4, 6, 8].map((offset) => entry.readUInt16LE(offset));
  const bytes = [10, 11, 12, 13, 14, 15].map((offset) => entry.readUInt8(offset));
  const driverInfo = entry.readUInt32LE(16);
  const [vendor] = words;
  const [deviceClass, , , interfaceClass] = bytes;
  if (vendor === 0 && deviceClass === 0 && interfaceClass === 0 && driverInfo === 0) return undefined;
  return { matchFlags: entry.readUInt16LE(0), words, bytes, driverInfo };
}

function readIeee1394(entry: Buffer): Ieee1394Id | undefined {
  const word = (index: number) => entry.readUInt32LE(4 * index);
  if (word(0) === 0) return undefined;
  return { matchFlags: word(0), vendor: word(1), model: word(2), specifier: word(3), version: word(4) };
}

function readPnpbios(entry: Buffer): string | undefined {
  const id = entry.toString('latin1', 0, 8).replace(/\0.*$/s, '');
  return id === '' ? undefined : id;
}
