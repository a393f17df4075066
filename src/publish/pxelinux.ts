import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256 } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import { exists, readlinkIfAny } from '../platform/files.ts';
import { type FileSystem, makeDirectories, pointLink, replaceFile } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { requireToolsOf } from '../platform/hosttools.ts';
import { type ChangeOptions, changeKnown } from './change.ts';
import { unknownChannel } from './channels.ts';
import { assertPlaceForLink } from './flip.ts';

/** A way by which PXELINUX finds its configuration: its name in pxelinux.cfg/, and where that leads. */
export interface PxelinuxWay {
  /** `default`, or what it looks for before that: `C0A80114` for 192.168.1.20. */
  readonly name: string;
  readonly channel: string;
}

/** What nodes load before their configuration, from Debian's packages pxelinux and syslinux-common. */
const LOADER = {
  'pxelinux.0': '/usr/lib/PXELINUX/pxelinux.0',
  'ldlinux.c32': '/usr/lib/syslinux/modules/bios/ldlinux.c32',
} as const;

const DIRECTORY = 'pxelinux.cfg';

/**
 * Makes the TFTP root one that PXELINUX boots from: puts the loader there and points configurations to a
 * channel's. They are symlinks by way of the channel, so that its flips and rollbacks count for them as well.
 * @param nodes IPv4 addresses, or `default` for all nodes without a configuration of their own
 * @throws KilnError `usage` for what is neither, and for a channel without configurations for PXELINUX; `tool`
 * when the loader is not installed
 */
export async function pointPxelinux(
  home: Home,
  channel: string,
  nodes: readonly string[],
  options: ChangeOptions = {},
): Promise<readonly PxelinuxWay[]> {
  const ways = nodes.map((node): PxelinuxWay => ({ name: configName(node), channel }));
  await requireToolsOf(['PXELINUX', "SYSLINUX's modules"], 'nodes that boot by PXELINUX');
  return changeKnown(home, channel, `pxelinux ${channel}`, options, async (fs, { state }) => {
    if ((state.current ?? null) === null) throw unknownChannel(channel);
    if (!(await exists(join(home.tftp, channel, DIRECTORY)))) {
      throw new KilnError('usage', `${channel} has no configuration for PXELINUX`, {
        hint: 'the recipe has to ask for images: [pxe], and the channel must not be a single file',
      });
    }
    for (const [name, source] of Object.entries(LOADER)) await placeLoader(fs, join(home.tftp, name), source);
    for (const { name } of ways) {
      const path = `${DIRECTORY}/${name}`;
      await assertPlaceForLink(fs, home.tftp, path);
      await makeDirectories(fs, dirname(join(home.tftp, path)));
      await pointLink(fs, `../${channel}/${DIRECTORY}`, join(home.tftp, path));
    }
    return ways;
  });
}

/** The channel that nodes without a configuration of their own boot by PXELINUX; undefined where none was chosen. */
export async function defaultChannel(home: Home): Promise<string | undefined> {
  const target = await readlinkIfAny(join(home.tftp, DIRECTORY, 'default'));
  const [, channel] = new RegExp(`^\\.\\./(.+)/${DIRECTORY}$`).exec(target ?? '') ?? [];
  return channel;
}

/** Replaces the loader where it is another one; a node that is loading it keeps the old bytes. */
async function placeLoader(fs: FileSystem, path: string, source: string): Promise<void> {
  const wanted = await readFile(source);
  if ((await exists(path)) && sha256(await readFile(path)) === sha256(wanted)) return;
  await replaceFile(fs, path, wanted);
}

/** The name that PXELINUX asks for (syslinux doc/pxelinux.txt). @throws KilnError `usage` */
export function configName(node: string): string {
  if (node === 'default') return node;
  const parts = node.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  if (parts.length === 4 && parts.every((part) => part < 256)) {
    return parts.map((part) => part.toString(16).toUpperCase().padStart(2, '0')).join('');
  }
  throw new KilnError('usage', `${node} is neither \`default\` nor an IPv4 address`, {
    hint: 'a node goes by its MAC address with kiln canary add CHANNEL MAC',
  });
}
