import { basename } from 'node:path';
import { type DeviceTables, deviceTables } from './device-tables.ts';
import { type ElfObject, parseElf, stringsIn, UNDEFINED } from './elf.ts';

/** What a module says of itself. */
export interface ModuleFacts {
  /** Relative to lib/modules/<release>, e.g. `kernel/drivers/net/8139too.o`. */
  readonly path: string;
  /** As modprobe takes it: `8139too`. */
  readonly name: string;
  /** Symbols that other modules may use. */
  readonly exports: readonly string[];
  /** Symbols that it must find elsewhere, in the order of its symbol table. */
  readonly needs: readonly string[];
  /** MODULE_LICENSE, or undefined where it states none. */
  readonly license: string | undefined;
  /** The release that it was compiled for: 2.4's `kernel_version`, the first word of later kernels' `vermagic`. */
  readonly release: string | undefined;
  /** Strings of the section .modstring, for modules.generic_string. */
  readonly strings: readonly string[];
  readonly tables: DeviceTables;
}

/** Licences that don't taint the kernel (linux/module.h of 2.4.37; modutils' and later kernels' lists add none but MIT). */
const FREE_LICENSES: ReadonlySet<string> = new Set([
  'GPL',
  'GPL v2',
  'GPL and additional rights',
  'Dual BSD/GPL',
  'Dual MIT/GPL',
  'Dual MPL/GPL',
]);

/** True when loading the module taints the kernel: it states no licence, or one that isn't free in its sense. */
export function taints(module: Pick<ModuleFacts, 'license'>): boolean {
  return module.license === undefined || !FREE_LICENSES.has(module.license);
}

/**
 * Reads a module's facts from its bytes.
 * @throws KilnError `failed` when it is no object for i386
 */
export function readModule(bytes: Buffer, path: string): ModuleFacts {
  const object = parseElf(bytes, path);
  const information = new Map(
    stringsIn(object, '.modinfo').map((text): [string, string] => {
      const equals = text.indexOf('=');
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
  return {
    path,
    name: moduleName(path),
    exports: exportsOf(object),
    needs: needsOf(object),
    license: information.get('license'),
    release: information.get('kernel_version') ?? information.get('vermagic')?.split(' ')[0],
    strings: stringsIn(object, '.modstring'),
    tables: deviceTables(object),
  };
}

/** `kernel/drivers/net/8139too.o` is 8139too. */
export function moduleName(path: string): string {
  return basename(path).replace(/\.k?o$/, '');
}

/**
 * What EXPORT_SYMBOL put into __ksymtab; a module without any exports all its globals, as those of 2.2 do and
 * insmod lets them.
 */
function exportsOf(object: ElfObject): string[] {
  const table = object.sections.findIndex(({ name }) => name === '__ksymtab');
  if (table !== -1) {
    return object.symbols
      .filter(({ section, name }) => section === table && name.startsWith('__ksymtab_'))
      .map(({ name }) => name.slice('__ksymtab_'.length));
  }
  return object.symbols
    .filter(({ section, binding }) => section !== UNDEFINED && binding === 'global')
    .map(({ name }) => name);
}

function needsOf(object: ElfObject): string[] {
  return object.symbols
    .filter(
      ({ section, binding, name }, index) =>
        section === UNDEFINED && binding !== 'weak' && name !== '' && object.used.has(index),
    )
    .map(({ name }) => name);
}
