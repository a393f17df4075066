import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import {
  type BootVerdict,
  bootBundle,
  type ExpectedLine,
  findNic,
  initIsUp,
  LAN_ARGUMENTS,
  LAN_HOST_NAME,
  LAN_SERVER,
  type Lan,
  type TftpServer,
} from '../boot/index.ts';
import type { Manifest, StoredBundle } from '../bundle/index.ts';
import { bootConfigs, compileInit } from '../initrd/index.ts';
import { exists, removeTree } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { linkTarget, placeBundle, servedDirectory } from '../publish/index.ts';
import { DEFAULT_NIC, patternOf } from './boot-options.ts';
import { workDirectory } from './cache.ts';
import { cardsOf } from './gates.ts';

/** How a node is booted, where it is not as the gate of a build does it: iPXE, QEMU's own DHCP and TFTP, no NFS. */
export interface BootChoices {
  /** QEMU's model of the network card; the bundle's own by default, the first of several. */
  readonly nic?: string;
  /** What the card's ROM loads: Kiln's iPXE script, or PXELINUX. */
  readonly loader?: 'ipxe' | 'pxelinux';
  /** A real TFTP server, and dnsmasq for DHCP, in namespaces of their own. */
  readonly tftp?: TftpServer;
  /** `nfs`: a root by NFS from a real server, with DHCP and TFTP by real ones as well. */
  readonly root?: 'nfs' | 'ram';
  /** Words for the end of the kernel's command line. */
  readonly append?: string;
}

