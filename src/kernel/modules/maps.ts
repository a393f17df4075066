import type { PciId, UsbId } from './device-tables.ts';
import type { ModuleFacts } from './module.ts';

/** What `modules.dep` and its like are written from; modules in the order of their paths. */
export interface IndexedModule extends ModuleFacts {
  /** Paths of the modules that it uses symbols of. */
  readonly dependencies: readonly string[];
}

type MapWriter = (modules: readonly IndexedModule[], release: string) => string;

const hex = (digits: number) => (value: number) => `0x${value.toString(16).padStart(digits, '0')}`;
const hex2 = hex(2);
const hex4 = hex(4);
const hex6 = hex(6);
const hex8 = hex(8);

/**
 * The files that depmod of modutils 2.4 leaves in lib/modules/<release>, by name; formats as its
 * prtdepend() prints them. The order of modules is that of their paths' bytes: depmod took that of the
 * directory, which no two machines share.
 */
export const MAPS: Readonly<Record<string, MapWriter>> = {
  'modules.dep': dependencies,
  'modules.generic_string': (modules) =>
    lines(modules, '# module             id=string', ({ strings }) => strings),
  'modules.ieee1394map': (modules) =>
    lines(modules, '# ieee1394 module    match_flags vendor_id model_id specifier_id version', ({ tables }) =>
      tables.ieee1394.map(
        (id) =>
          `${hex8(id.matchFlags)}  ${hex6(id.vendor)}  ${hex6(id.model)} ${hex6(id.specifier)}     ${hex6(id.version)}`,
      ),
    ),
  'modules.isapnpmap': (modules) =>
    lines(
      modules,
      '# isapnp module      cardvendor carddevice driver_data vendor     function   ...',
      isapnpLines,
    ),
  'modules.parportmap': (modules) =>
    lines(modules, '# module             pattern', ({ tables }) => tables.parport),
  'modules.pcimap': (modules) =>
    lines(
      modules,
      '# pci module         vendor     device     subvendor  subdevice  class      class_mask driver_data',
      ({ tables }) => tables.pci.map(pciLine),
    ),
  'modules.pnpbiosmap': (modules) =>
    lines(modules, '# module             id', ({ tables }) => tables.pnpbios),
  'modules.usbmap': (modules) =>
    lines(
      modules,
      '# usb module         match_flags idVendor idProduct bcdDevice_lo bcdDevice_hi bDeviceClass bDeviceSubClass bDeviceProtocol bInterfaceClass bInterfaceSubClass bInterfaceProtocol driver_info',
      ({ tables }) => tables.usb.map(usbLine),
    ),
};

/** A header, then what each module has to say, behind its name. */
function lines(
  modules: readonly IndexedModule[],
  header: string,
  of: (module: IndexedModule) => readonly string[],
): string {
  const body = modules.flatMap((module) => of(module).map((line) => `${module.name.padEnd(20)} ${line}`));
  return `${[header, ...body].join('\n')}\n`;
}

/** Absolute paths, one dependency a line, an empty line after each module: a small makefile. */
function dependencies(modules: readonly IndexedModule[], release: string): string {
  const absolute = (path: string) => `/lib/modules/${release}/${path}`;
  return modules
    .map((module) => {
      const list = module.dependencies.map((path) => `\t${absolute(path)}`).join(' \\\n');
      return `${absolute(module.path)}:${list}\n\n`;
    })
    .join('');
}

function pciLine(id: PciId): string {
  return [id.vendor, id.device, id.subvendor, id.subdevice, id.class, id.classMask, id.driverData]
    .map(hex8)
    .join(' ');
}

function isapnpLines({ tables }: IndexedModule): string[] {
  return [
    ...tables.isapnp.map(
      (id) =>
        `${hex4(id.cardVendor)}     ${hex4(id.cardDevice)}     ${hex8(id.driverData)}  ${hex4(id.vendor)}     ${hex4(id.function)}`,
    ),
    ...tables.isapnpCards.map((card) => {
      const devices = card.devices
        .map((one) => ` ${hex4(one.vendor)}     ${hex4(one.function)}    `)
        .join('');
      return `${hex4(card.cardVendor)}     ${hex4(card.cardDevice)}     ${hex8(card.driverData)} ${devices}`;
    }),
  ];
}

function usbLine(id: UsbId): string {
  const [vendor = 0, product = 0, low = 0, high = 0] = id.words;
  const wide = [id.matchFlags, vendor, product, low, high].map(hex4);
  const narrow = id.bytes.map(hex2);
  const [flags, idVendor, idProduct, bcdLow, bcdHigh] = wide;
  const [dClass, dSub, dProtocol, iClass, iSub, iProtocol] = narrow;
  return (
    `${flags}      ${idVendor}   ${idProduct}    ${bcdLow}       ${bcdHigh}       ` +
    `${dClass}         ${dSub}            ${dProtocol}            ${iClass}            ${iSub}               ` +
    `${iProtocol}               ${hex8(id.driverInfo)}`
  );
}
