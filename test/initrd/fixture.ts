import { chmod, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { InitrdRequest } from '../../src/initrd/index.ts';
import { baseEnvironment, output } from '../../src/platform/process.ts';

export const RELEASE = '2.4.22-om2-0123abcd';
export const EPOCH = 1061769600;

/** A directory of the test's own; readable by others, so that another user can build in it. */
export async function scratch(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kiln-initrd-'));
  await chmod(path, 0o755);
  return path;
}

export async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

export function request(workDirectory: string, more: Partial<InitrdRequest> = {}): InitrdRequest {
  return {
    workDirectory,
    format: 'ext2',
    compiler: 'gcc',
    release: RELEASE,
    sizeKiB: 'auto',
    inodes: 'auto',
    epoch: EPOCH,
    ...more,
  };
}

/** Bytes that look like an object's: no run of zeros, the same for the same name. */
export function bytes(name: string, size: number): Buffer {
  let state = [...name].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) >>> 0, 7);
  return Buffer.from(
    Array.from({ length: size }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 24 || 1;
    }),
  );
}

export const MODULES = {
  'kernel/drivers/net/8139too.o': 17_321,
  'kernel/drivers/net/mii.o': 4_096,
  'kernel/fs/nfs/nfs.o': 61_000,
  'kernel/net/big.o': 400_000,
  'modules.dep': 120,
};

export interface TreeStyle {
  readonly order?: 'forward' | 'backward';
  readonly mode?: number;
  readonly time?: number;
  readonly files?: Readonly<Record<string, number>>;
}

/** Writes lib/modules/<release> as modules_install would, its link to the tree included. */
export async function moduleTree(root: string, style: TreeStyle = {}): Promise<string> {
  const base = join(root, 'lib/modules', RELEASE);
  const files = Object.entries(style.files ?? MODULES);
  for (const [name, size] of style.order === 'backward' ? files.reverse() : files) {
    const path = join(base, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes(name, size));
    await chmod(path, style.mode ?? 0o644);
    await utimes(path, style.time ?? EPOCH, style.time ?? EPOCH);
  }
  await symlink(`/build/linux-${RELEASE}`, join(base, 'build'));
  return root;
}

/** Unpacks an initrd to a file system image beside it. */
export async function unpacked(initrd: string): Promise<string> {
  const image = `${initrd}.ext2`;
  await writeFile(image, gunzipSync(await readFile(initrd)));
  return image;
}

/** What debugfs, dumpe2fs or e2fsck says; fails when it exits other than 0. */
export function e2fs(program: string, ...args: string[]): Promise<string> {
  const environment = baseEnvironment();
  return output(program, args, { env: { ...environment, PATH: `${environment.PATH}:/usr/sbin:/sbin` } });
}

export interface Inode {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Every name of an image, as debugfs lists it (`ls -l -p`: /inode/mode/uid/gid/name/size/). */
export async function inodes(image: string, directory = '/'): Promise<Inode[]> {
  const found: Inode[] = [];
  for (const line of (await e2fs('debugfs', '-R', `ls -l -p ${directory}`, image)).split('\n')) {
    const [, , mode, uid, gid, name] = line.split('/');
    if (name === undefined || name === '..') continue;
    if (name === '.' && directory !== '/') continue;
    const path = name === '.' ? '/' : join(directory, name);
    const inode = { path, mode: Number.parseInt(mode ?? '', 8), uid: Number(uid), gid: Number(gid) };
    found.push(inode);
    if (path !== '/' && (inode.mode & 0o170000) === 0o040000) found.push(...(await inodes(image, path)));
  }
  return found;
}
