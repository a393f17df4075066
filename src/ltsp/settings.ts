import type { StoredBundle } from '../bundle/index.ts';

/** What the nodes' kernels migrate processes by. */
export type Cluster = 'openmosix' | 'mosix' | 'none';

/** The server in the network of its nodes; addresses as dotted quads. */
export interface ServerNetwork {
  readonly address: string;
  readonly netmask: string;
  readonly network: string;
  readonly broadcast: string;
}

/** What `kiln ltsp install` is to put below a server's root; paths are relative to that root. */
export interface LtspSettings {
  readonly network: ServerNetwork;
  readonly cluster: Cluster;
  /** The bundle that nodes boot, if one is to be placed. */
  readonly nodes: StoredBundle | undefined;
  /** Ethernet addresses, as `00:50:56:00:00:01`, of nodes that are too slow to be of use to the cluster. */
  readonly slow: readonly string[];
  /** The bundle without openMosix that slow nodes boot; undefined: they boot what all boot. */
  readonly plain: StoredBundle | undefined;
  /** The bundle that the server itself is to boot. */
  readonly server: StoredBundle | undefined;
  /** The root that nodes mount by NFS, e.g. `opt/ltsp/i386`. */
  readonly nfsRoot: string;
  /** What the TFTP server serves, e.g. `tftpboot`. */
  readonly tftpRoot: string;
  /** The symlink that dhcpd.conf names, e.g. `vmlinuz-openmosix`. */
  readonly link: string;
  /** Nodes are called this and the last number of their address in three digits: `ws` gives ws007. */
  readonly hostPrefix: string;
  /** DHCP option 129: parameters for the nodes' kernels, e.g. `NIC=ne IO=0x300`. */
  readonly nodeOptions: string | undefined;
  /** False: nodes find each other (omdiscd), and there is no map. */
  readonly map: boolean;
  /** Whether /mfs is mounted; openMosix has no MFS from 2.4.26 on. */
  readonly mfs: boolean;
  /** Options of MFS' line in fstab, e.g. `dfsa=1`. */
  readonly mfsOptions: string;
  /** Whether the server's NFS server is told to export the root of nodes. */
  readonly exports: boolean;
  /** Whether dhcpd's configuration is written. */
  readonly dhcpd: boolean;
  /** Whether the server's boot loader is told of its kernel. */
  readonly loader: boolean;
  /** Microsoft's DHCP server tells nodes their root, and not ISC's. */
  readonly microsoftDhcp: boolean;
  /** What mosrun is given in the server's inittab, e.g. `-l`; undefined: inittab stays as it is. */
  readonly mosrun: string | undefined;
  /** The command line of the server's kernel; undefined: root= from the server's fstab. */
  readonly serverCmdline: string | undefined;
  /** Files of others that may be replaced all the same. */
  readonly replace: ReadonlySet<string>;
}
