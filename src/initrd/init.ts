import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { baseEnvironment, notInstalled, run } from '../platform/process.ts';
import { stepPath } from '../platform/sandbox.ts';

/** The sources of Kiln's init, in the order in which they are linked. */
const SOURCES = [
  'start.S',
  'init.c',
  // The network card's driver.
  'drivers.c',
  'cards.c',
  'modules.c',
  'depends.c',
  'legacy.c',
  'link.c',
  'object.c',
  'parameters.c',
  // The network.
  'configure.c',
  'lease.c',
  'dhcp.c',
  'network.c',
  // The root.
  'root.c',
  'rootpath.c',
  'nfs.c',
  'rpc.c',
  // What all of it uses.
  'shell.c',
  'power.c',
  'console.c',
  'text.c',
  'memory.c',
];

/** Where they are; every file there (headers too) is an input of the build. */
export const INIT_SOURCE_DIRECTORY = join(import.meta.dirname, 'init');

const COMPILE_FLAGS = [
  '-m32',
  '-march=i386',
  '-std=gnu11',
  '-Os',
  '-Wall',
  '-Wextra',
  '-Werror',
  // No libc and nothing that the compiler would expect of one.
  '-ffreestanding',
  '-fno-builtin',
  '-fno-tree-loop-distribute-patterns',
  // What distributions switch on and a program without a run-time can't have.
  '-fno-pie',
  '-fno-stack-protector',
  '-fcf-protection=none',
  '-fno-asynchronous-unwind-tables',
  '-fno-unwind-tables',
  // The node may be a 386.
  '-mno-mmx',
  '-mno-sse',
  '-fomit-frame-pointer',
  // No trace of the compiler's version: the file depends on the code alone.
  '-fno-ident',
  '-Wa,-mx86-used-note=no',
];

const LINK_FLAGS = [
  '-nostdlib',
  '-static',
  '-no-pie',
  '-Wl,-m,elf_i386',
  '-Wl,--build-id=none',
  '-Wl,-z,noseparate-code',
  '-Wl,-z,norelro',
  '-Wl,-z,noexecstack',
  '-s',
];

export interface CompileInitRequest {
  /** Path or name of gcc; it needs no 32-bit libc. */
  readonly compiler: string;
  /** Path of the program to write. */
  readonly output: string;
  /** Nobody waits for it yet: it leaves the processors to others. */
  readonly givesWay?: boolean;
  readonly signal?: AbortSignal;
  readonly log?: string;
}

/**
 * Compiles Kiln's init: a static i386 program of a few KiB that talks to the kernel by int 0x80 alone, so
 * that kernels from 2.2 on run it whatever libc the build host has. The same compiler gives the same bytes,
 * wherever.
 * @throws KilnError `failed` with the compiler's messages; `tool` when there is no such compiler.
 */
export async function compileInit(request: CompileInitRequest): Promise<{ readonly bytes: number }> {
  const { compiler, output } = request;
  const niceness = request.givesWay === true ? '10' : '0';
  const command = ['-n', niceness, compiler, ...COMPILE_FLAGS, ...LINK_FLAGS, '-o', output, ...SOURCES];
  const result = await run('nice', command, {
    // Relative names, so that no message and no symbol holds the checkout's path.
    cwd: INIT_SOURCE_DIRECTORY,
    // The compiler looks there for its assembler and linker.
    env: { ...baseEnvironment(), PATH: stepPath() },
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    ...(request.log === undefined ? {} : { log: request.log }),
  });
  // nice(1): there is no such program.
  if (result.exitCode === 127) throw notInstalled(compiler);
  if (result.exitCode !== 0) {
    throw new KilnError('failed', `${compiler} could not compile Kiln's init for i386`, {
      hint: 'the initrd needs a gcc that takes -m32 and an assembler and linker for i386 (Debian: gcc, binutils)',
      lines: result.tail.slice(-20),
      ...(request.log === undefined ? {} : { log: request.log }),
    });
  }
  return { bytes: (await stat(output)).size };
}