export interface GateOptions {
  readonly home: Home;
  readonly consoleLog: string;
  readonly timeoutSeconds: number | undefined;
  readonly memoryMiB: number | undefined;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** TCG boots 2.4 in about 8 s through PXE on an idle machine; a busy one must not fail for that. */
const DEFAULT_TIMEOUT_SECONDS = 180;

/** Debian's packages pxelinux and syslinux-common: the program, and the library that it loads. */
const PXELINUX = {
  'pxelinux.0': '/usr/lib/PXELINUX/pxelinux.0',
  'ldlinux.c32': '/usr/lib/syslinux/modules/bios/ldlinux.c32',
} as const;

/**
 * The boot gate: a node in QEMU loads the bundle by PXE from a staging TFTP root in which the channel has
 * its future path already, so that what is proven is what nodes will ask for.
 * @param bundle files and manifest, stored or about to be
 */
export async function bootInStaging(
  bundle: StoredBundle,
  options: GateOptions,
  choices: BootChoices = {},
): Promise<BootVerdict> {
  const { manifest } = bundle;
  const nic = choices.nic ?? cardsOf(manifest)[0] ?? DEFAULT_NIC;
  const work = await workDirectory(options.home, `boot-${manifest.recipe}-${manifest.variant}`);
  const root = join(work, 'tftp');
  try {
    if (choices.loader === 'pxelinux' && !(await exists(PXELINUX['pxelinux.0']))) {
      const reason = 'PXELINUX is not shown: it is not installed (Debian: pxelinux syslinux-common)';
      return { status: 'skipped', reason };
    }
    await mkdir(root, { recursive: true });
    await placeBundle(root, bundle);
    await placeConfigs(root, manifest, [findNic(nic).cmdline, choices.append ?? '']);
    const link = join(root, manifest.channel);
    await mkdir(dirname(link), { recursive: true });
    await symlink(linkTarget(manifest.channel, manifest.id), link);
    if (choices.loader === 'pxelinux') await placePxelinux(root, manifest);
    const lan = await stageLan(work, manifest.release, choices);
    return await bootBundle({
      tftpRoot: root,
      bootFile: choices.loader === 'pxelinux' ? 'pxelinux.0' : `${manifest.channel}/boot.ipxe`,
      nic,
      ...(lan === undefined ? {} : { lan }),
      expect: [...expectedLines(manifest), ...lanLines(manifest, lan)],
      timeoutMs: 1000 * (options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS),
      ...(options.memoryMiB === undefined ? {} : { memoryMiB: options.memoryMiB }),
      consoleLog: options.consoleLog,
      onLine: options.onLine,
      signal: options.signal,
    });
  } finally {
    await removeTree(work);
  }
}

/**
 * The bundle's boot configurations as they are; but QEMU's ROMs are iPXE, so that a bundle without a script
 * for it gets one in the staging root alone, and so does a command line that needs more words.
 */
async function placeConfigs(root: string, manifest: Manifest, more: readonly string[]): Promise<void> {
  const words = more.filter((text) => text !== '');
  const configs = bootConfigs({
    id: manifest.id,
    files: { kernel: 'vmlinuz', initrd: 'initrd.gz' },
    cmdline: [manifest.boot.cmdline, ...words].join(' '),
    label: `${manifest.recipe}:${manifest.variant}`,
  });
  for (const [name, text] of Object.entries(configs)) {
    const path = join(servedDirectory(root, manifest.id), name);
    if (words.length === 0 && (await exists(path))) continue;
    // Not written to: it may be a hard link to the bundle's own.
    await rm(path, { force: true });
    await writeFile(path, text);
  }
}

/** PXELINUX as a site has it: at the root, its default configuration a link to the channel's. */
async function placePxelinux(root: string, manifest: Manifest): Promise<void> {
  for (const [name, source] of Object.entries(PXELINUX)) await copyFile(source, join(root, name));
  const directory = join(root, 'pxelinux.cfg');
  await mkdir(directory, { recursive: true });
  const target = relative(directory, join(root, manifest.channel, 'pxelinux.cfg'));
  await symlink(target, join(directory, 'default'));
}

/** The file by which Kiln's init knows a root that it is not to leave for another (init.c). */
const LAST_ROOT = 'etc/kiln.last-root';

/** The network of real servers that the choices ask for; its NFS root is one with Kiln's init, and no more. */
async function stageLan(work: string, release: string, choices: BootChoices): Promise<Lan | undefined> {
  if (choices.root !== 'nfs' && choices.tftp === undefined) return undefined;
  const tftp = choices.tftp ?? 'dnsmasq';
  if (choices.root !== 'nfs') return { tftp };
  const nfsRoot = join(work, 'nfs');
  for (const name of ['dev', 'etc', 'oldroot', 'proc', 'sbin']) {
    await mkdir(join(nfsRoot, name), { recursive: true });
  }
  await compileInit({ compiler: 'gcc', output: join(nfsRoot, 'sbin/init') });
  await writeFile(join(nfsRoot, LAST_ROOT), '');
  return { tftp, nfs: { directory: nfsRoot, version: release.startsWith('2.2.') ? 2 : 3 } };
}

function expectedLines(manifest: Manifest): ExpectedLine[] {
  if (manifest.boot.expect.length === 0) return [initIsUp(manifest.release)];
  return manifest.boot.expect.map((text) => {
    const pattern = patternOf(text);
    return pattern === undefined ? text : new RegExp(pattern);
  });
}

/** What Kiln's init says of what dnsmasq told it, and of the root that it has mounted. */
function lanLines(manifest: Manifest, lan: Lan | undefined): ExpectedLine[] {
  // A kit or kernel that says other things says nothing of these either.
  if (lan === undefined || manifest.boot.expect.length > 0) return [];
  const lines = [`kiln: DHCP says host name ${LAN_HOST_NAME}`, `kiln: DHCP says arguments ${LAN_ARGUMENTS}`];
  if (lan.nfs === undefined) return lines;
  return [
    ...lines,
    `kiln: root ${LAN_SERVER}:${lan.nfs.directory} mounted`,
    'kiln: handing over to /sbin/init',
    `kiln: this root is the last one: it has /${LAST_ROOT}`,
  ];
}
