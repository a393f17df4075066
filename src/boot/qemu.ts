import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { baseEnvironment, output } from '../platform/process.ts';
import { CAPTURE_PACKET_BYTES } from './capture.ts';
import type { Nic } from './nics.ts';

export type Accelerator = 'tcg' | 'kvm';

/**
 * How the node gets at its boot file:
 * - `pxe`: the boot ROM of its network card, as a real node's;
 * - `ipxe`: the card has no ROM in QEMU, so QEMU starts iPXE (Debian's package ipxe) as a kernel, and that
 *   asks DHCP and TFTP as a ROM would;
 * - `kernel`: neither is there, so QEMU loads the kernel and initrd that the boot script names; TFTP is not shown.
 */
export type Loader =
  | { readonly kind: 'pxe' }
  | { readonly kind: 'ipxe'; readonly image: string }
  | { readonly kind: 'kernel'; readonly kernel: string; readonly initrd: string; readonly cmdline: string };

export interface Machine {
  readonly accelerator: Accelerator;
  readonly memoryMiB: number;
  readonly nic: Nic;
  readonly loader: Loader;
  readonly tftpRoot: string;
  readonly bootFile: string;
  /** An interface of the host that the node's card is plugged into, instead of QEMU's own network. */
  readonly tap?: string;
  /** File that the serial console is written to, byte for byte. */
  readonly console: string;
  /** Where the packets that the node exchanges are written to. */
  readonly capture: string;
}

/** Either emulates a PC that runs i386 kernels. */
const QEMU_PROGRAMS = ['qemu-system-i386', 'qemu-system-x86_64'];

const IPXE_IMAGES = ['/usr/lib/ipxe/ipxe.lkrn', '/boot/ipxe.lkrn'];

/** The QEMU that boots i386, with its version; undefined where none is installed. */
export async function findQemu(): Promise<{ readonly path: string; readonly version: string } | undefined> {
  for (const name of QEMU_PROGRAMS) {
    const path = await findProgram(name);
    if (path === undefined) continue;
    const words = await output(path, ['--version']);
    return { path, version: /version (\S+)/.exec(words)?.[1] ?? 'unknown' };
  }
  return undefined;
}

/** iPXE as a kernel image, with drivers for every card; undefined where the package is not installed. */
export async function findIpxe(): Promise<string | undefined> {
  for (const path of IPXE_IMAGES) if (await allows(path, constants.R_OK)) return path;
  return undefined;
}

/** True when this user may use KVM; whether a guest comes up under it is another question. */
export function hasKvm(): Promise<boolean> {
  return allows('/dev/kvm', constants.R_OK | constants.W_OK);
}

/** Path of a program on the PATH, or where servers are (which a user's PATH may not have); or undefined. */
export async function findProgram(name: string): Promise<string | undefined> {
  const { PATH = '' } = baseEnvironment();
  for (const directory of [...PATH.split(':'), '/usr/sbin', '/sbin']) {
    const path = join(directory, name);
    if (await allows(path, constants.X_OK)) return path;
  }
  return undefined;
}

async function allows(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

/**
 * QEMU's arguments for a diskless PC: on a network of QEMU's own, DHCP and TFTP by QEMU and nothing beyond
 * (restrict=on), or on the tap interface given; the console in a file, no reboot.
 *
 * A file, because QEMU drops what a slow reader of its standard output does not take in time: Node reads
 * through a socket, and a few hundred one-byte writes fill one.
 */
export function qemuArguments(machine: Machine): string[] {
  const { nic, loader } = machine;
  return [
    // graphics=off makes the BIOS and the boot ROM speak on the serial line as well.
    ...['-machine', 'pc,graphics=off', '-accel', machine.accelerator, '-m', String(machine.memoryMiB)],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-monitor', 'none'],
    ...['-chardev', `file,id=console,path=${escapeComma(machine.console)}`, '-serial', 'chardev:console'],
    ...['-boot', 'order=n,strict=on'],
    ...['-netdev', networkArgument(machine).join(','), '-device', `${nic.device},netdev=net`],
    '-object',
    `filter-dump,id=capture,netdev=net,maxlen=${CAPTURE_PACKET_BYTES},file=${escapeComma(machine.capture)}`,
    ...loaderArguments(loader),
  ];
}

function networkArgument({ tap, tftpRoot, bootFile }: Machine): string[] {
  if (tap !== undefined) return ['tap', 'id=net', `ifname=${tap}`, 'script=no', 'downscript=no'];
  return [
    'user',
    'id=net',
    'restrict=on',
    `tftp=${escapeComma(tftpRoot)}`,
    `bootfile=${escapeComma(bootFile)}`,
  ];
}

function loaderArguments(loader: Loader): string[] {
  switch (loader.kind) {
    case 'pxe':
      return [];
    case 'ipxe':
      return ['-kernel', loader.image];
    case 'kernel':
      return ['-kernel', loader.kernel, '-initrd', loader.initrd, '-append', loader.cmdline];
  }
}

/** QEMU ends an option's value at a comma; two stand for one. */
function escapeComma(value: string): string {
  return value.replaceAll(',', ',,');
}
