import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../../platform/errors.ts';
import { baseEnvironment, run } from '../../platform/process.ts';
import { stepPath } from '../../platform/sandbox.ts';
import { type NbiLayout, writeNbi } from './write.ts';

export interface NbiFileRequest {
  readonly workDirectory: string;
  readonly layout: NbiLayout;
  /** Path or name of gcc, which assembles first.S. */
  readonly compiler: string;
  /** Paths. */
  readonly kernel: string;
  readonly initrd: string;
  readonly systemMap: string;
  readonly cmdline: string;
  readonly signal?: AbortSignal;
  readonly log?: string;
}

/** i386 kernels are linked for 3 GiB and run at their address less this, unless configured otherwise. */
const PAGE_OFFSET_MASK = 0x3fffffff;

/**
 * Makes a Net Boot Image of a kernel and its initrd.
 * @param image path of the file to write
 * @throws KilnError `failed` for a kernel that the layout has no place for
 */
export async function makeNbi(image: string, request: NbiFileRequest): Promise<void> {
  const [kernel, initrd, map] = await Promise.all([
    readFile(request.kernel),
    readFile(request.initrd),
    readFile(request.systemMap, 'latin1'),
  ]);
  const { layout, cmdline } = request;
  const first = await assembleFirst(request);
  await writeFile(image, writeNbi({ layout, first, kernel, initrd, cmdline, kernelEnd: kernelEnd(map) }));
}

function kernelEnd(systemMap: string): number {
  const address = /^([0-9a-f]+) \S _end$/m.exec(systemMap)?.[1];
  if (address === undefined)
    throw new KilnError('failed', 'System.map does not say where the kernel ends (_end)');
  return Number.parseInt(address, 16) & PAGE_OFFSET_MASK;
}

async function assembleFirst(request: NbiFileRequest): Promise<Buffer> {
  const { compiler, workDirectory, signal, log } = request;
  const output = join(workDirectory, 'first.bin');
  const link = ['-nostdlib', '-static', '-no-pie', '-Wl,-m,elf_i386', '-Wl,--build-id=none', '-Wl,-e,start'];
  const flat = ['-Wl,--oformat=binary', '-Wl,-Ttext=0', '-Wa,-mx86-used-note=no'];
  const result = await run(compiler, ['-m32', ...link, ...flat, '-o', output, 'first.S'], {
    cwd: import.meta.dirname,
    env: { ...baseEnvironment(), PATH: stepPath() },
    ...(signal === undefined ? {} : { signal }),
    ...(log === undefined ? {} : { log }),
  });
  signal?.throwIfAborted();
  if (result.exitCode !== 0) {
    throw new KilnError('failed', `${compiler} could not assemble the first program of the NBI`, {
      lines: result.tail.slice(-20),
      hint: 'it needs a gcc that takes -m32 and an assembler and linker for i386 (Debian: gcc, binutils)',
    });
  }
  return readFile(output);
}
