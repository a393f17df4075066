import { KilnError } from '../../platform/errors.ts';
import { alignUp } from '../tree.ts';
import { filledSetup, readSetup, type SetupHeader } from './setup.ts';

/**
 * Where things go in memory. `mknbi`: as mknbi-linux has it, entered in real mode, with its vendor and segment
 * tags, parts padded to 512 bytes (the RAM disk to 4096). `linear`: as wraplinux has it, entered in protected
 * mode, segments without tags or padding (five; wraplinux joins neighbours to three); for kernels whose setup is too long for the other one.
 */
export type NbiLayout = 'mknbi' | 'linear';

export interface NbiRequest {
  readonly layout: NbiLayout;
  /** The compiled first.S. */
  readonly first: Buffer;
  /** A bzImage. */
  readonly kernel: Buffer;
  readonly initrd: Buffer;
  readonly cmdline: string;
  /** Bytes of memory that the kernel takes from 1 MiB on once it is unpacked: System.map's _end. */
  readonly kernelEnd: number;
}

/** One segment of the image; data shorter than `memory` leave zeros behind them. */
interface Segment {
  readonly tag: number;
  readonly address: number;
  readonly data: Buffer;
  readonly memory: number;
  /** Vendor bytes of its descriptor. */
  readonly vendor?: Buffer;
}

interface Places {
  readonly header: number;
  readonly first: number;
  readonly setup: number;
  readonly commandLine: number;
  /** Where the boot sector's segment has its stack. */
  readonly stack: number;
}

const PLACES: Readonly<Record<NbiLayout, Places>> = {
  mknbi: { header: 0x93200, first: 0x92200, setup: 0x90000, commandLine: 0x93400, stack: 0x8000 },
  linear: { header: 0x20000, first: 0x1e000, setup: 0x10000, commandLine: 0x1f000, stack: 0xe000 },
};

const MAGIC = 0x1b031336;
const HEADER_BYTES = 512;
const FIXED_DWORDS = 4;
const VENDOR = 'mknbi-linux-kiln';
const LINEAR_ENTRY = 0x80000000;
const LAST = 4;
const LINE_ROOM = 2048;
const SECTOR = 512;
const RAMDISK_ALIGNMENT = 4096;
const KERNEL_AT = 0x100000;

/** Tags of mknbi-linux's segments. */
const TAG = { first: 16, line: 17, bootSector: 18, setup: 19, kernel: 20, ramdisk: 21 } as const;

/** Ramdisk mode of its vendor byte: where the loader put it. */
const RAMDISK_STAYS = Buffer.from([0, 0, 0, 0]);

/**
 * What the kernel of 2.2 and 2.4 needs above itself before it reserves the RAM disk: heap and input of its
 * decompressor, and the map of its memory, which stands behind _end.
 */
const KERNEL_SPARE = 0x80000;

/**
 * A Net Boot Image for Etherboot and other ROMs (Draft Net Boot Image Proposal 0.3): one file with kernel,
 * initrd and command line. The initrd is loaded where neither the kernel's decompressor nor the kernel
 * writes, so that nothing has to be moved on the node.
 * @throws KilnError `failed` for a kernel that the layout has no place for
 */
export function writeNbi(request: NbiRequest): Buffer {
  const { layout, initrd, cmdline } = request;
  const header = readSetup(request.kernel);
  refuseLayout(layout, header);
  const places = PLACES[layout];
  const ramdisk = ramdiskAddress(header, request.kernelEnd);
  const setup = filledSetup(header, {
    setup: places.setup,
    commandLine: places.commandLine,
    ramdisk,
    ramdiskBytes: initrd.length,
  });
  const first = filledFirst(request.first, places);
  const line = Buffer.from(`${cmdline}\0`, 'latin1');
  const segments =
    layout === 'mknbi'
      ? mknbiSegments(places, first, line, setup, header, ramdisk, initrd)
      : linearSegments(places, first, line, setup, header, ramdisk, initrd);
  const head =
    layout === 'mknbi'
      ? { vendor: VENDOR, flags: 0, entry: farPointer(places.first) }
      : { vendor: '', flags: LINEAR_ENTRY, entry: places.first + first.readUInt16LE(ENTRY32_AT) };
  return Buffer.concat([imageHeader(places, head, segments), ...segments.map(({ data }) => data)]);
}

