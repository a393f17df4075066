import { KilnError } from '../../platform/errors.ts';

/** A kernel image by its parts (Documentation/i386/boot.txt: the Linux/i386 boot protocol). */
export interface SetupHeader {
  /** 0x0201 is 2.01. */
  readonly protocol: number;
  /** Sectors of setup, without the boot sector before it. */
  readonly sectors: number;
  /** Boot sector and setup. */
  readonly realMode: Buffer;
  /** What is loaded at 1 MiB. */
  readonly protectedMode: Buffer;
  /** Bytes from 1 MiB on that the kernel needs before it knows its own memory map; since 2.10. */
  readonly initSize: number | undefined;
}

/**
 * Reads a bzImage's header.
 * @throws KilnError `failed` for a zImage, and for what is no kernel
 */
export function readSetup(kernel: Buffer): SetupHeader {
  if (kernel.length < 0x400 || kernel.toString('latin1', 0x202, 0x206) !== 'HdrS') {
    throw new KilnError(
      'failed',
      'the kernel has no header of the boot protocol, so no NBI can be made of it',
      {
        hint: 'a bzImage is needed, of 2.2 or later',
      },
    );
  }
  const protocol = kernel.readUInt16LE(0x206);
  if ((kernel.readUInt8(0x211) & LOADED_HIGH) === 0) {
    throw new KilnError('failed', 'the kernel is a zImage, and an NBI is made of a bzImage alone');
  }
  // 0 means 4, from the time before the field.
  const sectors = kernel.readUInt8(0x1f1) || 4;
  const size = 512 * (sectors + 1);
  return {
    protocol,
    sectors,
    realMode: kernel.subarray(0, size),
    protectedMode: kernel.subarray(size),
    initSize: protocol >= 0x20a ? kernel.readUInt32LE(0x260) : undefined,
  };
}

/** loadflags, bit 0: the protected-mode part is for 0x100000. */
const LOADED_HIGH = 1;

/** What a loader writes into the header. */
export interface LoaderFields {
  /** Linear addresses. */
  readonly setup: number;
  readonly commandLine: number;
  readonly ramdisk: number;
  readonly ramdiskBytes: number;
}

/** Etherboot's number among boot loaders. */
const LOADER = 0x41;

/** Boot sector and setup as a loader leaves them: with the places of command line and RAM disk. */
export function filledSetup(header: SetupHeader, fields: LoaderFields): Buffer {
  const bytes = Buffer.from(header.realMode);
  bytes.writeUInt8(LOADER, 0x210);
  bytes.writeUInt32LE(fields.ramdisk, 0x218);
  bytes.writeUInt32LE(fields.ramdiskBytes, 0x21c);
  if (header.protocol >= 0x202) bytes.writeUInt32LE(fields.commandLine, 0x228);
  else {
    bytes.writeUInt16LE(0xa33f, 0x20);
    bytes.writeUInt16LE(fields.commandLine - fields.setup, 0x22);
  }
  return bytes;
}
