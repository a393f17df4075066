import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { hasErrno } from './errors.ts';

/** A process that no other is mistaken for, even after its number was used again. */
export interface ProcessIdentity {
  readonly host: string;
  /** The kernel's boot id. */
  readonly boot: string;
  readonly pid: number;
  /** Start time in clock ticks since boot. */
  readonly start: string;
}

let own: ProcessIdentity | undefined;

/** This process. */
export function ownIdentity(): ProcessIdentity {
  own ??= { host: hostname(), boot: bootId(), pid: process.pid, start: startOf(process.pid) ?? '' };
  return own;
}

/**
 * Whether a process is still the one that it was; undefined for one of another host, of which nothing can be
 * said. One of before the last boot is gone.
 */
export function isStillAlive(identity: ProcessIdentity): boolean | undefined {
  const { host, boot, pid, start } = ownIdentity();
  if (identity.host !== host) return undefined;
  if (identity.pid === pid && identity.start === start) return identity.boot === boot;
  return identity.boot === boot && startOf(identity.pid) === identity.start;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/**
 * A process's start time: field 22 of /proc/PID/stat (proc(5)), counted from after the command's name, which
 * may hold blanks and brackets. A zombie is no running process.
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
