import { join } from 'node:path';
import { run } from '../platform/process.ts';
import { findProgram } from './qemu.ts';

export type TftpServer = 'dnsmasq' | 'tftpd-hpa';

/** A network of real servers for one node, in namespaces of its own. */
export interface Lan {
  readonly tftp: TftpServer;
  /** What is served by NFS, and named by DHCP's root-path. */
  readonly nfs?: LanNfs;
}

export interface LanNfs {
  readonly directory: string;
  /** 3 is nfs-ganesha's. 2 no server of Debian 12 speaks: for Linux 2.2, which knows no other, it is Kiln's own. */
  readonly version: 2 | 3;
}

/** What DHCP tells the node besides its address, for the console to show again. */
export const LAN_HOST_NAME = 'kiln-node';
export const LAN_ARGUMENTS = 'kiln.gate=129';
export const LAN_SERVER = '10.99.0.1';
export const LAN_INTERFACE = 'tap0';

/** What `lan.sh` says before the node starts, or instead of it. */
export const LAN_NOT_SHOWN = /^lan: not shown: (.*)$/;

interface Server {
  readonly program: string;
  readonly package: string;
  readonly shows: string;
}

const DHCP: Server = { program: 'dnsmasq', package: 'dnsmasq-base', shows: 'DHCP by dnsmasq' };
const TFTP_HPA: Server = { program: 'in.tftpd', package: 'tftpd-hpa', shows: 'TFTP by tftpd-hpa' };
const NFS: readonly Server[] = [
  { program: 'rpcbind', package: 'rpcbind', shows: 'the NFS root' },
  { program: 'ganesha.nfsd', package: 'nfs-ganesha nfs-ganesha-vfs', shows: 'the NFS root' },
];

/** Namespaces whose first process takes all others with it when it ends, or when what started it does. */
async function namespaces(): Promise<string[]> {
  const user = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const unshare = (await findProgram('unshare')) ?? 'unshare';
  return [unshare, ...user, '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
}

/**
 * Why this machine can't show a node on such a network, in words that name the part that is not shown;
 * undefined when it can, as far as can be told before it is tried.
 */
export async function lanUnavailable(lan: Lan): Promise<string | undefined> {
  const servers = [
    DHCP,
    ...(lan.tftp === 'tftpd-hpa' ? [TFTP_HPA] : []),
    ...(lan.nfs?.version === 3 ? NFS : []),
    { program: 'ip', package: 'iproute2', shows: 'a network of its own' },
  ];
  for (const { program, package: name, shows } of servers) {
    if ((await findProgram(program)) === undefined) {
      return `${shows} is not shown: ${program} is not installed (Debian: ${name})`;
    }
  }
  if (lan.tftp === 'tftpd-hpa' && !(await isTftpdHpa())) {
    return `${TFTP_HPA.shows} is not shown: in.tftpd is another server's here (Debian's tftpd-hpa takes the place of atftpd)`;
  }
  const [command = '', ...args] = await namespaces();
  const result = await run(command, [...args, 'true']);
  if (result.exitCode === 0) return undefined;
  return `real servers are not shown: this user may not make namespaces (${result.tail.at(-1) ?? 'unshare failed'}); root may`;
}

/** Other servers bring a program of that name, which takes other options. */
async function isTftpdHpa(): Promise<boolean> {
  const result = await run((await findProgram(TFTP_HPA.program)) ?? TFTP_HPA.program, ['-V']);
  return result.tail.some((line) => line.startsWith('tftp-hpa '));
}

/** What a network's servers need to know of the boot. */
export interface LanBoot {
  readonly tftpRoot: string;
  readonly bootFile: string;
  /** Directory that the servers' logs go to. */
  readonly logs: string;
}

/** A command line that runs another one as the node of such a network; the servers are told by `lanEnvironment`. */
export async function lanCommand(): Promise<string[]> {
  return [...(await namespaces()), 'sh', join(import.meta.dirname, 'lan.sh')];
}

export function lanEnvironment(lan: Lan, boot: LanBoot): Record<string, string> {
  return {
    LAN_TFTP: lan.tftp,
    LAN_TFTP_ROOT: boot.tftpRoot,
    LAN_BOOT_FILE: boot.bootFile,
    LAN_LOGS: boot.logs,
    LAN_NFS_ROOT: lan.nfs?.directory ?? '',
    LAN_NFS_2: lan.nfs?.version === 2 ? join(import.meta.dirname, 'nfs2/main.ts') : '',
    LAN_NODE: process.execPath,
    LAN_ARGUMENTS,
    LAN_HOST_NAME,
  };
}
