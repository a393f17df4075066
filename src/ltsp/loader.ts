import { KilnError } from '../platform/errors.ts';
import type { Block } from './blocks.ts';

/** The server's kernel, as a boot loader is told of it. */
export interface ServerKernel {
  readonly release: string;
  readonly cmdline: string;
}

/** A boot loader's configuration, below the root. */
export interface LoaderConfig {
  readonly path: string;
  readonly block: Block;
  /** What is left to do by hand. */
  readonly note: string;
}

/**
 * Pure: the entry for GRUB (0.9x) in grub.conf or menu.lst. Where its kernels are is what the entries that are there
 * say; the new one comes last, and which is the default stays.
 * @throws KilnError `failed` for a file without an entry to go by
 */
export function grubEntry(text: string, path: string, kernel: ServerKernel): LoaderConfig {
  const root = /^\s*root\s+(\(\w+(?:,\w+)*\))\s*$/m.exec(text)?.[1];
  const directory = /^\s*kernel\s+(\/(?:[^\s/]+\/)*)[^\s/]+/m.exec(text)?.[1];
  if (root === undefined || directory === undefined) {
    throw new KilnError('failed', `${path} has no entry with a root and a kernel to go by`, {
      place: { file: path },
      hint: 'write an entry by hand, or leave the boot loader alone with --no-loader',
    });
  }
  return {
    path,
    block: {
      name: 'kernel',
      lines: [
        `title Linux ${kernel.release}`,
        `\troot ${root}`,
        `\tkernel ${directory}vmlinuz-${kernel.release} ${kernel.cmdline}`,
      ],
      place: { at: 'end' },
    },
    note: `the boot menu has "Linux ${kernel.release}" as its last entry; the default is as it was`,
  };
}

/** Pure: the entry for LILO in lilo.conf; labels have 15 characters at most. */
export function liloEntry(path: string, kernel: ServerKernel): LoaderConfig {
  return {
    path,
    block: {
      name: 'kernel',
      lines: [
        `image=/boot/vmlinuz-${kernel.release}`,
        `\tlabel=${kernel.release.slice(0, 15)}`,
        `\tappend="${kernel.cmdline}"`,
      ],
      place: { at: 'end' },
    },
    note: 'run lilo -v on the server: its map has to be written anew',
  };
}

/** Pure: the entry for GRUB 2 in custom.cfg, which its menu includes (41_custom). */
export function grub2Entry(path: string, kernel: ServerKernel): LoaderConfig {
  return {
    path,
    block: {
      name: 'kernel',
      lines: [
        `menuentry 'Linux ${kernel.release}' {`,
        '\tinsmod gzio',
        `\tsearch --no-floppy --set=root --file /boot/vmlinuz-${kernel.release}`,
        `\tlinux16 /boot/vmlinuz-${kernel.release} ${kernel.cmdline}`,
        '}',
      ],
      place: { at: 'end' },
    },
    note: `the boot menu has "Linux ${kernel.release}" besides; it assumes that /boot is no file system of its own`,
  };
}

/**
 * Pure: the command line that finds the server's root, by its fstab.
 * @throws KilnError `failed` where that names none by a device
 */
export function rootCmdline(fstab: string): string {
  const device = fstab
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([what, where]) => where === '/' && what?.startsWith('#') === false)?.[0];
  if (device === undefined || !device.startsWith('/dev/')) {
    throw new KilnError('failed', 'etc/fstab names no device for /', {
      place: { file: 'etc/fstab' },
      hint: 'say what the kernel of the server is to be told: --server-cmdline "root=/dev/hda2 ro"',
    });
  }
  return `root=${device} ro`;
}

/**
 * Pure: the lines of inittab that start runlevel 5, each run by mosrun.
 * @throws KilnError `failed` for an inittab that starts it in no way known
 */
export function inittabBlocks(text: string, mosrun: string, path: string): Block[] {
  const lines = text.split('\n');
  const starts = lines.filter((line) =>
    /^[^#:]+:[^:]*5[^:]*:wait:\/etc\/(?:init\.d|rc\.d)\/rc 5\s*$/.test(line),
  );
  const [only, ...others] = starts;
  if (only !== undefined && others.length === 0) {
    const changed = only.replace(/:wait:/, `:wait:/bin/mosrun ${mosrun} `);
    return [{ name: 'inittab', lines: [changed], place: { at: 'line', line: only } }];
  }
  if (starts.length === 0 && /^# kiln inittab begin/m.test(text)) {
    const was = /^# kiln was: (.*:wait:.*)$/m.exec(text)?.[1];
    if (was !== undefined) {
      const changed = was.replace(/:wait:/, `:wait:/bin/mosrun ${mosrun} `);
      return [{ name: 'inittab', lines: [changed], place: { at: 'end' } }];
    }
  }
  throw new KilnError(
    'failed',
    `${path} has ${starts.length} lines that start runlevel 5 by /etc/init.d/rc 5`,
    {
      place: { file: path },
      hint: 'change it by hand: /bin/mosrun -l before the command of the one that counts',
    },
  );
}
