import { createReadStream } from 'node:fs';
import { Parser, type ReadEntry } from 'tar';
import { KilnError } from '../platform/errors.ts';
import type { Member } from './members.ts';

const TYPES: Readonly<Record<string, Member['type']>> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Directory: 'directory',
  SymbolicLink: 'symlink',
  Link: 'hardlink',
};

/**
 * Reads a plain tar's headers: ustar, GNU and pax.
 * @param words how to name the archive in an error
 * @throws KilnError `integrity` when it is truncated, damaged or no tar; the signal's reason when aborted.
 */
export async function listMembers(path: string, words: string, signal?: AbortSignal): Promise<Member[]> {
  const members: Member[] = [];
  const ended = Promise.withResolvers<void>();
  const parser = new Parser({ strict: true });
  const take = (entry: ReadEntry) => {
    members.push(memberOf(entry));
    entry.resume();
  };
  parser.on('entry', take);
  // Types that node-tar passes over in silence and GNU tar unpacks.
  parser.on('ignoredEntry', take);
  let marked = false;
  parser.on('eof', () => {
    marked = true;
  });
  parser.on('error', ended.reject);
  // Without its end mark (two blocks of zeros), an archive cut between two members would pass for a whole one.
  parser.on('end', () => (marked ? ended.resolve() : ended.reject(new Error('it ends before its end mark'))));
  const feed = async () => {
    for await (const chunk of createReadStream(path, { highWaterMark: 4 << 20 })) {
      signal?.throwIfAborted();
      parser.write(chunk as Buffer);
    }
    parser.end();
    await ended.promise;
  };
  try {
    await Promise.race([feed(), ended.promise]);
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw new KilnError('integrity', `${words} is not a whole tar archive: ${(error as Error).message}`, {
      hint: 'get the file anew; a kernel source is a tar of one top directory, bare or packed as gz, bz2, xz or zst',
      cause: error,
    });
  }
  return members;
}

function memberOf(entry: ReadEntry): Member {
  return {
    path: entry.path,
    type: TYPES[entry.type] ?? 'other',
    typeName: entry.type,
    size: entry.size,
    mode: entry.mode ?? 0o644,
    ...(entry.linkpath === undefined ? {} : { target: entry.linkpath }),
  };
}
