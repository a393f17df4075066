import { z } from 'zod';

/** A kind of boot image. */
export const image = z
  .enum(['pxe', 'ipxe', 'nbi', 'floppy', 'iso'])
  .describe(
    'PXELINUX and iPXE configurations; an image for Etherboot; media for machines that boot no network',
  );

/** How an NBI is laid out. */
export const nbi = z.strictObject({
  layout: z
    .enum(['mknbi', 'linear'])
    .default('mknbi')
    .describe(
      'Where things go in memory: as mknbi, or as wraplinux for kernels whose setup is too long for it',
    ),
});

/** How a floppy is made. */
export const floppy = z.strictObject({
  size: z
    .union([z.literal('auto'), z.literal(1440), z.literal(2880)])
    .default('auto')
    .describe('KiB of the disk; auto: the smaller that holds everything'),
});
