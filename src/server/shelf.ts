import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bundleDirectory, readStored, type StoredBundle, surveyBundles } from '../bundle/index.ts';
import { hasErrno } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';

const MOST = 5000;
const known = new Map<string, { readonly state: string; readonly stored: StoredBundle }>();

/**
 * Every stored bundle that can be read (`kiln verify` names those that can't); manifests that were read before are not
 * read again.
 */
export async function bundlesOf(home: Home): Promise<readonly StoredBundle[]> {
  return (await surveyBundles(home, undefined, readOnce)).bundles;
}

/** What is in a bundle is never written again; one that was removed and built anew is another file. */
async function readOnce(home: Home, recipe: string, variant: string, id: string): Promise<StoredBundle> {
  const directory = bundleDirectory(home, recipe, variant, id);
  const state = await stateOf(join(directory, 'manifest.json'));
  const before = known.get(directory);
  if (state !== undefined && before?.state === state) return before.stored;
  known.delete(directory);
  const stored = await readStored(home, recipe, variant, id);
  if (known.size >= MOST) known.clear();
  if (state !== undefined) known.set(directory, { state, stored });
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
