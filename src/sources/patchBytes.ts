import { mkdtemp, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import { decompress, packingOf } from './compression.ts';
import type { FetchedSource } from './types.ts';

/** The largest patch that is read, in bytes, unpacked; several times a whole kernel as one diff. */
export const MAX_PATCH_BYTES = 256 * 2 ** 20;

/**
 * The bytes of a patch, unpacked when its content says gzip, bzip2, xz or zstd, whatever its name is.
 * @throws KilnError `integrity` when it is damaged or larger than `MAX_PATCH_BYTES`; `invalid` for a directory.
 */
export async function readPatchBytes(
  source: FetchedSource | string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Buffer> {
  const path = typeof source === 'string' ? source : source.path;
  const called = typeof source === 'string' ? source : `${source.fileName} (source ${source.name})`;
  const found = await stat(path);
  if (!found.isFile()) {
    throw new KilnError('invalid', `${called} is not a file, and a patch is one`, {
      hint: 'give the patch itself, bare or packed as gz, bz2, xz or zst',
    });
  }
  const packing = await packingOf(path);
  if (packing === 'bare') {
    if (found.size > MAX_PATCH_BYTES) throw tooLarge(called);
    return readFile(path);
  }
  const directory = await mkdtemp(join(tmpdir(), 'kiln-patch-'));
  try {
    const unpacked = join(directory, 'patch');
    await decompress(path, unpacked, packing, { called, limit: MAX_PATCH_BYTES, ...options });
    return await readFile(unpacked);
  } finally {
    await removeTree(directory);
  }
}

function tooLarge(called: string): KilnError {
  return new KilnError('integrity', `${called} is larger than ${MAX_PATCH_BYTES} bytes, which no patch is`, {
    hint: 'check where the file comes from',
  });
}
