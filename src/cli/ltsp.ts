import { type Command, InvalidArgumentError, Option } from 'commander';
import { findBundle, type StoredBundle } from '../bundle/index.ts';
import { type Cluster, install, type LtspReport, type LtspSettings, undo } from '../ltsp/index.ts';
import { KilnError } from '../platform/errors.ts';
import { parseMac } from '../publish/index.ts';
import { networkOf, ownNetwork } from '../server/examples.ts';
import { contextOf } from './context.ts';
import { note, print, printJson, table } from './output.ts';

interface Options {
  readonly root: string;
  readonly dryRun?: true;
  readonly apply?: true;
  readonly undo?: true;
  readonly nodes?: string;
  readonly server?: string;
  readonly slow?: readonly string[];
  readonly plain?: string;
  readonly network?: ReturnType<typeof networkOf>;
  readonly cluster: Cluster;
  readonly nfsRoot: string;
  readonly tftpRoot: string;
  readonly link?: string;
  readonly hostPrefix: string;
  readonly nodeOptions?: string;
  readonly map: boolean;
  readonly mfs: boolean;
  readonly mfsOptions: string;
  readonly exports?: true;
  readonly dhcpd: boolean;
  readonly microsoftDhcp?: true;
  readonly mosrun?: string | true;
  readonly loader: boolean;
  readonly serverCmdline?: string;
  readonly replace?: readonly string[];
}

export function registerLtsp(program: Command): void {
  const ltsp = program.command('ltsp').description("what a server of LTSP's nodes needs besides kernels");
  const command = ltsp
    .command('install')
    .description(
      "write what LTSP's, MOSIX' and openMosix's how-tos have an operator write, below a server's root; can be undone",
    )
    .requiredOption('--root <DIR>', "the server's root: / on the server itself")
    .option('--dry-run', 'say what would be written')
    .option('--apply', 'write it')
    .option('--undo', 'bring back, byte for byte, what was there before the first --apply')
    .option(
      '--nodes <BUNDLE>',
      "place this bundle's kernel below the TFTP root, its modules below the NFS root",
    )
    .option('--server <BUNDLE>', "place this bundle's kernel and modules on the server, as make install does")
    .option(
      '--slow <MAC>',
      'a node that is too slow to be of use to the cluster: MOSIX = N in lts.conf; as often as wanted',
      collectMac,
    )
    .option('--plain <BUNDLE>', "slow nodes boot this bundle's kernel, which has no openMosix")
    .option(
      '--network <ADDRESS/PREFIX>',
      "the server's address in the network of its nodes (default: this machine's first)",
      networkOf,
    )
    .addOption(
      new Option('--cluster <KIND>', 'what the kernels migrate processes by')
        .choices(['openmosix', 'mosix', 'none'])
        .default('openmosix'),
    )
    .option('--nfs-root <PATH>', 'what nodes mount, below the root', relative, 'opt/ltsp/i386')
    .option('--tftp-root <PATH>', 'what the TFTP server serves, below the root', relative, 'tftpboot')
    .option('--link <NAME>', 'the symlink to the kernel that DHCP names (default: vmlinuz-CLUSTER)', word)
    .option('--host-prefix <WORD>', 'nodes are called WORD and three digits of their address', word, 'ws')
    .option('--node-options <TEXT>', 'DHCP option 129 for the kernels of nodes: NIC=ne IO=0x300', quotable)
    .option('--no-map', 'no mosix.map: nodes find each other')
    .option('--no-mfs', 'no /mfs: openMosix has none from 2.4.26 on')
    .option('--mfs-options <LIST>', "what fstab says of /mfs (Gentoo's: noauto,dfsa=1)", list, 'dfsa=1')
    .option('--exports', 'export what nodes mount to their network, in etc/exports')
    .option('--no-dhcpd', "leave dhcpd's configuration alone")
    .option('--microsoft-dhcp', "nodes ask Microsoft's DHCP server: the link for its root path with a NUL")
    .option(
      '--mosrun [FLAGS]',
      "run the server's runlevel 5 by mosrun in its inittab (default: -l; others as --mosrun=-h)",
    )
    .option('--no-loader', 'leave the boot loader alone')
    .option(
      '--server-cmdline <TEXT>',
      "the server kernel's command line (default: root= from its fstab)",
      quotable,
    )
    .option('--replace <PATH>', 'a file in the way that may be replaced (undo brings it back)', collect)
    .addHelpText(
      'after',
      `
Examples:
  kiln ltsp install --root / --nodes 2.4.18-om4-1f2e3d4c5b --network 192.168.0.254/24 --dry-run
  kiln ltsp install --root / --nodes 2.4.18-om4-1f2e3d4c5b --network 192.168.0.254/24 --apply
  kiln ltsp install --root / --undo
  kiln ltsp install --root /mnt/server --cluster mosix --nfs-root tftpboot/lts/ltsroot --dry-run
  kiln ltsp install --root / --nodes 2.4.22-om2-1f2e3d4c5b --slow 00:50:56:00:00:01 --plain 2.4.22-9b8a7c6d5e --apply
  kiln ltsp install --root / --microsoft-dhcp --nfs-root ltsp/i386 --apply

Kiln's lines in files of others stand between markers. What is in the way, and what was edited since, is refused before
anything is written. What was there before is in var/lib/kiln/ltsp below the root until --undo.`,
    )
    .action(async (options: Options) => {
      const { home, json } = await contextOf(command);
      const mode = modeOf(options);
      if (mode === 'undo') return report(await undo(options.root), 'done', json);
      const find = (reference: string | undefined) =>
        reference === undefined ? undefined : findBundle(home, reference);
      const settings = settingsOf(options, {
        nodes: await find(options.nodes),
        server: await find(options.server),
        plain: await find(options.plain),
      });
      report(await install(options.root, home, settings, mode === 'apply'), mode, json);
    });
}

