import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredBundle } from '../bundle/index.ts';
import { CLAIM } from '../publish/index.ts';
import type { Block } from './blocks.ts';
import { dhcpdBlocks } from './dhcpd.ts';
import {
  grub2Entry,
  grubEntry,
  inittabBlocks,
  type LoaderConfig,
  liloEntry,
  rootCmdline,
  type ServerKernel,
} from './loader.ts';
import type { ServerRoot } from './root.ts';
import type { LtspSettings } from './settings.ts';
import { ltsConfBlocks } from './slow.ts';
import { dhcpdInclude, exportsLine, mfsLine, mosixMap, PLAIN_LINK, rcLocalBlock, USERLAND } from './texts.ts';

/** Something that shall be below the root. */
export type Wanted = {
  readonly path: string;
  /** What it is for, in a few words. */
  readonly what: string;
} & (
  | {
      readonly kind: 'file';
      readonly bytes: Buffer;
      readonly mode: number;
      /** It takes the place of whatever file is there, as the how-tos have it. */
      readonly replaces: boolean;
    }
  | { readonly kind: 'blocks'; readonly blocks: readonly Block[] }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'directory' }
  /** `path` is `<root>/lib/modules/<release>`. */
  | { readonly kind: 'modules'; readonly bundle: StoredBundle; readonly below: string }
);

/** What shall be, and what is left to a person. */
export interface Wish {
  readonly wanted: readonly Wanted[];
  readonly notes: readonly string[];
}

type Part = (root: ServerRoot, settings: LtspSettings, notes: string[]) => Promise<Wanted[]>;

/** Everything that the settings ask for below a root; reads and writes nothing but what it has to know. */
export async function wish(root: ServerRoot, settings: LtspSettings): Promise<Wish> {
  const notes: string[] = [];
  const parts: Part[] = [
    nodesKernel,
    slowNodes,
    settings.dhcpd ? dhcp : nothing,
    settings.exports ? nfsExports : nothing,
    map,
    mfs,
    startup,
    userland,
    inittab,
    serverKernel,
    settings.loader ? bootLoader : nothing,
  ];
  const wanted: Wanted[] = [];
  for (const part of parts) wanted.push(...(await part(root, settings, notes)));
  return { wanted, notes };
}

async function nothing(): Promise<Wanted[]> {
  return [];
}

/** K12LTSP's steps 29, 36 and 37. */
async function nodesKernel(_root: ServerRoot, settings: LtspSettings): Promise<Wanted[]> {
  return settings.nodes === undefined ? [] : bootedKernel(settings.nodes, settings.link, settings);
}

/** A kernel that nodes boot, by a name that stays. */
async function bootedKernel(
  nodes: StoredBundle,
  link: string,
  { nfsRoot, tftpRoot }: LtspSettings,
): Promise<Wanted[]> {
  const { release, files, id } = nodes.manifest;
  const image = files['vmlinuz.nbi'] === undefined ? 'vmlinuz' : 'vmlinuz.nbi';
  const name = `vmlinuz-${release}`;
  return [
    ...modulesOf(nodes, nfsRoot),
    {
      kind: 'file',
      path: `${tftpRoot}/lts/${name}`,
      what: `the nodes' kernel (${image} of ${id})`,
      bytes: await readFile(join(nodes.directory, image)),
      mode: 0o644,
      replaces: false,
    },
    { kind: 'link', path: `${tftpRoot}/lts/${link}`, what: 'the name that dhcpd.conf has', target: name },
  ];
}

function modulesOf(bundle: StoredBundle, below: string): Wanted[] {
  if (bundle.manifest.files['modules.tar.gz'] === undefined) return [];
  const path = join(below, 'lib/modules', bundle.manifest.release);
  const claim = {
    path: join(path, CLAIM),
    what: 'kiln gc leaves them to these nodes',
    bytes: Buffer.from('kiln ltsp install has put a kernel in place that needs these modules.\n'),
    mode: 0o644,
    replaces: true,
  };
  return [
    { kind: 'modules', path, below, bundle, what: `modules of ${bundle.manifest.id}` },
    { kind: 'file', ...claim },
  ];
}

