import { delimiter, isAbsolute, join } from 'node:path';
import { parse } from 'yaml';
import { KilnError } from '../platform/errors.ts';
import { readTextIfAny } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';

/**
 * The NFS roots that nodes mount: modules are put there before a channel flips. `nfs-roots` in the home's
 * kiln.yaml (a list, or directories separated by ":"), or $KILN_NFS_ROOTS.
 * @throws KilnError `invalid` for a relative path
 */
export async function nfsRoots(home: Home, environment = process.env): Promise<string[]> {
  const file = join(home.root, 'kiln.yaml');
  const variable = environment.KILN_NFS_ROOTS;
  const roots = variable !== undefined && variable !== '' ? variable.split(delimiter) : await rootsIn(file);
  for (const root of roots) {
    if (isAbsolute(root)) continue;
    throw new KilnError('invalid', `nfs-roots: ${JSON.stringify(root)} is not an absolute path`, {
      place: { file: roots === variable?.split(delimiter) ? '$KILN_NFS_ROOTS' : file },
      hint: 'e.g. /opt/ltsp/i386',
    });
  }
  return roots;
}

async function rootsIn(file: string): Promise<string[]> {
  const text = await readTextIfAny(file);
  if (text === undefined) return [];
  const value = (parse(text) as Record<string, unknown> | null)?.['nfs-roots'];
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value.map(String) : String(value).split(delimiter).filter(Boolean);
}
