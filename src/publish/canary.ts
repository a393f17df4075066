import { dirname, join, posix } from 'node:path';
import { z } from 'zod';
import { isChannelName } from '../platform/channel-name.ts';
import { KilnError } from '../platform/errors.ts';
import { readTextIfAny } from '../platform/files.ts';
import { type FileSystem, makeDirectories, pointLink, replaceFile } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { type ChangeOptions, change, changeKnown, stamp } from './change.ts';
import { readState, unknownChannel } from './channels.ts';
import { assertPlaceForLink } from './flip.ts';

const MAC = /^([0-9a-f]{2}-){5}[0-9a-f]{2}$/;

/** A node that follows a channel of its own, whatever the others boot. */
export interface Canary {
  /** As `aa-bb-cc-dd-ee-ff`. */
  readonly mac: string;
  readonly channel: string;
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

const canaryFileSchema = z.object({
  format: z.literal('kiln-canaries/1'),
  nodes: z.array(
    z.object({
      // Both become paths.
      mac: z.string().regex(MAC),
      channel: z.string().refine(isChannelName),
      at: z.string(),
      by: z.string(),
      reason: z.string(),
    }),
  ),
});

type CanaryFile = z.infer<typeof canaryFileSchema>;

function canaryFile(home: Home): string {
  return join(home.channels, '.canaries.json');
}

/** Every node of the canary list, sorted by address. @throws KilnError `integrity` when the list is damaged */
export async function readCanaries(home: Home): Promise<readonly Canary[]> {
  const file = canaryFile(home);
  const text = await readTextIfAny(file);
  if (text === undefined) return [];
  try {
    const list = canaryFileSchema.safeParse(JSON.parse(text));
    if (list.success) return list.data.nodes;
  } catch {
    // Told below, as any other text that is no list.
  }
  throw new KilnError('integrity', 'the list of canary nodes is damaged', {
    place: { file },
    hint: 'what nodes boot is not affected; restore it from a backup, or remove it and add the nodes again',
  });
}

/**
 * Lets nodes follow a channel of their own. Each node's way to it is one symlink, `nodes/<mac>`, which flips
 * at once for whatever the node loads by; PXELINUX finds it by `pxelinux.cfg/01-<mac>`, iPXE by
 * `nodes/${net0/mac:hexhyp}/boot.ipxe`.
 * @throws KilnError `usage` for what is no MAC address or no channel, or a channel that is a single file
 */
export async function addCanaries(
  home: Home,
  channel: string,
  macs: readonly string[],
  options: ChangeOptions = {},
): Promise<readonly Canary[]> {
  const addresses = [...new Set(macs.map(parseMac))];
  return changeKnown(home, channel, `canary ${channel}`, options, async (fs, { state }) => {
    const now = state.current ?? undefined;
    if (now === undefined) throw unknownChannel(channel);
    if (now.file !== undefined) {
      throw new KilnError('usage', `${channel} is a single file: nodes have no configuration to find there`, {
        hint: 'name a channel that was published without --single-file',
      });
    }
    const added = addresses.map((mac): Canary => ({ mac, channel, ...stamp(options, 'canary') }));
    const others = (await readCanaries(home)).filter(({ mac }) => !addresses.includes(mac));
    await writeCanaries(fs, home, [...others, ...added]);
    return added;
  });
}

/** Lets nodes boot what all others do again. @returns those that were on the list */
export async function removeCanaries(
  home: Home,
  macs: readonly string[],
  options: ChangeOptions = {},
): Promise<readonly Canary[]> {
  const addresses = macs.map(parseMac);
  return change(home, 'nodes', 'canary remove', options, async (fs) => {
    const all = await readCanaries(home);
    const leaving = all.filter(({ mac }) => addresses.includes(mac));
    const staying = all.filter(({ mac }) => !addresses.includes(mac));
    await writeCanaries(fs, home, staying);
    return leaving;
  });
}

/** The list first, then the links: whatever comes between, `linkCanaries` makes the links what the list says. */
async function writeCanaries(fs: FileSystem, home: Home, nodes: readonly Canary[]): Promise<void> {
  const sorted = [...nodes].sort((a, b) => (a.mac < b.mac ? -1 : 1));
  const list: CanaryFile = { format: 'kiln-canaries/1', nodes: sorted };
  await replaceFile(fs, canaryFile(home), `${JSON.stringify(list, null, 1)}\n`);
  await linkCanaries(fs, home);
}

/** Makes the links of the canary list what it says. The caller holds the publish lock. */
export async function linkCanaries(fs: FileSystem, home: Home): Promise<void> {
  const wanted = await canaryLinks(home);
  for (const [name, target] of wanted) {
    const link = join(home.tftp, name);
    if ((await fs.readlink(link)) === target) continue;
    await assertPlaceForLink(fs, home.tftp, name);
    await makeDirectories(fs, dirname(link));
    await pointLink(fs, target, link);
  }
  // PXELINUX's way to a node goes before the node itself: no request may end at a link that leads nowhere.
  for (const directory of ['pxelinux.cfg', 'nodes']) {
    for (const name of await fs.list(join(home.tftp, directory))) {
      const path = posix.join(directory, name);
      if (wanted.has(path) || !(await isCanaryLink(fs, home, path))) continue;
      await fs.unlink(join(home.tftp, path));
      await fs.sync(join(home.tftp, directory));
    }
  }
}

/** Links of the canary list by their place below the TFTP root, nodes first; with what they have to say. */
export async function canaryLinks(home: Home): Promise<ReadonlyMap<string, string>> {
  const nodes = await readCanaries(home);
  return new Map([
    ...nodes.map(({ mac, channel }) => [`nodes/${mac}`, posix.relative('/nodes', `/${channel}`)] as const),
    ...nodes.map(({ mac }) => [`pxelinux.cfg/01-${mac}`, `../nodes/${mac}/pxelinux.cfg`] as const),
  ]);
}

/** True for a link that Kiln made for a node: nobody else's in these directories is touched. */
async function isCanaryLink(fs: FileSystem, home: Home, path: string): Promise<boolean> {
  const target = await fs.readlink(join(home.tftp, path));
  if (target === undefined) return false;
  const [, directory, mac] =
    /^(nodes|pxelinux\.cfg)\/(?:01-)?((?:[0-9a-f]{2}-){5}[0-9a-f]{2})$/.exec(path) ?? [];
  if (directory === 'nodes') return true;
  return mac !== undefined && target === `../nodes/${mac}/pxelinux.cfg`;
}

/** A node that follows a channel is on it by name, which a channel's own record does not know. */
export async function assertCanaryChannels(home: Home): Promise<void> {
  for (const { mac, channel } of await readCanaries(home)) {
    if ((await readState(home, channel)) !== undefined) continue;
    throw new KilnError('integrity', `node ${mac} follows ${channel}, which is no channel any more`, {
      hint: `kiln canary remove ${mac}, or publish to ${channel}`,
    });
  }
}

/** `AA:BB:CC:DD:EE:FF` or with dashes, as PXELINUX writes it. @throws KilnError `usage` */
export function parseMac(text: string): string {
  const mac = text.toLowerCase().replaceAll(':', '-');
  if (MAC.test(mac)) return mac;
  throw new KilnError('usage', `${text} is no MAC address`, { hint: 'e.g. 52:54:00:12:34:56' });
}