/** What MOSIX=N of the Linux Journal's lts.conf is for: nodes that stay out of the cluster, and their kernel. */
async function slowNodes(root: ServerRoot, settings: LtspSettings): Promise<Wanted[]> {
  const { slow, plain, nfsRoot } = settings;
  if (slow.length === 0) return [];
  const path = `${nfsRoot}/etc/lts.conf`;
  const blocks = ltsConfBlocks((await root.text(path)) ?? '', slow, path);
  return [
    ...(plain === undefined ? [] : await bootedKernel(plain, PLAIN_LINK, settings)),
    { kind: 'blocks', path, blocks, what: 'slow nodes stay out of the cluster' },
  ];
}

const INCLUDE = 'dhcpd.kiln.conf';

/** K12LTSP's steps 38 to 43, or what a Microsoft DHCP server has to be told. */
async function dhcp(root: ServerRoot, settings: LtspSettings, notes: string[]): Promise<Wanted[]> {
  const { network, nfsRoot, link } = settings;
  const slow = settings.plain === undefined ? [] : settings.slow;
  if (settings.microsoftDhcp) {
    notes.push(
      `scope options on the Microsoft DHCP server: 017 Root Path "${network.address}:/${nfsRoot}/", 066 Boot Server "${network.address}", 067 Bootfile "/lts/${link}"`,
    );
    for (const mac of slow)
      notes.push(`reservation of ${mac} on the Microsoft DHCP server: 067 Bootfile "/lts/${PLAIN_LINK}"`);
    // It ends the root path with a NUL, which nodes take for a directory of three digits.
    return [
      { kind: 'link', path: `${nfsRoot}/000`, target: `/${nfsRoot}`, what: 'the root path with its NUL' },
    ];
  }
  const config = await root.firstFile(['etc/dhcpd.conf', 'etc/dhcp/dhcpd.conf', 'etc/dhcp3/dhcpd.conf']);
  const path = config?.replace(/dhcpd\.conf$/, INCLUDE) ?? `etc/${INCLUDE}`;
  const text = config === undefined ? '' : ((await root.text(config)) ?? '');
  const known = slow.filter((mac) => text.toLowerCase().includes(mac));
  for (const mac of known)
    notes.push(`${config} has ${mac} already: put into that host: filename "/lts/${PLAIN_LINK}";`);
  const include: Wanted = {
    kind: 'file',
    path,
    what: 'what dhcpd tells the nodes',
    bytes: Buffer.from(
      dhcpdInclude(
        settings,
        slow.filter((mac) => !known.includes(mac)),
      ),
    ),
    mode: 0o644,
    replaces: false,
  };
  if (config === undefined) {
    notes.push(`there is no dhcpd.conf: write one with the subnet of the nodes, and: include "/${path}";`);
    return [include];
  }
  notes.push('restart dhcpd: service dhcpd restart');
  const blocks = dhcpdBlocks(text, `/${path}`, config);
  return [include, { kind: 'blocks', path: config, blocks, what: `includes /${path}` }];
}

/** PCQuest's line of exports. */
async function nfsExports(_root: ServerRoot, settings: LtspSettings, notes: string[]): Promise<Wanted[]> {
  notes.push('tell the NFS server: exportfs -ra');
  const blocks: Block[] = [{ name: 'exports', lines: [exportsLine(settings)], place: { at: 'end' } }];
  return [{ kind: 'blocks', path: 'etc/exports', blocks, what: 'nodes may mount their root' }];
}

/** K12LTSP's steps 45 to 49. */
async function map(_root: ServerRoot, settings: LtspSettings): Promise<Wanted[]> {
  if (settings.cluster === 'none' || !settings.map) return [];
  const bytes = Buffer.from(mosixMap(settings.network));
  return ['etc', `${settings.nfsRoot}/etc`].map((directory) => ({
    kind: 'file',
    path: `${directory}/mosix.map`,
    what: 'who the nodes are; both copies are equal',
    bytes,
    mode: 0o644,
    replaces: false,
  }));
}

/** K12LTSP's steps 60 to 69. */
async function mfs(_root: ServerRoot, settings: LtspSettings): Promise<Wanted[]> {
  const { cluster, mfs: wants, nfsRoot } = settings;
  if (cluster !== 'openmosix' || !wants) return [];
  const blocks: Block[] = [{ name: 'fstab', lines: [mfsLine(settings)], place: { at: 'end' } }];
  return ['', `${nfsRoot}/`].flatMap((top): Wanted[] => [
    { kind: 'directory', path: `${top}mfs`, what: 'where MFS is mounted' },
    { kind: 'blocks', path: `${top}etc/fstab`, blocks, what: 'MFS' },
  ]);
}

