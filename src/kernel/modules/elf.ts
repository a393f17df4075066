import { KilnError } from '../../platform/errors.ts';

/** A section of an object; `bytes` is empty for one that takes no room in the file. */
export interface Section {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface ElfSymbol {
  readonly name: string;
  readonly value: number;
  /** Index of its section; UNDEFINED for a symbol that another object has. */
  readonly section: number;
  readonly binding: 'local' | 'global' | 'weak';
}

/** A position within an object: a section by index, and an offset in it. */
export interface Position {
  readonly section: number;
  readonly offset: number;
}

/** What Kiln wants to know of a relocatable object for i386. */
export interface ElfObject {
  readonly sections: readonly Section[];
  readonly symbols: readonly ElfSymbol[];
  /** For each section with relocations: which symbol is put in at which offset. */
  readonly relocations: ReadonlyMap<number, ReadonlyMap<number, number>>;
  /** Indices of the symbols that some relocation uses. */
  readonly used: ReadonlySet<number>;
}

/** SHN_UNDEF */
export const UNDEFINED = 0;

const TYPE_RELOCATABLE = 1;
const MACHINE_386 = 3;
const SYMBOL_TABLE = 2;
const NO_BITS = 8;
const RELOCATIONS = 9;
const SECTION_HEADER_BYTES = 40;
const BINDINGS = ['local', 'global', 'weak'] as const;

interface Header {
  readonly name: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
}

/**
 * Reads a relocatable ELF object for i386 (System V ABI, Intel386 supplement): as modules of 2.2 and 2.4
 * (.o) and of later kernels (.ko) are.
 * @param file its name, for errors
 * @throws KilnError `failed` for anything else, and for one that is cut short.
 */
export function parseElf(bytes: Buffer, file: string): ElfObject {
  try {
    return parse(bytes, file);
  } catch (error) {
    if (error instanceof RangeError) throw notAModule(file, 'it is cut short or damaged');
    throw error;
  }
}

function parse(bytes: Buffer, file: string): ElfObject {
  // Class 1: 32-bit; data 1: little-endian.
  if (bytes.length < 52 || bytes.toString('latin1', 0, 6) !== '\x7fELF\x01\x01') {
    throw notAModule(file, 'it is no 32-bit little-endian ELF file');
  }
  if (bytes.readUInt16LE(16) !== TYPE_RELOCATABLE || bytes.readUInt16LE(18) !== MACHINE_386) {
    throw notAModule(file, 'it is no relocatable object for i386');
  }
  const start = bytes.readUInt32LE(32);
  const headers = Array.from({ length: bytes.readUInt16LE(48) }, (_, index) =>
    readHeader(bytes, start + SECTION_HEADER_BYTES * index),
  );
  const contents = headers.map((header) => contentOf(bytes, header));
  const names = contents[bytes.readUInt16LE(50)];
  if (names === undefined) throw notAModule(file, 'its sections have no names');
  const sections = headers.map(
    (header, index): Section => ({
      name: textIn(names, header.name),
      bytes: contents[index] ?? Buffer.alloc(0),
    }),
  );
  const table = headers.findIndex((header) => header.type === SYMBOL_TABLE);
  const symbols = table === -1 ? [] : readSymbols(contents, headers, table);
  return { sections, symbols, ...readRelocations(headers, contents) };
}

function notAModule(file: string, why: string): KilnError {
  return new KilnError('failed', `${file} is no module that Kiln can read: ${why}`, {
    hint: 'make modules_install puts modules there; see the build log for how this one came about',
  });
}

function readHeader(bytes: Buffer, at: number): Header {
  const word = (index: number) => bytes.readUInt32LE(at + 4 * index);
  return { name: word(0), type: word(1), offset: word(4), size: word(5), link: word(6), info: word(7) };
}

function contentOf(bytes: Buffer, { type, offset, size }: Header): Buffer {
  if (type === NO_BITS || size === 0) return Buffer.alloc(0);
  if (offset + size > bytes.length) throw new RangeError('a section ends beyond the file');
  return bytes.subarray(offset, offset + size);
}

function readSymbols(contents: readonly Buffer[], headers: readonly Header[], table: number): ElfSymbol[] {
  const bytes = contents[table] ?? Buffer.alloc(0);
  const names = contents[headers[table]?.link ?? 0] ?? Buffer.alloc(0);
  return Array.from({ length: Math.floor(bytes.length / 16) }, (_, index) => {
    const at = 16 * index;
    return {
      name: textIn(names, bytes.readUInt32LE(at)),
      value: bytes.readUInt32LE(at + 4),
      binding: BINDINGS[bytes.readUInt8(at + 12) >> 4] ?? 'local',
      section: bytes.readUInt16LE(at + 14),
    };
  });
}

function readRelocations(
  headers: readonly Header[],
  contents: readonly Buffer[],
): Pick<ElfObject, 'relocations' | 'used'> {
  const relocations = new Map<number, Map<number, number>>();
  const used = new Set<number>();
  headers.forEach((header, index) => {
    if (header.type !== RELOCATIONS) return;
    const bytes = contents[index] ?? Buffer.alloc(0);
    const ofSection = relocations.get(header.info) ?? new Map<number, number>();
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const information = bytes.readUInt32LE(at + 4);
      // R_386_NONE uses nothing.
      if ((information & 0xff) === 0) continue;
      ofSection.set(bytes.readUInt32LE(at), information >>> 8);
      used.add(information >>> 8);
    }
    relocations.set(header.info, ofSection);
  });
  return { relocations, used };
}

/** Where a defined symbol is. */
export function positionOf(object: ElfObject, name: string): Position | undefined {
  const symbol = object.symbols.find((one) => one.name === name && one.section !== UNDEFINED);
  return symbol === undefined ? undefined : { section: symbol.section, offset: symbol.value };
}

/** Where a pointer leads, or undefined for NULL and for what is in another object. */
export function follow(object: ElfObject, pointer: Position): Position | undefined {
  const index = object.relocations.get(pointer.section)?.get(pointer.offset);
  const symbol = index === undefined ? undefined : object.symbols[index];
  const addend = bytesAt(object, pointer, 4)?.readInt32LE();
  if (symbol === undefined || symbol.section === UNDEFINED || addend === undefined) return undefined;
  return { section: symbol.section, offset: symbol.value + addend };
}

/** Bytes as they stand in the object, before any relocation; undefined where there are not so many. */
export function bytesAt(object: ElfObject, { section, offset }: Position, size: number): Buffer | undefined {
  const bytes = object.sections[section]?.bytes;
  if (bytes === undefined || offset < 0 || offset + size > bytes.length) return undefined;
  return bytes.subarray(offset, offset + size);
}

/** The string at a position. */
export function textAt(object: ElfObject, { section, offset }: Position): string | undefined {
  const bytes = object.sections[section]?.bytes;
  return bytes === undefined || offset < 0 || offset >= bytes.length ? undefined : textIn(bytes, offset);
}

/** The strings of a section that holds nothing else, e.g. `.modinfo`; empty ones are padding. */
export function stringsIn(object: ElfObject, section: string): string[] {
  const bytes = object.sections.find(({ name }) => name === section)?.bytes;
  return bytes === undefined
    ? []
    : bytes
        .toString('latin1')
        .split('\0')
        .filter((text) => text !== '');
}

function textIn(bytes: Buffer, offset: number): string {
  const end = bytes.indexOf(0, offset);
  return bytes.toString('latin1', offset, end === -1 ? bytes.length : end);
}
