import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ModuleMember, readModuleArchive, type StoredBundle } from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { exists, listIfAny, readTextIfAny, temporaryBeside } from '../platform/files.ts';
import {
  discard,
  disk,
  type FileSystem,
  isTemporary,
  makeDirectories,
  pointLink,
  replaceFile,
} from '../platform/filesystem.ts';

import type { Home } from '../platform/home.ts';

/** Whose modules these are: a file in `lib/modules/<release>` that Kiln put there. */
const MARKER = '.kiln.json';

/** Beside it where somebody else than a channel has nodes that use them, too: gc leaves such a tree alone. */
export const CLAIM = '.kiln-ltsp';

/** A module tree that Kiln put below an NFS root, as its marker tells. */
export interface PlacedModules {
  readonly directory: string;
  readonly release: string;
  /** Root of the home that put it there. */
  readonly home: string;
  readonly bundle: string;
  /** Digest of the archive that it was unpacked from. */
  readonly sha256: string;
  /** An installation of LTSP uses it (`kiln ltsp install`). */
  readonly claimed: boolean;
}

/** Where a release's modules are below an NFS root. */
export function modulesDirectory(nfsRoot: string, release: string): string {
  return join(nfsRoot, 'lib/modules', release);
}

/**
 * Puts a bundle's modules below an NFS root as `lib/modules/<release>`: whole or not at all, durable when it
 * returns, and before the channel flips, so that no node boots a kernel whose modules are not there.
 * @throws KilnError `failed` when the release's place is taken: by something that Kiln did not put there, or by
 * another bundle's modules (of a recipe with `release: pinned`), which nodes that run it still need
 */
export async function placeModules(
  fs: FileSystem,
  home: Home,
  nfsRoot: string,
  bundle: StoredBundle,
): Promise<void> {
  const { id, release, files } = bundle.manifest;
  const sha256 = files['modules.tar.gz']?.sha256;
  if (sha256 === undefined) return;
  const directory = modulesDirectory(nfsRoot, release);
  const parent = dirname(directory);
  if ((await fs.look(directory)) !== undefined) {
    await assertSame(directory, id, sha256);
    await fs.sync(parent);
    return;
  }
  if ((await fs.look(nfsRoot)) === undefined) {
    throw new KilnError('failed', `there is no NFS root ${nfsRoot}`, {
      hint: 'mount it, or take it out of nfs-roots in kiln.yaml: nodes would boot a kernel without modules',
    });
  }
  const members = await treeOf(bundle);
  await makeDirectories(fs, parent);
  for (const name of await fs.list(parent)) {
    if (isTemporary(name)) await fs.removeTree(join(parent, name));
  }
  const temporary = temporaryBeside(directory);
  try {
    await fs.makeDirectory(temporary);
    const directories = [temporary];
    for (const member of members) {
      const path = join(temporary, member.path);
      if (member.kind === 'symlink') await fs.symlink(member.target, path);
      else if (member.kind === 'directory') {
        await fs.makeDirectory(path);
        directories.push(path);
      } else await writeDurably(fs, path, member.bytes, member.mode);
    }
    const marker: Marker = { home: home.root, bundle: id, sha256 };
    await writeDurably(fs, join(temporary, MARKER), Buffer.from(`${JSON.stringify(marker)}\n`), 0o644);
    for (const path of directories) await fs.sync(path);
    await fs.rename(temporary, directory);
  } catch (error) {
    await discard(fs, temporary);
    throw error;
  }
  await fs.sync(parent);
}

async function writeDurably(fs: FileSystem, path: string, bytes: Uint8Array, mode: number): Promise<void> {
  await fs.createFile(path, bytes, mode);
  await fs.sync(path);
}

