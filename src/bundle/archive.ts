import { createWriteStream } from 'node:fs';
import { lstat, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { create } from 'tar';
import { run } from '../platform/process.ts';

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
  const plain = `${archive}.tar`;
  await pipeline(stream, createWriteStream(plain));
  await compress(plain, archive);
}

/**
 * GNU gzip rather than Node's zlib: the latter's output depends on the processor that it runs on.
 * -n leaves name and time out of the header.
 */
async function compress(plain: string, archive: string): Promise<void> {
  const result = await run('gzip', ['-9', '-n', '-f', plain]);
  if (result.exitCode !== 0) throw new Error(`gzip ${plain} failed:\n${result.tail.join('\n')}`);
  await rename(`${plain}.gz`, archive);
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
