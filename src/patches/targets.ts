import { KilnError } from '../platform/errors.ts';
import { hazardOf, stripName, tidyPath } from './names.ts';
import type { Overlay } from './overlay.ts';
import type { FileSection, ParsedPatch } from './types.ts';

/** GNU patch and quilt users never need more. */
const DEEPEST_STRIP = 9;

/** The file that a section is about. */
export interface Target {
  readonly path: string;
  /** The source of a rename or copy. */
  readonly from: string | undefined;
}

/**
 * The path that a section means, as GNU patch picks it (patch(1), "the best of the old, index and new
 * names"): of those that exist the one with the fewest components, the shortest base name, the shortest name.
 * @returns undefined when no name has enough components for the strip level
 * @throws KilnError `integrity` when a name would leave the tree
 */
export function findTarget(
  patch: string,
  section: FileSection,
  strip: number,
  tree: Overlay,
): Target | undefined {
  const at = (name: string | undefined) => safePath(patch, section, name, strip);
  const [old, now, index] = [at(section.oldName), at(section.newName), at(section.indexName)];
  if (section.renameFrom !== undefined || section.copyFrom !== undefined) {
    return old === undefined || now === undefined ? undefined : { path: now, from: old };
  }
  if (section.notation === 'git') {
    const path = section.deletes ? (old ?? now) : (now ?? old);
    return path === undefined ? undefined : { path, from: undefined };
  }
  const names = [...new Set([old, now, index].filter((name) => name !== undefined))];
  const there = names.length > 1 ? names.filter((name) => tree.exists(name)) : names;
  const best = (there.length > 0 ? there : names).sort(byBrevity)[0];
  return best === undefined ? undefined : { path: best, from: undefined };
}

function byBrevity(a: string, b: string): number {
  const base = (name: string) => name.slice(name.lastIndexOf('/') + 1);
  return a.split('/').length - b.split('/').length || base(a).length - base(b).length || a.length - b.length;
}

function safePath(
  patch: string,
  section: FileSection,
  name: string | undefined,
  strip: number,
): string | undefined {
  if (name === undefined) return undefined;
  const stripped = stripName(name, strip);
  if (stripped === undefined) return undefined;
  const hazard = hazardOf(stripped);
  if (hazard !== undefined) throw hazardous(patch, section, stripped, hazard);
  return tidyPath(stripped);
}

function hazardous(patch: string, section: FileSection, name: string, hazard: string): KilnError {
  return new KilnError('integrity', `the name ${JSON.stringify(name)} ${hazard}`, {
    place: { file: patch, line: section.line },
    hint: 'nothing was changed; look where this patch comes from, or give the right strip level',
  });
}

/**
 * The strip level at which the most files of the patch are there; the lowest of equals, except that a patch
 * which only makes files is taken at 1, as they are written. Trying never strips away a leading `/` or a `..`.
 * @throws KilnError `integrity` when a name climbs out or is absolute
 */
export function findStrip(patch: ParsedPatch, tree: Overlay): number {
  for (const section of patch.sections) {
    for (const name of [section.oldName, section.newName, section.indexName]) {
      const hazard = name === undefined ? undefined : hazardOf(name);
      if (name !== undefined && hazard !== undefined) throw hazardous(patch.name, section, name, hazard);
    }
  }
  let best = { strip: 1, there: 0, parents: 0 };
  for (const strip of [1, 0, 2, 3, 4, 5, 6, 7, 8, DEEPEST_STRIP]) {
    const score = { strip, ...scoreStrip(patch, strip, tree) };
    if (score.there > best.there || (score.there === best.there && score.parents > best.parents)) {
      best = score;
    }
    if (best.there === patch.sections.length) break;
  }
  return best.strip;
}

function scoreStrip(
  patch: ParsedPatch,
  strip: number,
  tree: Overlay,
): { readonly there: number; readonly parents: number } {
  let there = 0;
  let parents = 0;
  for (const section of patch.sections) {
    const target = findTarget(patch.name, section, strip, tree);
    if (target === undefined) continue;
    if (tree.exists(target.from ?? target.path)) there++;
    else if (tree.disk.hasParent(target.path)) parents++;
  }
  return { there, parents };
}
