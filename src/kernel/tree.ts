import {
  chmodSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { writeFileAtomic } from '../platform/files.ts';

/** The version that a tree's Makefile gives itself. */
export interface KernelVersion {
  readonly version: number;
  readonly patchlevel: number;
  readonly sublevel: number;
  /** What follows the numbers, e.g. `-om2` or 2.4.37.11's `.11`; often empty. */
  readonly extraversion: string;
}

/** Longest kernel release: the size of `struct new_utsname`'s fields, less nothing for the final zero as 2.4 counts. */
export const RELEASE_LIMIT = 64;

/** What `uname -r` says: `2.4.22-om2`. */
export function kernelRelease({ version, patchlevel, sublevel, extraversion }: KernelVersion): string {
  return `${version}.${patchlevel}.${sublevel}${extraversion}`;
}

/**
 * Reads VERSION, PATCHLEVEL, SUBLEVEL and EXTRAVERSION from a tree's Makefile.
 * @throws KilnError `invalid` where the tree has no Makefile, or one that does not say.
 */
export function readKernelVersion(tree: string): KernelVersion {
  const path = join(tree, 'Makefile');
  const text = readMakefile(path);
  const number = (name: string) => {
    const value = new RegExp(`^${name}[ \\t]*=[ \\t]*(\\d+)[ \\t]*$`, 'm').exec(text)?.[1];
    if (value === undefined) {
      throw new KilnError('invalid', `${path} sets no ${name}`, {
        hint: 'it should be the top directory of a kernel tree',
      });
    }
    return Number(value);
  };
  return {
    version: number('VERSION'),
    patchlevel: number('PATCHLEVEL'),
    sublevel: number('SUBLEVEL'),
    extraversion: EXTRAVERSION_LINE.exec(text)?.[2] ?? '',
  };
}

const EXTRAVERSION_LINE = /^(EXTRAVERSION[ \t]*=)[ \t]*(\S*)[ \t]*$/m;

/**
 * Writes EXTRAVERSION into a tree's Makefile and removes include/linux/version.h, which make would keep.
 * Where the tree has that value already nothing is touched, so that no object has to be compiled again.
 * @returns the version as it is now
 * @throws KilnError `invalid` for a value with characters that a release can't have, or one that makes the
 * release longer than 64 characters.
 * @param keepTimes make shall not notice: the Makefile keeps its time, and version.h, which `restamp` sees to, stays
 */
export async function setExtraversion(
  tree: string,
  extraversion: string,
  keepTimes = false,
): Promise<KernelVersion> {
  if (!/^[\w.+~-]*$/.test(extraversion)) {
    throw new KilnError(
      'invalid',
      `extraversion ${JSON.stringify(extraversion)} has characters that a kernel release can't have`,
      {
        hint: 'use letters, digits, and . _ + ~ -',
      },
    );
  }
  const before = readKernelVersion(tree);
  const after = { ...before, extraversion };
  const release = kernelRelease(after);
  if (release.length > RELEASE_LIMIT) {
    throw new KilnError(
      'invalid',
      `the kernel release ${release} has ${release.length} characters, and ${RELEASE_LIMIT} are allowed`,
      {
        hint: 'shorten extraversion',
      },
    );
  }
  if (before.extraversion === extraversion) return before;
  const path = join(tree, 'Makefile');
  const { mode, atime, mtime } = statSync(path);
  const text = readMakefile(path);
  const changed = EXTRAVERSION_LINE.test(text)
    ? text.replace(EXTRAVERSION_LINE, (_line, name: string) => `${name} ${extraversion}`)
    : text.replace(/^SUBLEVEL.*\n/m, (line) => `${line}EXTRAVERSION = ${extraversion}\n`);
  await writeFileAtomic(path, Buffer.from(changed, 'latin1'), mode & 0o777);
  if (keepTimes) utimesSync(path, atime, mtime);
  else rmSync(join(tree, 'include/linux/version.h'), { force: true });
  return after;
}

function readMakefile(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new KilnError('invalid', `${path} does not exist`, {
      hint: 'it should be the top directory of a kernel tree',
    });
  }
}

/**
 * Makes the scripts executable that start with `#!`: a tree that went through git's plumbing or an archive
 * without modes has lost that.
 * @returns the scripts that were not, relative to the tree
 */
export function restoreExecutableBits(tree: string): string[] {
  const restored: string[] = [];
  for (const folder of ['scripts', 'arch/i386/boot']) {
    for (const name of namesIn(join(tree, folder))) {
      const path = join(tree, folder, name);
      const status = statSync(path, { throwIfNoEntry: false });
      if (status?.isFile() !== true || (status.mode & 0o100) !== 0 || !startsWithHashBang(path)) continue;
      chmodSync(path, (status.mode & 0o777) | 0o111);
      restored.push(`${folder}/${name}`);
    }
  }
  return restored;
}

/** Makes each file newer than what it could be made from, so that make leaves it as it was shipped. */
export function keepShippedFiles(
  tree: string,
  shipped: readonly { readonly file: string; readonly madeFrom: string }[],
): void {
  for (const { file, madeFrom } of shipped) {
    const status = statSync(join(tree, file), { throwIfNoEntry: false });
    const source = statSync(join(tree, madeFrom), { throwIfNoEntry: false });
    if (status === undefined || source === undefined || status.mtimeMs > source.mtimeMs) continue;
    const later = new Date(source.mtimeMs + 1000);
    utimesSync(join(tree, file), later, later);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function startsWithHashBang(path: string): boolean {
  const start = Buffer.alloc(2);
  const file = openSync(path, 'r');
  try {
    readSync(file, start, 0, 2, 0);
  } finally {
    closeSync(file);
  }
  return start.toString('latin1') === '#!';
}