function refuseLayout(layout: NbiLayout, header: SetupHeader): void {
  const room = (PLACES.mknbi.first - PLACES.mknbi.setup) / SECTOR - 1;
  if (layout === 'mknbi' && header.sectors > room) {
    throw new KilnError(
      'failed',
      `the kernel's setup has ${header.sectors} sectors, and mknbi's layout has room for ${room}`,
      { hint: 'set nbi.layout to linear in the recipe' },
    );
  }
  if (layout === 'linear' && header.protocol < 0x202) {
    throw new KilnError('failed', 'the kernel is too old for the linear layout of an NBI', {
      hint: 'set nbi.layout to mknbi in the recipe',
    });
  }
}

/** The first MiB above what the kernel writes on before it looks after its memory itself. */
function ramdiskAddress({ protectedMode, initSize }: SetupHeader, kernelEnd: number): number {
  // Unpacked behind the packed kernel, then moved to 1 MiB; the kernels that do otherwise say how much they need.
  const needed = initSize ?? protectedMode.length + kernelEnd;
  return alignUp(KERNEL_AT + needed + KERNEL_SPARE, 0x100000);
}

/** Offsets of what first.S leaves open. */
const SETUP_SEGMENT_AT = 4;
const ENTRY32_AT = 12;

function filledFirst(first: Buffer, places: Places): Buffer {
  const bytes = Buffer.from(first);
  const words = [places.setup >> 4, places.stack, places.commandLine >> 4, LINE_ROOM];
  words.forEach((word, index) => {
    bytes.writeUInt16LE(word, SETUP_SEGMENT_AT + 2 * index);
  });
  return bytes;
}

function mknbiSegments(
  places: Places,
  first: Buffer,
  line: Buffer,
  setup: Buffer,
  { protectedMode }: SetupHeader,
  ramdisk: number,
  initrd: Buffer,
): Segment[] {
  const part = (tag: number, address: number, data: Buffer, alignment = SECTOR): Segment => {
    const padded = Buffer.concat([data], alignUp(data.length, alignment));
    return { tag, address, data: padded, memory: padded.length };
  };
  return [
    part(TAG.first, places.first, first),
    { ...part(TAG.line, places.commandLine, line), memory: LINE_ROOM },
    part(TAG.bootSector, places.setup, setup.subarray(0, SECTOR)),
    part(TAG.setup, places.setup + SECTOR, setup.subarray(SECTOR)),
    part(TAG.kernel, KERNEL_AT, protectedMode),
    { ...part(TAG.ramdisk, ramdisk, initrd, RAMDISK_ALIGNMENT), vendor: RAMDISK_STAYS },
  ];
}

function linearSegments(
  places: Places,
  first: Buffer,
  line: Buffer,
  setup: Buffer,
  { protectedMode }: SetupHeader,
  ramdisk: number,
  initrd: Buffer,
): Segment[] {
  const part = (address: number, data: Buffer, memory = data.length): Segment => ({
    tag: 0,
    address,
    data,
    memory,
  });
  return [
    part(places.setup, setup),
    part(places.first, first),
    part(places.commandLine, line, LINE_ROOM),
    part(KERNEL_AT, protectedMode),
    part(ramdisk, initrd),
  ];
}

function imageHeader(
  places: Places,
  head: { readonly vendor: string; readonly flags: number; readonly entry: number },
  segments: readonly Segment[],
): Buffer {
  const image = Buffer.alloc(HEADER_BYTES);
  const vendor = Buffer.from(head.vendor, 'latin1');
  image.writeUInt32LE(MAGIC, 0);
  image.writeUInt32LE((head.flags | lengths(alignUp(vendor.length, 4))) >>> 0, 4);
  image.writeUInt32LE(farPointer(places.header), 8);
  image.writeUInt32LE(head.entry, 12);
  vendor.copy(image, 16);
  let at = 16 + alignUp(vendor.length, 4);
  segments.forEach((segment, index) => {
    const own = segment.vendor ?? Buffer.alloc(0);
    image.writeUInt8(lengths(own.length), at);
    image.writeUInt8(segment.tag, at + 1);
    image.writeUInt8(index === segments.length - 1 ? LAST : 0, at + 3);
    image.writeUInt32LE(segment.address, at + 4);
    image.writeUInt32LE(segment.data.length, at + 8);
    image.writeUInt32LE(segment.memory, at + 12);
    own.copy(image, at + 16);
    at += 16 + own.length;
  });
  image.writeUInt16LE(0xaa55, HEADER_BYTES - 2);
  return image;
}

/** A length nibble each for the fixed part and the vendor's, in dwords. */
function lengths(vendorBytes: number): number {
  return FIXED_DWORDS | ((vendorBytes / 4) << 4);
}

/** Segment and offset of a linear address below 1 MiB, as one dword: the offset first. */
function farPointer(linear: number): number {
  return ((linear >> 4) << 16) >>> 0;
}
