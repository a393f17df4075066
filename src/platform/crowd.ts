import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { hasErrno } from './errors.ts';
import { isAlive } from './process.ts';

/** Where groups of processes that are counted by themselves can be made: version 1's and version 2's root. */
const ROOTS = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'];
const OURS = /^kiln-(\d+)-\d+$/;

let made = 0;

/** A group of processes that the kernel lets grow no further than a limit. */
export interface Crowd {
  /** The file that a process writes its number into to belong to it, with all that it starts. */
  readonly procs: string;
  /** True once the kernel has refused it a process. */
  readonly wasFull: () => boolean;
  /** To be called when nothing runs in it any more. */
  readonly close: () => void;
}

/**
 * A control group with a limit of processes; undefined where this process may make none, which is so for everybody but
 * root (`limitHere` is for them), and in most containers.
 */
export function openCrowd(most: number): Crowd | undefined {
  for (const root of ROOTS) {
    const group = join(root, `kiln-${process.pid}-${++made}`);
    try {
      sweep(root);
      mkdirSync(group);
      // A directory that has no such file is one of an ordinary file system.
      if (existsSync(join(group, 'pids.max'))) {
        writeFileSync(join(group, 'pids.max'), `${most}\n`);
        return {
          procs: join(group, 'cgroup.procs'),
          wasFull: () => /^max [1-9]/m.test(readFileSync(join(group, 'pids.events'), 'latin1')),
          close: () => removeGroup(group),
        };
      }
      rmdirSync(group);
    } catch (error) {
      if (!hasErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'EROFS')) throw error;
    }
  }
  return undefined;
}

/** Groups of a Kiln that was killed, and those whose last process was still on its way out. */
function sweep(root: string): void {
  for (const name of readdirSync(root)) {
    const owner = OURS.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) removeGroup(join(root, name));
  }
}

function removeGroup(group: string): void {
  try {
    rmdirSync(group);
  } catch (error) {
    // Who is about to end is still counted; the next sweep finds the group empty.
    if (!hasErrno(error, 'EBUSY', 'ENOENT')) throw error;
  }
}

/**
 * Shell commands that set the same limit for what comes after them. Root is exempt from it, and before 5.14 the kernel
 * counted what the user runs anywhere, so that there it would stop builds that are none of its business.
 */
export function limitHere(most: number): string {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  if (major < 5 || (major === 5 && minor < 14)) return ':';
  // bash calls it -u, dash -p.
  return `if (ulimit -u) >/dev/null 2>&1; then ulimit -u ${most}; else ulimit -p ${most}; fi 2>/dev/null`;
}
