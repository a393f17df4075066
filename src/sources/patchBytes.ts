import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { removeTree, temporaryDirectory } from '../platform/files.ts';
import { archiveNames, type MemberPath, takeMember, unpackOnce } from './archiveMember.ts';
import type { FetchedSource } from './types.ts';

/** The largest patch that is read, in bytes, unpacked; several times a whole kernel as one diff. */
export const MAX_PATCH_BYTES = 256 * 2 ** 20;

export interface ReadPatchOptions {
  /** The patch's name inside a tar or an RPM, or names through archives in one another; it may be packed itself. */
  readonly member?: MemberPath;
  readonly signal?: AbortSignal;
}

/**
 * The bytes of a patch, unpacked when its content says gzip, bzip2, xz or zstd, whatever its name is, and
 * taken out of a tar or an RPM when `member` names it there.
 * @throws KilnError `integrity` when it is damaged or larger than `MAX_PATCH_BYTES`; `invalid` for a directory,
 *   for an archive without `member`, and for a member that is not there, naming those that are.
 */
export async function readPatchBytes(
  source: FetchedSource | string,
  options: ReadPatchOptions = {},
): Promise<Buffer> {
  const path = typeof source === 'string' ? source : source.path;
  const called = typeof source === 'string' ? source : `${source.fileName} (source ${source.name})`;
  if (!(await stat(path)).isFile()) {
    throw new KilnError('invalid', `${called} is not a file, and a patch is one`, {
      hint: 'give the patch itself, bare or packed as gz, bz2, xz or zst',
    });
  }
  const { member, signal } = options;
  const work = await temporaryDirectory('kiln-patch');
  try {
    const how = { called, limit: MAX_PATCH_BYTES, work, ...(signal === undefined ? {} : { signal }) };
    const taken = member === undefined ? path : await takeMember(path, member, how);
    const patch = await unpackOnce(taken, join(work, 'patch'), how);
    await refuseArchive(patch, called);
    if ((await stat(patch)).size > MAX_PATCH_BYTES) throw tooLarge(called);
    return await readFile(patch);
  } finally {
    await removeTree(work);
  }
}

async function refuseArchive(path: string, called: string): Promise<void> {
  const lines = await archiveNames(path);
  if (lines === undefined) return;
  throw new KilnError('invalid', `${called} is an archive, and a patch is one file of it`, {
    lines,
    hint: 'name the one that is meant with member:',
  });
}

function tooLarge(called: string): KilnError {
  return new KilnError('integrity', `${called} is larger than ${MAX_PATCH_BYTES} bytes, which no patch is`, {
    hint: 'check where the file comes from',
  });
}
