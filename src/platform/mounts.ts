import { readFile } from 'node:fs/promises';
import { KilnError } from './errors.ts';
import { run } from './process.ts';

/** Says to a process that its mounts are its own. */
const VARIABLE = 'KILN_PRIVATE_MOUNTS';

/** By what right a process mounts in its own mount namespace: as the machine's root, or within a user namespace. */
type MountRight = 'root' | 'user';

const OWN_MOUNTS = ['--mount', '--propagation', 'private'];
// mount(8) asks for the user number 0, and not for the right to mount.
const OWN_USERS = ['--user', '--map-root-user'];

/** How to start a program with mounts of its own: what comes before it, and what it finds in its environment. */
export interface PrivateMounts {
  readonly prefix: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

let known: Promise<PrivateMounts | undefined> | undefined;

/**
 * Whether a program can be started in a mount namespace of its own, and how. What it mounts there nobody else sees,
 * and it is gone with the last process in it, however that ends: nothing has to be unmounted after a kill -9.
 * @returns undefined where the system does not allow it
 */
export function privateMounts(): Promise<PrivateMounts | undefined> {
  known ??= probe().catch((error: unknown) => {
    known = undefined;
    throw error;
  });
  return known;
}

async function probe(): Promise<PrivateMounts | undefined> {
  const isRoot = process.getuid?.() === 0;
  const unshare = [...(isRoot ? [] : OWN_USERS), ...OWN_MOUNTS, '--'];
  const right: MountRight = isRoot && !(await inUserNamespace()) ? 'root' : 'user';
  try {
    const tried = await run('unshare', [...unshare, 'true'], { timeoutMs: 10_000 });
    if (tried.exitCode !== 0) return undefined;
  } catch (error) {
    if (error instanceof KilnError && error.kind === 'tool') return undefined;
    throw error;
  }
  return { prefix: ['unshare', ...unshare], env: { [VARIABLE]: right } };
}

/** True in a container of an ordinary user, say, whose root is one of the machine's users (user_namespaces(7)). */
async function inUserNamespace(): Promise<boolean> {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(await readFile('/proc/self/uid_map', 'latin1'));
}

/** The right of this process to mount, where it was started with mounts of its own. */
export function mountRight(): MountRight | undefined {
  const right = process.env[VARIABLE];
  return right === 'root' || right === 'user' ? right : undefined;
}

/** A file system of layers (overlayfs): reads go through, writes stay in `upper`. */
export interface Overlay {
  /** Directories from the topmost to the lowest; nobody may write to them while the overlay is mounted. */
  readonly lower: readonly string[];
  readonly upper: string;
  /** An empty directory on the file system of `upper`. */
  readonly work: string;
  /** The directory that it is mounted on. */
  readonly at: string;
}

/** Mounts an overlay in this process's own mounts. @returns why it could not be; undefined when it is mounted */
export async function mountOverlay(overlay: Overlay): Promise<string | undefined> {
  const options = [
    `lowerdir=${overlay.lower.map(escaped).join(':')}`,
    `upperdir=${escaped(overlay.upper)}`,
    `workdir=${escaped(overlay.work)}`,
    // Work trees are thrown away after a crash: nothing has to reach the disk in order.
    'volatile',
    ...(mountRight() === 'user' ? ['userxattr'] : []),
  ];
  const result = await run('mount', ['-t', 'overlay', 'overlay', '-o', options.join(','), overlay.at]);
  return result.exitCode === 0 ? undefined : (result.tail.at(-1) ?? `mount exited ${result.exitCode}`);
}

/** Takes a mount away; what still has files open there keeps them. */
export async function unmount(at: string): Promise<void> {
  const result = await run('umount', ['--lazy', at]);
  if (result.exitCode !== 0) throw new Error(`umount ${at}: ${result.tail.join(' ')}`);
}

/** Overlayfs takes ":" for the end of a directory, mount(8) "," for the end of an option. */
function escaped(path: string): string {
  return path.replaceAll(/[\\:,]/g, (character) => `\\${character}`);
}

/**
 * The mount point of a file system on which no program may be started (mount(8), noexec); undefined where they may.
 * @param path its real path
 */
export async function noexecMount(path: string): Promise<string | undefined> {
  return findNoexec(await readFile('/proc/self/mountinfo', 'utf8'), path);
}

/** @param mountinfo as proc_pid_mountinfo(5) has it: the fifth word is the mount point, the sixth its options */
export function findNoexec(mountinfo: string, path: string): string | undefined {
  let nearest: { at: string; options: string } | undefined;
  for (const line of mountinfo.split('\n')) {
    const [, , , , written = '', options = ''] = line.split(' ');
    const at = written.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const isAbove = at === '/' || path === at || path.startsWith(`${at}/`);
    // Of two at one place the later one is on top.
    if (written !== '' && isAbove && at.length >= (nearest?.at.length ?? 0)) nearest = { at, options };
  }
  return nearest?.options.split(',').includes('noexec') === true ? nearest.at : undefined;
}
