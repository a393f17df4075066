import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { freshDirectory } from '../support/kiln.ts';

const INITTAB =
  'id:5:initdefault:\nl3:3:wait:/etc/rc.d/rc 3\nl5:5:wait:/etc/rc.d/rc 5\nca::ctrlaltdel:/sbin/shutdown -t3 -r now\n';
const GRUB = `default=0
title Red Hat Linux (2.4.18-10)
\troot (hd0,0)
\tkernel /vmlinuz-2.4.18-10 ro root=/dev/hda2
`;
const DHCPD = `default-lease-time 21600;
subnet 192.168.0.0 netmask 255.255.255.0 {
  range 192.168.0.1 192.168.0.253;
  filename "/lts/vmlinuz-2.4.18-ltsp";
  host printer { hardware ethernet 00:11:22:33:44:55; filename "/printer"; }
}
`;

/** The parts of a server of K12LTSP's age that the how-tos touch. */
export const SERVER: Readonly<Record<string, string>> = {
  'etc/fstab': '/dev/hda2 / ext3 defaults 1 1\n/dev/hda1 /boot ext3 defaults 1 2\n',
  'etc/inittab': INITTAB,
  'etc/hosts': '127.0.0.1 localhost\n192.168.0.254 server\n',
  'etc/dhcpd.conf': DHCPD,
  'etc/rc.d/init.d/openmosix': '#!/bin/sh\n# openmosix\n',
  'boot/grub/grub.conf': GRUB,
  'bin/mosrun': 'mosrun',
  'bin/mosmon': 'mosmon',
  'bin/mosctl': 'mosctl',
  'bin/migrate': 'migrate',
  'bin/touch': 'touch',
  'sbin/setpe': 'setpe',
  'opt/ltsp/i386/etc/fstab': '/dev/ram0 / ext2 defaults 0 0',
  'opt/ltsp/i386/etc/hosts': '127.0.0.1 localhost ws\n',
  'opt/ltsp/i386/etc/rc.local': '#!/bin/sh\nPATH=/bin:/sbin\necho up\nexit 0\n',
  'opt/ltsp/i386/bin/touch': 'an older touch',
  'tftpboot/lts/vmlinuz-2.4.18-ltsp': 'the kernel of before',
};

/** A made-up server, with files put in or (undefined) left out. */
export function madeUpRoot(changes: Readonly<Record<string, string | undefined>> = {}): string {
  const root = freshDirectory('server');
  for (const [path, text] of Object.entries({ ...SERVER, ...changes })) {
    if (text === undefined) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const path of ['bin/mosrun', 'sbin/setpe', 'opt/ltsp/i386/etc/rc.local']) {
    if ({ ...SERVER, ...changes }[path] !== undefined) chmodSync(join(root, path), 0o755);
  }
  symlinkSync('vmlinuz-2.4.18-ltsp', join(root, 'tftpboot/lts/vmlinuz-openmosix'));
  return root;
}

/** Everything below a directory: by path its mode and content. */
export function picture(root: string, below = ''): Record<string, string> {
  const all: Record<string, string> = {};
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = join(below, name);
    const stats = lstatSync(join(root, path));
    const mode = (stats.mode & 0o7777).toString(8);
    if (stats.isSymbolicLink()) all[path] = `-> ${readlinkSync(join(root, path))}`;
    else if (stats.isDirectory()) Object.assign(all, { [path]: `${mode} /` }, picture(root, path));
    else all[path] = `${mode} ${readFileSync(join(root, path), 'latin1')}`;
  }
  return all;
}