async function assertSame(directory: string, id: string, sha256: string): Promise<void> {
  const placed = await readMarker(directory);
  if (placed?.sha256 === sha256) return;
  const whose = placed === undefined ? 'not put there by Kiln' : `those of bundle ${placed.bundle}`;
  throw new KilnError('failed', `the modules in ${directory} are ${whose}, not those of ${id}`, {
    hint:
      placed === undefined
        ? 'move them away; Kiln never replaces what it did not make'
        : '`release: unique` in the recipe gives each bundle a place of its own; else drop them by hand when no node needs them',
  });
}

type Marker = Pick<PlacedModules, 'home' | 'bundle' | 'sha256'>;

async function readMarker(directory: string): Promise<Marker | undefined> {
  const text = await readTextIfAny(join(directory, MARKER));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Marker;
  } catch {
    // Whoever changed it: what Kiln can't tell for its own it leaves alone.
    return undefined;
  }
}

/** The module trees below an NFS root that Kiln put there, by release. */
export async function listPlaced(nfsRoot: string): Promise<PlacedModules[]> {
  const placed: PlacedModules[] = [];
  for (const release of await listIfAny(join(nfsRoot, 'lib/modules'))) {
    const directory = modulesDirectory(nfsRoot, release);
    const marker = isTemporary(release) ? undefined : await readMarker(directory);
    if (marker === undefined) continue;
    const claimed = await exists(join(directory, CLAIM));
    placed.push({ directory, release, ...marker, claimed });
  }
  return placed;
}

/** Replaces what is missing or damaged of a bundle's modules below an NFS root, each by one rename. @returns what it did */
export async function mendModules(fs: FileSystem, nfsRoot: string, bundle: StoredBundle): Promise<string[]> {
  const repaired: string[] = [];
  for (const { path, member } of await modulesFaults(nfsRoot, bundle)) {
    if (member.kind === 'directory') await fs.makeDirectory(path);
    else if (member.kind === 'symlink') await pointLink(fs, member.target, path);
    else await replaceFile(fs, path, member.bytes);
    repaired.push(`put ${path} back`);
  }
  return repaired;
}

/** What is missing below an NFS root of a bundle's modules, or is not what the bundle has; parents first. */
export async function modulesFaults(
  nfsRoot: string,
  bundle: StoredBundle,
): Promise<{ readonly path: string; readonly member: ModuleMember }[]> {
  const directory = modulesDirectory(nfsRoot, bundle.manifest.release);
  const faults: { path: string; member: ModuleMember }[] = [];
  for (const member of await treeOf(bundle)) {
    const path = join(directory, member.path);
    if (!(await isRight(path, member))) faults.push({ path, member });
  }
  return faults;
}

async function isRight(path: string, member: ModuleMember): Promise<boolean> {
  if (member.kind === 'symlink') return (await disk.readlink(path)) === member.target;
  const found = await disk.look(path);
  if (member.kind === 'directory') return found?.isDirectory() === true;
  return found?.isFile() === true && member.bytes.equals(await readFile(path));
}

/** The members below `lib/modules/<release>`, by their paths from there. @throws KilnError `integrity` for one that leaves it */
async function treeOf(bundle: StoredBundle): Promise<ModuleMember[]> {
  const prefix = `lib/modules/${bundle.manifest.release}/`;
  const members = (await readModuleArchive(bundle)).filter(({ path }) => path.startsWith(prefix));
  const links = new Set(members.filter(({ kind }) => kind === 'symlink').map(({ path }) => path));
  return members.map((member) => {
    const path = member.path.slice(prefix.length);
    const leaves = path.split('/').some((part) => part === '..' || part === '');
    // What lies below a symlink would be written wherever that leads.
    const above = member.path.split('/').map((_, length, parts) => parts.slice(0, length).join('/'));
    if (!leaves && !above.some((directory) => links.has(directory))) return { ...member, path };
    throw new KilnError(
      'integrity',
      `modules.tar.gz of ${bundle.manifest.id} has ${member.path}, which leaves its tree`,
      { place: { file: join(bundle.directory, 'modules.tar.gz') }, hint: 'build the bundle again' },
    );
  });
}
