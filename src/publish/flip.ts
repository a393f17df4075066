import { dirname, posix } from 'node:path';
import { isFull } from '../platform/diskErrors.ts';
import { KilnError } from '../platform/errors.ts';
import { type FileSystem, makeDirectories, pointLink } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { appendEntries, linkPath, type SettledChannel } from './channels.ts';
import type { Entry, Intent } from './journal.ts';
import { spendReserve } from './reserve.ts';

/**
 * The flip, in the order that survives a power cut at any point. What the link will lead to is complete and
 * durable before this is called; then the intent is noted (durably), the link is replaced by one rename
 * (durably, and read back), the move is noted as done. Whatever cuts this short, the link says which of the
 * two happened, and the next one to come settles the journal by it.
 */
export async function flip(
  fs: FileSystem,
  home: Home,
  { state: { name }, preamble }: SettledChannel,
  intent: Intent,
): Promise<void> {
  const link = linkPath(home, name);
  await assertPlaceForLink(fs, home.tftp, name);
  await makeDirectories(fs, dirname(link));
  await appendEntries(fs, home, name, [...preamble, { type: 'intent', ...intent }]);
  await pointLink(fs, intent.target, link);
  await noteDone(fs, home, name, intent.flip.to);
}

/** Nodes boot the new generation by now: that the disk is full at this moment is no reason to call it a failure. */
async function noteDone(fs: FileSystem, home: Home, channel: string, to: number): Promise<void> {
  const done: Entry = { type: 'done', to };
  try {
    await appendEntries(fs, home, channel, [done]);
  } catch (error) {
    if (!isFull(error) || !(await spendReserve(fs, home))) throw error;
    await appendEntries(fs, home, channel, [done]);
  }
}

/** Points a channel's link to where its record says that it points: mends one that was removed or moved by hand. */
export async function mendLink(fs: FileSystem, home: Home, channel: string, target: string): Promise<void> {
  const link = linkPath(home, channel);
  if ((await fs.readlink(link)) === target) return;
  await assertPlaceForLink(fs, home.tftp, channel);
  await makeDirectories(fs, dirname(link));
  await pointLink(fs, target, link);
}

/**
 * @throws KilnError `failed` when a link's place below the TFTP root is taken by something that is no symlink, or
 * when a directory on the way is one: the link would land inside of a bundle.
 */
export async function assertPlaceForLink(fs: FileSystem, tftpRoot: string, name: string): Promise<void> {
  const parts = name.split('/');
  for (let length = 1; length <= parts.length; length += 1) {
    const path = posix.join(tftpRoot, ...parts.slice(0, length));
    const found = await fs.look(path);
    if (found === undefined) return;
    const last = length === parts.length;
    if (last ? found.isSymbolicLink() : found.isDirectory()) continue;
    const is = found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'symlink' : 'file';
    throw new KilnError('failed', `${path} is a ${is}, not a ${last ? 'symlink' : 'directory'}`, {
      hint: 'a channel is a symlink that Kiln flips; move what is there out of the way or choose another channel',
    });
  }
}
