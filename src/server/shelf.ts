import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { listBundles, readBundleIfAny, type StoredBundle } from '../bundle/index.ts';
import { hasErrno } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';

const MOST = 5000;
const known = new Map<string, { readonly state: string; readonly stored: StoredBundle }>();

/** Every stored bundle, as `listBundles` gives them; manifests that were read before are not read again. */
export function bundlesOf(home: Home): Promise<StoredBundle[]> {
  return listBundles(home, undefined, readOnce);
}

/** What is in a bundle is never written again; one that was removed and built anew is another file. */
async function readOnce(directory: string): Promise<StoredBundle | undefined> {
  const state = await stateOf(join(directory, 'manifest.json'));
  const before = known.get(directory);
  if (state !== undefined && before?.state === state) return before.stored;
  const stored = state === undefined ? undefined : await readBundleIfAny(directory);
  if (known.size >= MOST) known.clear();
  if (stored === undefined || state === undefined) known.delete(directory);
  else known.set(directory, { state, stored });
  return stored;
}

async function stateOf(path: string): Promise<string | undefined> {
  try {
    const { ino, mtimeMs, size } = await stat(path);
    return `${ino} ${mtimeMs} ${size}`;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
