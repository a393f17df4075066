import { KilnError } from '../platform/errors.ts';

export type InitrdFormat = 'ext2' | 'cramfs' | 'romfs' | 'cpio';

/** The option without which a kernel does not mount an initrd of the format. */
const FILE_SYSTEM: Readonly<Record<Exclude<InitrdFormat, 'cpio'>, string>> = {
  ext2: 'CONFIG_EXT2_FS',
  cramfs: 'CONFIG_CRAMFS',
  romfs: 'CONFIG_ROMFS_FS',
};

/** Options that come with later kernels, and count where the configuration knows them. */
const WHERE_KNOWN: readonly string[] = ['CONFIG_RD_GZIP'];

/**
 * Makes sure that a kernel can read the initrd that it gets: an initramfs is for 2.6 and later, every other
 * format needs its file system and the RAM disk built in.
 * @param dotConfig the kernel's final configuration
 * @throws KilnError `failed` that names the options that are missing
 */
export function assertReadable(format: InitrdFormat, version: string, dotConfig: string): void {
  if (format === 'cpio' && /^2\.[0-4]\./.test(version)) {
    throw new KilnError('failed', `initrd.format: Linux ${version} has no initramfs, so it can't read cpio`, {
      hint: 'choose ext2, cramfs or romfs',
    });
  }
  const options =
    format === 'cpio'
      ? ['CONFIG_BLK_DEV_INITRD']
      : ['CONFIG_BLK_DEV_RAM', 'CONFIG_BLK_DEV_INITRD', FILE_SYSTEM[format]];
  const lines = new Set(dotConfig.split('\n'));
  const missing = [
    ...options.filter((symbol) => !lines.has(`${symbol}=y`)),
    ...WHERE_KNOWN.filter((symbol) => lines.has(`# ${symbol} is not set`)),
  ];
  if (missing.length === 0) return;
  throw new KilnError(
    'failed',
    `the kernel could not read its initrd (${format}): ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not built in`,
    {
      hint: `add ${missing.map((symbol) => `${symbol}=y`).join(', ')} in a fragment, or choose another initrd.format`,
    },
  );
}
