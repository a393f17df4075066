import type { Block } from './blocks.ts';
import type { LtspSettings, ServerNetwork } from './settings.ts';

/**
 * Pure: /etc/mosix.map, `NODE ADDRESS COUNT` a line (man mosix.map): the server is node 1, the other addresses of its
 * network are the nodes from 2 on.
 */
export function mosixMap(network: ServerNetwork): string {
  const [own, first, last] = [
    number(network.address),
    number(network.network) + 1,
    number(network.broadcast) - 1,
  ];
  const below = own - first;
  const above = last - own;
  return [
    `1 ${network.address} 1`,
    ...(below > 0 ? [`2 ${quad(first)} ${below}`] : []),
    ...(above > 0 ? [`${2 + below} ${quad(own + 1)} ${above}`] : []),
    '',
  ].join('\n');
}

/** The symlink to the kernel of slow nodes. */
export const PLAIN_LINK = 'vmlinuz-plain';

/**
 * Pure: what dhcpd is to tell the nodes, for an include.
 * @param slow Ethernet addresses of nodes that boot the kernel without openMosix
 */
export function dhcpdInclude(settings: LtspSettings, slow: readonly string[]): string {
  const { network, link, nfsRoot, hostPrefix, nodeOptions } = settings;
  return `# Written by kiln ltsp install: what the nodes boot, what they are called, and what they mount.
filename "/lts/${link}";
next-server ${network.address};
option root-path "${network.address}:/${nfsRoot}";

# The last number of a node's address, in three digits: each has a name of its own.
option host-name = concat("${hostPrefix}", suffix( concat("00", binary-to-ascii( 10, 8, "", suffix(leased-address,1))),3));
${nodeOptions === undefined ? '' : etherbootOptions(nodeOptions)}${slow.map(slowHost).join('')}`;
}

function slowHost(mac: string): string {
  return `
host slow-${mac.replaceAll(':', '')} { hardware ethernet ${mac}; filename "/lts/${PLAIN_LINK}"; }
`;
}

/** Etherboot reads option 129 where option 128 has its magic number. */
function etherbootOptions(text: string): string {
  return `
option option-128 code 128 = string;
option option-129 code 129 = text;
option option-128 e4:45:74:68:00:00;
option option-129 "${text}";
`;
}

/** Pure: the line of fstab that mounts MFS. */
export function mfsLine({ mfsOptions }: LtspSettings): string {
  return `none /mfs mfs ${mfsOptions} 0 0`;
}

/** Pure: the line of exports(5) by which nodes may mount their root. */
export function exportsLine({ nfsRoot, network }: LtspSettings): string {
  return `/${nfsRoot} ${network.network}/${network.netmask}(ro,no_root_squash,sync)`;
}

/** Pure: what the nodes' rc.local does, by the cluster's kind. */
export function rcLocalBlock(settings: LtspSettings): Block {
  if (settings.cluster === 'mosix') {
    return {
      name: 'rc.local',
      lines: ["# The node's own processes (its X server) stay at home.", 'echo 1 > /proc/mosix/admin/stay'],
      place: { at: 'after', line: /^\s*(export\s+)?PATH=/ },
    };
  }
  return {
    name: 'rc.local',
    lines: [
      '# Not where the kernel has no openMosix, nor where lts.conf says MOSIX = N.',
      'if [ -d /proc/hpc ] && [ "`get_cfg MOSIX Y 2>/dev/null`" != N ]; then',
      '# openMosix startup section',
      'echo 1 > /proc/hpc/admin/lstay',
      '/etc/rc.openmosix start',
      ...(settings.mfs ? ['mount /mfs'] : []),
      '# End openMosix startup section',
      'fi',
    ],
    place: { at: 'end' },
  };
}

/** A file that nodes need of the server: where it may be there, and where it goes below their root. */
export interface Copied {
  readonly from: readonly string[];
  readonly to: string;
}

/** What the how-tos copy for the nodes. */
export const USERLAND: Readonly<Record<LtspSettings['cluster'], readonly Copied[]>> = {
  openmosix: [
    { from: ['sbin/setpe', 'usr/sbin/setpe'], to: 'sbin/setpe' },
    ...['mosrun', 'mosmon', 'mosctl', 'migrate', 'touch'].map((name) => ({
      from: [`bin/${name}`, `usr/bin/${name}`],
      to: `bin/${name}`,
    })),
    { from: ['etc/hosts'], to: 'etc/hosts' },
    { from: ['etc/rc.d/init.d/openmosix', 'etc/init.d/openmosix'], to: 'etc/rc.openmosix' },
  ],
  mosix: [
    { from: ['sbin/setpe', 'usr/sbin/setpe'], to: 'sbin/setpe' },
    ...['mosrun', 'mosctl', 'mon', 'migrate'].map((name) => ({
      from: [`bin/${name}`, `usr/bin/${name}`],
      to: `bin/${name}`,
    })),
    { from: ['etc/hosts'], to: 'etc/hosts' },
    { from: ['etc/rc.d/init.d/mosix', 'etc/init.d/mosix'], to: 'etc/rc.mosix' },
  ],
  none: [],
};

function number(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function quad(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
