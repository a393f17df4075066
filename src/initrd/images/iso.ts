import { chmod, mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { baseEnvironment, run } from '../../platform/process.ts';
import { localConfig, type MediumRequest, place } from './files.ts';

/** Where Debian's packages isolinux and syslinux-common keep the loader. */
export const ISOLINUX_FILES = {
  'isolinux.bin': '/usr/lib/ISOLINUX/isolinux.bin',
  'ldlinux.c32': '/usr/lib/syslinux/modules/bios/ldlinux.c32',
} as const;

/**
 * Makes the image of a CD that boots kernel and initrd by ISOLINUX (El Torito), by xorriso, without root.
 * @param image path of the file to write
 * @throws KilnError `tool` when xorriso is missing
 */
export async function makeIso(image: string, request: MediumRequest): Promise<void> {
  const { workDirectory, epoch, signal, log } = request;
  const files = join(workDirectory, 'iso');
  await rm(files, { recursive: true, force: true });
  await mkdir(files, { recursive: true });
  try {
    for (const [name, path] of Object.entries(ISOLINUX_FILES)) await place(path, files, name, epoch);
    await place(request.kernel, files, 'vmlinuz', epoch);
    await place(request.initrd, files, 'initrd.gz', epoch);
    const config = join(files, 'isolinux.cfg');
    await writeFile(config, localConfig(request));
    await utimes(config, epoch, epoch);
    for (const name of [...Object.keys(ISOLINUX_FILES), 'vmlinuz', 'initrd.gz', 'isolinux.cfg']) {
      await chmod(join(files, name), 0o644);
    }
    await utimes(files, epoch, epoch);
    const boot = ['-b', 'isolinux.bin', '-c', 'boot.cat', '-no-emul-boot', '-boot-load-size', '4'];
    const names = ['-V', 'KILN', '-r', '-boot-info-table'];
    const result = await run('xorriso', ['-as', 'mkisofs', '-o', image, ...names, ...boot, files], {
      // xorriso takes it for the present, and derives the volume's id from it.
      env: { ...baseEnvironment(), SOURCE_DATE_EPOCH: String(epoch) },
      ...(signal === undefined ? {} : { signal }),
      ...(log === undefined ? {} : { log }),
    });
    signal?.throwIfAborted();
    if (result.exitCode !== 0) throw new Error(`xorriso failed:\n${result.tail.join('\n')}`);
  } finally {
    await rm(files, { recursive: true, force: true });
  }
}
