import { dirname } from 'node:path';
import { nowIso } from '../platform/clock.ts';
import { explainDisk, isFull } from '../platform/diskErrors.ts';
import { exists } from '../platform/files.ts';
import { disk, type FileSystem, sweepTemporaries } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { lockSoon, type Patience } from '../platform/lock.ts';
import { userName } from '../platform/user.ts';
import {
  checkChannelName,
  journalPath,
  linkPath,
  type SettledChannel,
  settleChannel,
  unknownChannel,
} from './channels.ts';
import { spendReserve } from './reserve.ts';

export interface ChangeOptions {
  /** Who does it; the login name by default. */
  readonly by?: string;
  readonly reason?: string;
  /** Flip a pinned channel all the same. */
  readonly force?: boolean;
  /** How long to wait while another process publishes; 10 s by default. */
  readonly patience?: Patience;
  /** The disk, unless a test stands in. */
  readonly fileSystem?: FileSystem;
}

/** When, who and why, as it goes into the history. */
export interface Stamp {
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

export function stamp(options: ChangeOptions, reason: string): Stamp {
  return { at: nowIso(), by: options.by ?? userName(), reason: options.reason ?? reason };
}

/**
 * Runs a change to channels: alone (one publish lock for a home), after whatever a crash left open in the
 * channel is settled, and with errors of the disk told as what they mean.
 * @param frees what is already on the disk must be enough: on a full one the space set aside is given back
 * @throws KilnError `locked` while another process publishes, `failed` when the disk fails
 */
export async function change<T>(
  home: Home,
  channel: string,
  what: string,
  options: ChangeOptions,
  action: (fs: FileSystem, channel: SettledChannel | undefined) => Promise<T>,
  frees = true,
): Promise<T> {
  const fs = options.fileSystem ?? disk;
  const attempt = async () => {
    await sweepTemporaries(fs, dirname(linkPath(home, channel)));
    await sweepTemporaries(fs, `${home.tftp}/bundles`);
    return action(fs, await settleChannel(fs, home, channel));
  };
  const alone = () => (frees ? sparingly(fs, home, attempt) : attempt());
  return withPublishLock(home, what, alone, options.patience);
}

/**
 * As `change`, for a channel that there is.
 * @throws KilnError `usage` for one that there is not; nothing is written then
 */
export async function changeKnown<T>(
  home: Home,
  channel: string,
  what: string,
  options: ChangeOptions,
  action: (fs: FileSystem, channel: SettledChannel) => Promise<T>,
): Promise<T> {
  checkChannelName(channel);
  if (!(await exists(journalPath(home, channel)))) throw unknownChannel(channel);
  return change(home, channel, what, options, (fs, settled) => {
    if (settled === undefined) throw unknownChannel(channel);
    return action(fs, settled);
  });
}

/** Does what has to work on a full disk as well: a second time then, with the space that was set aside. */
export async function sparingly<T>(fs: FileSystem, home: Home, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!isFull(error) || !(await spendReserve(fs, home))) throw error;
    return await action();
  }
}

/** One publish at a time in a home; errors of the disk are told as what they mean. */
export async function withPublishLock<T>(
  home: Home,
  what: string,
  action: () => Promise<T>,
  patience: Patience = {},
): Promise<T> {
  const held = await lockSoon(`${home.locks}/publish.lock`, `kiln ${what}`, patience);
  try {
    return await action();
  } catch (error) {
    throw explainDisk(what, error, {
      full: `nodes boot what they booted before; kiln gc --dry-run --home ${home.root} says what can be freed, kiln rollback works all the same`,
      other:
        'nodes boot the old generation or the new one, as kiln channels says; the same command goes on from there',
    });
  } finally {
    held.release();
  }
}
