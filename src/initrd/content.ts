import { lstat, readdir, readlink } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';

/**
 * One name in the image. Paths are relative to the image's root, without a leading slash; everything
 * belongs to root:root and carries the image's one time stamp.
 */
export type ImageEntry =
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly source: string }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly type: 'device';
      readonly path: string;
      readonly mode: number;
      readonly kind: 'c' | 'b';
      readonly major: number;
      readonly minor: number;
    };

/** Directories of Kiln's own kit: mount points and places to put things. */
const DIRECTORIES = ['bin', 'dev', 'etc', 'lib', 'lib/modules', 'mnt', 'proc', 'sbin', 'tmp'];

/** Device nodes, for kernels without devfs: name, kind, major, minor, mode (Documentation/devices.txt of 2.4). */
const DEVICES: readonly (readonly [string, 'c' | 'b', number, number, number])[] = [
  ['console', 'c', 5, 1, 0o600],
  ['null', 'c', 1, 3, 0o666],
  ['ram0', 'b', 1, 0, 0o600],
  ['tty', 'c', 5, 0, 0o666],
  ['tty0', 'c', 4, 0, 0o600],
  ['tty1', 'c', 4, 1, 0o600],
  ['ttyS0', 'c', 4, 64, 0o600],
  ['ttyS1', 'c', 4, 65, 0o600],
  ['zero', 'c', 1, 5, 0o666],
];

/** The device nodes that an initrd needs, whoever made its kit. */
export const DEVICE_ENTRIES: readonly ImageEntry[] = DEVICES.map(
  ([name, kind, major, minor, mode]): ImageEntry => ({
    type: 'device',
    path: `dev/${name}`,
    mode,
    kind,
    major,
    minor,
  }),
);

/** Links that modules_install leaves to the tree it ran in; a node has no such tree. */
const LINKS_TO_THE_TREE = ['build', 'source'];

/** Kiln's own kit: init under the three names that kernels look for, the device nodes and mount points. */
export function builtinKit(init: string): ImageEntry[] {
  return [
    ...DIRECTORIES.map((path): ImageEntry => ({ type: 'directory', path, mode: 0o755 })),
    ...DEVICE_ENTRIES,
    { type: 'file', path: 'sbin/init', mode: 0o755, source: init },
    { type: 'symlink', path: 'init', target: 'sbin/init' },
    { type: 'symlink', path: 'linuxrc', target: 'sbin/init' },
  ];
}

/** /etc/niclist, for a kernel with modules for network cards. */
export function niclistEntries(niclist: string | undefined): ImageEntry[] {
  return niclist === undefined ? [] : [{ type: 'file', path: 'etc/niclist', mode: 0o644, source: niclist }];
}

/**
 * The modules of one release, as modules_install left them under `root`, without its links to the tree.
 * Modes are made uniform (0755, 0644), since those on disk depend on the builder's umask.
 * @throws KilnError `failed` when there is no lib/modules/<release>, or something in it is neither file,
 * directory nor relative link.
 */
export async function moduleEntries(root: string | undefined, release: string): Promise<ImageEntry[]> {
  const directory = `lib/modules/${release}`;
  const entries: ImageEntry[] = [{ type: 'directory', path: directory, mode: 0o755 }];
  if (root === undefined) return entries;
  if (!(await exists(join(root, directory)))) {
    throw new KilnError('failed', `${join(root, directory)} is missing: there are no modules of ${release}`, {
      hint: 'make modules_install puts them there; its release must be the one that the kernel says',
    });
  }
  await walk(root, directory, entries, LINKS_TO_THE_TREE);
  return entries;
}

async function walk(root: string, directory: string, into: ImageEntry[], skip: readonly string[]) {
  for (const name of (await readdir(join(root, directory))).sort()) {
    if (skip.includes(name)) continue;
    const path = `${directory}/${name}`;
    const source = join(root, path);
    const stats = await lstat(source);
    if (stats.isDirectory()) {
      into.push({ type: 'directory', path, mode: 0o755 });
      await walk(root, path, into, []);
    } else if (stats.isFile()) {
      into.push({ type: 'file', path, mode: 0o644, source });
    } else if (stats.isSymbolicLink()) {
      into.push({ type: 'symlink', path, target: await relativeTarget(source) });
    } else {
      throw new KilnError('failed', `${source} is neither a file, a directory nor a link`);
    }
  }
}

async function relativeTarget(link: string): Promise<string> {
  const target = await readlink(link);
  if (isAbsolute(target)) {
    throw new KilnError('failed', `${link} is a link to ${target}, which a node does not have`, {
      hint: 'links among the modules must be relative',
    });
  }
  return target;
}