type Mode = 'dry-run' | 'apply' | 'undo';

function modeOf(options: Options): Mode {
  const given = [options.dryRun && 'dry-run', options.apply && 'apply', options.undo && 'undo'].filter(
    (mode) => mode !== undefined,
  );
  const [mode, ...others] = given as Mode[];
  if (mode !== undefined && others.length === 0) return mode;
  throw new KilnError('usage', 'say one of --dry-run, --apply and --undo', {
    hint: 'kiln ltsp install --root DIR --dry-run writes nothing',
  });
}

function settingsOf(
  options: Options,
  bundles: Readonly<Record<'nodes' | 'server' | 'plain', StoredBundle | undefined>>,
): LtspSettings {
  const { cluster, mosrun, slow = [] } = options;
  if (bundles.plain !== undefined && slow.length === 0) {
    throw new KilnError('usage', '--plain is for the nodes that --slow names, and it names none', {
      hint: '--slow 00:50:56:00:00:01, once for each node',
    });
  }
  const { nodes, plain } = bundles;
  if (plain !== undefined && plain.manifest.release === nodes?.manifest.release) {
    throw new KilnError('usage', `both kernels call themselves ${plain.manifest.release}`, {
      hint: 'their files and modules go by that name: give one of them another extraversion',
    });
  }
  return {
    ...bundles,
    slow,
    network: options.network ?? ownNetwork(),
    cluster,
    nfsRoot: options.nfsRoot,
    tftpRoot: options.tftpRoot,
    link: options.link ?? (cluster === 'none' ? 'vmlinuz-ltsp' : `vmlinuz-${cluster}`),
    hostPrefix: options.hostPrefix,
    nodeOptions: options.nodeOptions,
    map: options.map,
    mfs: options.mfs,
    mfsOptions: options.mfsOptions,
    exports: options.exports === true,
    dhcpd: options.dhcpd,
    loader: options.loader,
    microsoftDhcp: options.microsoftDhcp === true,
    mosrun: mosrun === true ? '-l' : mosrun,
    serverCmdline: options.serverCmdline,
    replace: new Set(options.replace),
  };
}

function report({ root, changes, notes }: LtspReport, mode: Mode | 'done', json: boolean): void {
  if (json) {
    printJson({ root, mode: mode === 'done' ? 'undo' : mode, changes, notes });
    return;
  }
  const done = changes.filter(({ action }) => action !== 'none');
  const rows = done.map(({ action, path, what }) => [action, path, what]);
  if (rows.length > 0) print(table(['ACTION', 'PATH', 'WHAT'], rows));
  else print(mode === 'done' ? 'nothing to undo' : 'everything is in place');
  for (const { path, lines } of mode === 'dry-run' ? done : []) {
    if (lines.length > 0) print(`\n${path}:\n${lines.map((line) => `  + ${line}`).join('\n')}`);
  }
  for (const sentence of notes) note(`note: ${sentence}`);
}

function relative(text: string): string {
  const path = text.replace(/^\/+|\/+$/g, '');
  if (
    path !== '' &&
    path.split('/').every((part) => /^[\w.+@-]+$/.test(part) && part !== '..' && part !== '.')
  ) {
    return path;
  }
  throw new InvalidArgumentError('expected a path below the root, e.g. opt/ltsp/i386');
}

function list(text: string): string {
  if (/^[\w.=+-]+(,[\w.=+-]+)*$/.test(text)) return text;
  throw new InvalidArgumentError('expected options with commas between them, e.g. noauto,dfsa=1');
}

function word(text: string): string {
  if (/^[\w][\w.+-]*$/.test(text)) return text;
  throw new InvalidArgumentError('expected letters, digits, ".", "_", "+" and "-"');
}

/** Goes between quotation marks in other programs' files. */
function quotable(text: string): string {
  if (/^[^"\\\n]*$/.test(text)) return text;
  throw new InvalidArgumentError('expected one line without quotation marks and backslashes');
}

function collectMac(value: string, before: readonly string[] | undefined): string[] {
  const mac = parseMac(value).replaceAll('-', ':');
  return [...new Set([...(before ?? []), mac])];
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value.replace(/^\/+/, '')];
}
