/** What a host tool is needed for. `gate`: only for booting a bundle in QEMU. `optional`: Kiln works without. */
export type ToolNeed = 'build' | 'gate' | 'optional' | 'test';

export interface HostTool {
  readonly name: string;
  /** Debian's package. */
  readonly package: string;
  readonly need: ToolNeed;
  readonly purpose: string;
  /** Files that say that it is there where it is no command on the PATH. */
  readonly files?: readonly string[];
  /** Arguments that make it print its version. */
  readonly version?: readonly string[];
}

/** Every program that Kiln calls, with the package that brings it and what it is for. */
export const HOST_TOOLS: readonly HostTool[] = [
  { name: 'gcc', package: 'gcc', need: 'build', purpose: 'compiles kernels and the init of the initrd' },
  {
    name: 'ld',
    package: 'binutils',
    need: 'build',
    purpose: 'links and assembles kernels (with as, objcopy)',
  },
  { name: 'make', package: 'make', need: 'build', purpose: "runs the kernel's makefiles" },
  { name: 'bash', package: 'bash', need: 'build', purpose: "runs the kernel's configuration scripts" },
  { name: 'tar', package: 'tar', need: 'build', purpose: 'unpacks source trees' },
  { name: 'gzip', package: 'gzip', need: 'build', purpose: 'compresses the initrd' },
  {
    name: 'setpriv',
    package: 'util-linux',
    need: 'build',
    purpose: 'ends what Kiln started when Kiln is killed',
  },
  { name: 'bzip2', package: 'bzip2', need: 'build', purpose: 'decompresses .bz2 sources' },
  {
    name: 'xz',
    package: 'xz-utils',
    need: 'build',
    purpose: 'decompresses .xz sources',
    version: ['--version'],
  },
  {
    name: 'mke2fs',
    package: 'e2fsprogs',
    need: 'build',
    purpose: 'makes the file system of the initrd (with debugfs)',
    version: ['-V'],
  },
  {
    name: 'qemu-system-i386',
    package: 'qemu-system-x86',
    need: 'gate',
    purpose: 'boots a bundle before its channel flips',
  },
  {
    name: "QEMU's boot ROMs",
    package: 'ipxe-qemu',
    need: 'gate',
    purpose: 'PXE on the network cards that QEMU emulates',
    files: ['/usr/share/qemu/pxe-rtl8139.rom', '/usr/lib/ipxe/qemu/pxe-rtl8139.rom'],
  },
  {
    name: 'iPXE',
    package: 'ipxe',
    need: 'optional',
    purpose: 'PXE on cards for which QEMU has no boot ROM (tulip, ne2k_isa)',
    files: ['/usr/lib/ipxe/ipxe.lkrn'],
  },
  {
    name: 'ip',
    package: 'iproute2',
    need: 'optional',
    purpose: 'sets up the network of kiln boot --tftp and --root nfs',
    version: ['-V'],
  },
  {
    name: 'dnsmasq',
    package: 'dnsmasq-base',
    need: 'optional',
    purpose: 'DHCP and TFTP of kiln boot --tftp and --root nfs',
  },
  { name: 'in.tftpd', package: 'tftpd-hpa', need: 'optional', purpose: 'kiln boot --tftp tftpd-hpa' },
  {
    name: 'ganesha.nfsd',
    package: 'nfs-ganesha-vfs',
    need: 'optional',
    purpose: 'the NFS server of kiln boot --root nfs',
    version: ['-v'],
  },
  {
    name: 'rpcbind',
    package: 'rpcbind',
    need: 'optional',
    purpose: 'finds the NFS server of kiln boot --root nfs',
  },
  {
    name: 'git',
    package: 'git',
    need: 'optional',
    purpose: 'fetches sources that are tags or commits of a repository',
  },
  {
    name: 'bwrap',
    package: 'bubblewrap',
    need: 'optional',
    purpose: 'keeps the steps of a build from the machine',
  },
  {
    name: 'podman',
    package: 'podman',
    need: 'optional',
    purpose: 'runs the compilers of images (toolchain.container)',
  },
  { name: 'ccache', package: 'ccache', need: 'optional', purpose: 'compiles nothing twice' },
  {
    name: 'unshare',
    package: 'util-linux',
    need: 'optional',
    purpose: 'gives a build mounts of its own: variants share what is built',
  },
  { name: 'lbzip2', package: 'lbzip2', need: 'optional', purpose: 'decompresses .bz2 on every core' },
  ...['flex', 'bison', 'bc'].map(
    (name): HostTool => ({ name, package: name, need: 'optional', purpose: 'builds kernels from 2.6 on' }),
  ),
  { name: 'mtools', package: 'mtools', need: 'optional', purpose: 'makes floppy images (mformat, mcopy)' },
  { name: 'syslinux', package: 'syslinux', need: 'optional', purpose: 'makes floppy images boot' },
  { name: 'xorriso', package: 'xorriso', need: 'optional', purpose: 'makes CD images' },
  {
    name: 'ISOLINUX',
    package: 'isolinux',
    need: 'optional',
    purpose: 'makes CD images boot',
    files: ['/usr/lib/ISOLINUX/isolinux.bin'],
  },
  {
    name: 'PXELINUX',
    package: 'pxelinux',
    need: 'optional',
    purpose: 'what kiln pxelinux puts into the TFTP root, and kiln boot --loader pxelinux loads',
    files: ['/usr/lib/PXELINUX/pxelinux.0'],
  },
  {
    name: "SYSLINUX's modules",
    package: 'syslinux-common',
    need: 'optional',
    purpose: 'makes CD images boot, and serves PXELINUX',
    files: ['/usr/lib/syslinux/modules/bios/ldlinux.c32'],
  },
  {
    name: 'depmod',
    package: 'kmod',
    need: 'optional',
    purpose: 'indexes the modules of kernels from 2.6 on',
  },
  ...['as86', 'ld86'].map(
    (name): HostTool => ({
      name,
      package: 'bin86',
      need: 'optional',
      purpose: 'assembles the boot sector of kernels of 2.2',
      version: ['-v'],
    }),
  ),
  { name: 'gcc-11', package: 'gcc-11', need: 'test', purpose: 'the second compiler that tests build with' },
  { name: 'rpmbuild', package: 'rpm', need: 'test', purpose: 'makes source RPMs' },
  { name: 'patch', package: 'patch', need: 'test', purpose: 'what patch placement is compared with' },
  { name: 'cpio', package: 'cpio', need: 'test', purpose: 'reads cpio images' },
  { name: 'bsdtar', package: 'libarchive-tools', need: 'test', purpose: 'reads cpio images' },
  {
    name: 'wraplinux',
    package: 'wraplinux',
    need: 'test',
    purpose: 'what NBI images are compared with',
    files: ['/usr/bin/wraplinux'],
  },
  { name: 'genromfs', package: 'genromfs', need: 'test', purpose: 'what romfs images are compared with' },
  {
    name: 'mkfs.cramfs',
    package: 'util-linux',
    need: 'test',
    purpose: 'what cramfs images are compared with (with fsck.cramfs)',
    version: ['-V'],
  },
  {
    name: 'mkfs.xfs',
    package: 'xfsprogs',
    need: 'test',
    purpose: 'makes a file system that shares blocks',
    version: ['-V'],
  },
  { name: 'zstd', package: 'zstd', need: 'test', purpose: 'makes .zst sources' },
  { name: 'curl', package: 'curl', need: 'test', purpose: 'a TFTP client' },
  {
    name: 'kconfig-conf',
    package: 'kconfig-frontends',
    need: 'test',
    purpose: 'what configurations of 2.6 and later are compared with',
  },
  {
    name: 'redis-server',
    package: 'redis-server',
    need: 'test',
    purpose: 'what carries jobs to other machines',
  },
  ...['fish', 'zsh'].map(
    (name): HostTool => ({ name, package: name, need: 'test', purpose: 'a shell that completes commands' }),
  ),
  { name: 'chromium', package: 'chromium', need: 'test', purpose: 'looks at the page of kiln serve' },
  { name: 'groff', package: 'groff-base', need: 'test', purpose: 'shows the manual page' },
  { name: 'nginx', package: 'nginx-light', need: 'test', purpose: 'reads its example', version: ['-v'] },
  {
    name: 'dhcpd',
    package: 'isc-dhcp-server',
    need: 'test',
    purpose: 'reads its example',
    version: ['--version'],
  },
  { name: 'systemd-analyze', package: 'systemd', need: 'test', purpose: 'reads the example units' },
  { name: 'minisign', package: 'minisign', need: 'test', purpose: 'checks the signatures', version: ['-v'] },
];