/** K12LTSP's steps 70 to 72; MOSIX's line for rc.local. */
async function startup(_root: ServerRoot, settings: LtspSettings): Promise<Wanted[]> {
  if (settings.cluster === 'none') return [];
  const path = `${settings.nfsRoot}/etc/rc.local`;
  return [{ kind: 'blocks', path, blocks: [rcLocalBlock(settings)], what: 'nodes join the cluster' }];
}

/** K12LTSP's steps 50 to 59. */
async function userland(root: ServerRoot, settings: LtspSettings, notes: string[]): Promise<Wanted[]> {
  const wanted: Wanted[] = [];
  for (const { from, to } of USERLAND[settings.cluster]) {
    const source = await root.firstFile(from);
    const found = source === undefined ? undefined : await root.look(source);
    if (found?.kind !== 'file') {
      notes.push(`the server has no ${from.join(' or ')}: nodes get no ${to}`);
      continue;
    }
    wanted.push({
      kind: 'file',
      path: `${settings.nfsRoot}/${to}`,
      what: `the server's ${source}`,
      bytes: found.bytes,
      mode: found.stats.mode & 0o777,
      replaces: true,
    });
  }
  return wanted;
}

/** PCQuest's line of inittab. */
async function inittab(root: ServerRoot, { mosrun }: LtspSettings, notes: string[]): Promise<Wanted[]> {
  if (mosrun === undefined) return [];
  const path = 'etc/inittab';
  if ((await root.look('bin/mosrun')).kind !== 'file') {
    notes.push('the server has no bin/mosrun: its inittab is left alone, or it would start nothing any more');
    return [];
  }
  const blocks = inittabBlocks((await root.text(path)) ?? '', mosrun, path);
  return [{ kind: 'blocks', path, blocks, what: 'services under mosrun' }];
}

/** What `make install` and `make modules_install` put on the server. */
async function serverKernel(_root: ServerRoot, { server, link }: LtspSettings): Promise<Wanted[]> {
  if (server === undefined) return [];
  const { release } = server.manifest;
  const files = await Promise.all(
    ['vmlinuz', 'System.map', 'config'].map(
      async (name): Promise<Wanted> => ({
        kind: 'file',
        path: `boot/${name}-${release}`,
        what: `the server's kernel (${server.manifest.id})`,
        bytes: await readFile(join(server.directory, name)),
        mode: 0o644,
        replaces: false,
      }),
    ),
  );
  // openMosix' RPM has that link too: LILO's configuration may name it.
  const target = `vmlinuz-${release}`;
  const linked: Wanted = {
    kind: 'link',
    path: `boot/${link}`,
    what: 'the same by a name that stays',
    target,
  };
  return [...modulesOf(server, ''), ...files, linked];
}

async function bootLoader(root: ServerRoot, settings: LtspSettings, notes: string[]): Promise<Wanted[]> {
  const { server } = settings;
  if (server === undefined) return [];
  const cmdline = settings.serverCmdline ?? rootCmdline((await root.text('etc/fstab')) ?? '');
  const entry = await loaderEntry(root, { release: server.manifest.release, cmdline });
  if (entry === undefined) {
    notes.push(
      'no configuration of GRUB or LILO is there: the boot loader has to be told of the kernel by hand',
    );
    return [];
  }
  notes.push(entry.note);
  return [{ kind: 'blocks', path: entry.path, blocks: [entry.block], what: 'an entry for the kernel' }];
}

async function loaderEntry(root: ServerRoot, kernel: ServerKernel): Promise<LoaderConfig | undefined> {
  const path = await root.firstFile([
    'boot/grub/grub.conf',
    'boot/grub/menu.lst',
    'etc/lilo.conf',
    'boot/grub/grub.cfg',
  ]);
  switch (path) {
    case undefined:
      return undefined;
    case 'etc/lilo.conf':
      return liloEntry(path, kernel);
    case 'boot/grub/grub.cfg':
      return grub2Entry('boot/grub/custom.cfg', kernel);
    default:
      return grubEntry((await root.text(path)) ?? '', path, kernel);
  }
}
