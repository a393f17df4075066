import { createWriteStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { create } from 'tar';

/**
 * Packs a directory into a .tar.gz that depends on nothing but names, modes and contents: members sorted,
 * owner 0:0, one date for all, no time stamp in the gzip header.
 * @param epoch seconds since 1970 that every member carries
 */
export async function packReproducibly(directory: string, archive: string, epoch: number): Promise<void> {
  const members = await listMembers(directory, '');
  const stream = create(
    {
      cwd: directory,
      portable: true,
      noDirRecurse: true,
      mtime: new Date(epoch * 1000),
      onWriteEntry(entry) {
        if (entry.stat === undefined) return;
        entry.stat.uid = 0;
        entry.stat.gid = 0;
        // 644 or 755: the builder's umask must not show.
        const executable = entry.stat.isDirectory() || (entry.stat.mode & 0o100) !== 0;
        entry.stat.mode = (entry.stat.mode & ~0o7777) | (executable ? 0o755 : 0o644);
      },
    },
    members,
  );
  // zlib writes mtime 0 and, given the level, a fixed header.
  await pipeline(stream, createGzip({ level: constants.Z_BEST_COMPRESSION }), createWriteStream(archive));
}

/** Every path below a directory, parents first, sorted by bytes; symlinks are members, not followed. */
export async function listMembers(directory: string, prefix: string): Promise<string[]> {
  const members: string[] = [];
  for (const name of (await readdir(join(directory, prefix))).sort()) {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    members.push(path);
    if ((await lstat(join(directory, path))).isDirectory()) {
      members.push(...(await listMembers(directory, path)));
    }
  }
  return members;
}
