import { mkdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../../platform/errors.ts';
import { baseEnvironment, run } from '../../platform/process.ts';
import { localConfig, type MediumRequest, place } from './files.ts';

/** Formats by their KiB, as mformat(1) takes them: 3.5 inches, high and extended density. */
export type FloppySize = 1440 | 2880;

const SIZES: readonly FloppySize[] = [1440, 2880];

/** The volume's serial number, fixed: "KILN". */
const SERIAL = '4b494c4e';

export interface FloppyRequest extends MediumRequest {
  /** `auto`: the smaller one that holds everything. */
  readonly size: FloppySize | 'auto';
}

/**
 * Makes the image of a floppy disk that boots kernel and initrd by SYSLINUX, for machines that can't boot from the
 * network; FAT12 by mtools, without root.
 * @param image path of the file to write
 * @throws KilnError `failed` with the bytes that are too many when it does not fit; `tool` when mtools or
 * syslinux are missing
 */
export async function makeFloppy(image: string, request: FloppyRequest): Promise<FloppySize> {
  const sizes = request.size === 'auto' ? SIZES : [request.size];
  const largest = Math.max(...sizes) as FloppySize;
  await refuseOversize(largest, request);
  for (const size of sizes) if (await fill(image, size, request)) return size;
  throw new KilnError(
    'failed',
    `kernel, initrd and SYSLINUX together do not fit on a floppy disk of ${largest} KiB`,
    { hint: tooLargeHint(largest) },
  );
}

async function refuseOversize(largest: FloppySize, { kernel, initrd }: FloppyRequest): Promise<void> {
  const [kernelBytes, initrdBytes] = [(await stat(kernel)).size, (await stat(initrd)).size];
  if (kernelBytes + initrdBytes < largest * 1024) return;
  throw new KilnError(
    'failed',
    `kernel (${kernelBytes} bytes) and initrd (${initrdBytes}) do not fit on a floppy disk of ${largest} KiB (${largest * 1024} bytes)`,
    { hint: tooLargeHint(largest) },
  );
}

function tooLargeHint(largest: FloppySize): string {
  return largest === 1440
    ? 'set floppy.size to 2880, take fewer modules or options, or make an iso'
    : 'take fewer modules or options, or make an iso';
}

/** @returns false when the disk is full. */
async function fill(image: string, size: FloppySize, request: FloppyRequest): Promise<boolean> {
  const { workDirectory, epoch } = request;
  const files = join(workDirectory, 'floppy');
  await rm(files, { recursive: true, force: true });
  await mkdir(files, { recursive: true });
  try {
    await rm(image, { force: true });
    await tool(request, 'mformat', ['-C', '-f', String(size), '-N', SERIAL, '-v', 'KILN', '-i', image, '::']);
    const kernel = await place(request.kernel, files, 'vmlinuz', epoch);
    const initrd = await place(request.initrd, files, 'initrd.gz', epoch);
    const config = join(files, 'syslinux.cfg');
    await writeFile(config, localConfig(request).replaceAll('\n', '\r\n'));
    await utimes(config, epoch, epoch);
    // First, so that a kernel which fits by itself does not leave the loader without room.
    if (!(await fits(request, 'syslinux', ['--install', image]))) return false;
    return await fits(request, 'mcopy', ['-m', '-i', image, kernel, initrd, config, '::']);
  } finally {
    await rm(files, { recursive: true, force: true });
  }
}

async function fits(request: FloppyRequest, name: string, args: readonly string[]): Promise<boolean> {
  const result = await runTool(request, name, args);
  if (result.exitCode === 0) return true;
  if (/full|no space|not enough/i.test(result.tail.join('\n'))) return false;
  throw new Error(`${name} failed:\n${result.tail.join('\n')}`);
}

async function tool(request: FloppyRequest, name: string, args: readonly string[]): Promise<void> {
  const result = await runTool(request, name, args);
  if (result.exitCode !== 0) throw new Error(`${name} failed:\n${result.tail.join('\n')}`);
}

async function runTool({ epoch, signal, log }: FloppyRequest, name: string, args: readonly string[]) {
  const result = await run(name, args, {
    // mtools takes it for the present, and the host's own settings must not reach the image.
    env: { ...baseEnvironment(), SOURCE_DATE_EPOCH: String(epoch), MTOOLSRC: '/dev/null' },
    ...(signal === undefined ? {} : { signal }),
    ...(log === undefined ? {} : { log }),
  });
  signal?.throwIfAborted();
  return result;
}
