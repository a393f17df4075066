import { join, posix } from 'node:path';
import type { Manifest } from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import type { FileSystem } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';

/** A channel's configuration for PXELINUX, and the directory of the links that nodes find it by. */
const CONFIG = 'pxelinux.cfg';

/**
 * Refuses a flip after which nodes that boot by PXELINUX would find nothing, where they find something now: links of
 * `kiln pxelinux` and of canaries lead to the channel's configuration, which a single file has not, nor a bundle
 * whose recipe does not ask for one.
 * @param file the one file that the channel will be, in the classic single-file form
 * @throws KilnError `failed` that names the links
 */
export async function assertFollowers(
  fs: FileSystem,
  home: Home,
  channel: string,
  { id, files }: Manifest,
  file: string | undefined,
): Promise<void> {
  if (file === undefined && files[CONFIG] !== undefined) return;
  const links: string[] = [];
  for (const name of await fs.list(join(home.tftp, CONFIG))) {
    const path = posix.join(CONFIG, name);
    if ((await exists(join(home.tftp, path))) && (await channelOf(fs, home, path)) === channel)
      links.push(path);
  }
  if (links.length === 0) return;
  const what =
    file === undefined ? `bundle ${id} has no configuration for PXELINUX` : `a single file has none`;
  throw new KilnError(
    'failed',
    `nodes find their configuration in ${channel} by ${links.join(', ')}: ${what}`,
    {
      hint: 'point them to another channel first: kiln pxelinux, or kiln canary remove; the recipe may ask for images: [pxe]',
    },
  );
}

/** The channel whose configuration a link leads to, by way of a canary's node or at once; undefined for none. */
async function channelOf(fs: FileSystem, home: Home, path: string): Promise<string | undefined> {
  const target = await fs.readlink(join(home.tftp, path));
  if (target === undefined || posix.basename(target) !== CONFIG) return undefined;
  const way = posix.join(CONFIG, posix.dirname(target));
  const further = way.startsWith('nodes/') ? await fs.readlink(join(home.tftp, way)) : undefined;
  return further === undefined ? way : posix.join(posix.dirname(way), further);
}
