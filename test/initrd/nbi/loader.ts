import { join } from 'node:path';
import { baseEnvironment, output } from '../../../src/platform/process.ts';

/** Compiles the tests' own loader of NBIs into a directory; linked high, out of the way of what it loads. */
export async function compileLoader(directory: string): Promise<string> {
  const program = join(directory, 'loader.elf');
  const plain = ['-fno-pic', '-fno-pie', '-no-pie', '-fno-stack-protector', '-fcf-protection=none'];
  const flags = ['-m32', '-march=i386', '-O1', '-ffreestanding', '-fno-asynchronous-unwind-tables', ...plain];
  const link = [
    '-nostdlib',
    '-static',
    '-Wl,-m,elf_i386',
    '-Wl,--build-id=none',
    '-Wl,-Ttext=0x3000000',
    '-Wl,-N',
  ];
  const sources = ['loader.S', 'loader.c'];
  await output('gcc', [...flags, '-fno-tree-loop-distribute-patterns', ...link, '-o', program, ...sources], {
    cwd: import.meta.dirname,
    env: baseEnvironment(),
  });
  return program;
}

/** QEMU's arguments for a machine that the loader starts an NBI on; it ends where the loader refuses one. */
export function loaderArguments(loader: string, image: string): string[] {
  return ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-kernel', loader, '-initrd', image];
}
