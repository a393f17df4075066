import { join } from 'node:path';
import { builtinKit } from '../../../src/initrd/content.ts';
import { fillExt2, formatExt2 } from '../../../src/initrd/ext2.ts';
import { output } from '../../../src/platform/process.ts';

const FLAGS = '-m32 -march=i386 -std=gnu11 -Os -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-pie'
  .concat(' -fno-tree-loop-distribute-patterns -fno-stack-protector -fcf-protection=none -mno-mmx -mno-sse')
  .concat(' -fno-asynchronous-unwind-tables -fno-unwind-tables -fomit-frame-pointer -Wa,-mx86-used-note=no')
  .concat(' -nostdlib -static -no-pie -Wl,-m,elf_i386 -Wl,--build-id=none -Wl,-z,noexecstack');

const OWN = ['probe.S', 'init.c'].map((name) => join(import.meta.dirname, name));
const INIT = ['start.S', 'text.c', 'memory.c', 'console.c'].map((name) => join('src/initrd/init', name));

/** A file system image in `directory` whose init calls every system call; what it prints is told in init.c. */
export async function registersImage(directory: string): Promise<string> {
  const program = join(directory, 'registers');
  await output('gcc', [...FLAGS.split(' '), '-o', program, ...INIT, ...OWN]);
  const image = join(directory, 'registers.img');
  await formatExt2(image, { sizeKiB: 512, inodes: 64 }, { epoch: 0 });
  await fillExt2(image, builtinKit(program), { epoch: 0 });
  return image;
}
