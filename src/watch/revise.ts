import { isMap, isScalar, isSeq, parse, parseDocument, type YAMLMap } from 'yaml';
import { digestOf } from '../platform/digest.ts';
import type { LockedSource } from '../recipe/lock.ts';
import { applyEdits, type Edit, editList, editScalar, mapsOf, removeMembers } from './edit.ts';

/** A source that a revision has another file for. */
export interface Update {
  /** `kernel` or the patch's name in the recipe. */
  readonly source: string;
  /** Its version, as the watch rule reads it; null for an edited local file. */
  readonly version: string | null;
  /** Where it is; null: where the recipe says, with other bytes. */
  readonly urls: readonly string[] | null;
  /** The name that it has in the recipe with the new version; null: as it was. */
  readonly renamed: string | null;
  readonly extraversion: string | null;
  readonly locked: LockedSource;
}

/**
 * A recipe's text with other files for some of its sources: their URLs and names, the kernel's version. What the
 * recipe says of the old file's size and digests goes: the new one's are in the revision's lock. Comments and order
 * stay.
 */
export function reviseRecipe(text: string, updates: readonly Update[]): string {
  const changes = updates.filter(({ urls }) => urls !== null);
  if (changes.length === 0) return text;
  const wanted = rewritten(text, changes);
  const edited = applyEdits(text, editsFor(text, changes));
  // Where a recipe is written in a way that can't be edited line by line, it is written anew.
  const document = parseDocument(edited);
  const same = document.errors.length === 0 && digestOf(document.toJS()) === digestOf(parse(wanted));
  return same ? edited : wanted;
}

const PINS = ['size', 'sha256', 'sha1', 'md5'];

/** The changes line by line, so that the difference is no more than them. */
function editsFor(text: string, updates: readonly Update[]): Edit[] {
  const document = parseDocument(text);
  const patches = mapsOf(document.get('patches'));
  return updates.flatMap(({ source, urls, version, renamed, extraversion }) => {
    const kernel = source === 'kernel';
    const map = kernel
      ? document.getIn(['kernel', 'source'])
      : patches.find((one) => one.get('name') === source);
    if (!isMap(map)) return [];
    const names =
      renamed === null
        ? []
        : [
            map.get('name', true),
            ...patches.flatMap((patch) =>
              ['after', 'conflicts'].flatMap((key) => {
                const list = patch.get(key);
                return isSeq(list)
                  ? list.items.filter((item) => isScalar(item) && item.value === source)
                  : [];
              }),
            ),
          ];
    return [
      ...editList(text, map.get('urls', true), urls ?? []),
      ...removeMembers(text, map, PINS),
      ...names.flatMap((node) => editScalar(node, renamed ?? source)),
      ...(kernel && version !== null ? editScalar(document.getIn(['kernel', 'version'], true), version) : []),
      ...(extraversion === null ? [] : editScalar(document.get('extraversion', true), extraversion)),
    ];
  });
}

/** The same on the document, whatever its style. */
function rewritten(text: string, updates: readonly Update[]): string {
  const document = parseDocument(text);
  for (const { source, urls, version, renamed, extraversion } of updates) {
    const patches = mapsOf(document.get('patches'));
    const map =
      source === 'kernel'
        ? document.getIn(['kernel', 'source'])
        : patches.find((one) => one.get('name') === source);
    if (isMap(map)) {
      for (const pin of PINS) map.delete(pin);
      map.set('urls', urls);
    }
    if (source === 'kernel' && version !== null) document.setIn(['kernel', 'version'], version);
    if (renamed !== null) for (const patch of patches) rename(patch, source, renamed);
    if (extraversion !== null) document.set('extraversion', extraversion);
  }
  return document.toString({ lineWidth: 0 });
}

/** Gives a patch its new name, where it stands and where another names it. */
function rename(patch: YAMLMap, from: string, to: string): void {
  if (patch.get('name') === from) patch.set('name', to);
  for (const key of ['after', 'conflicts']) {
    const names = patch.get(key);
    if (!isSeq(names)) continue;
    for (const item of names.items) if (isScalar(item) && item.value === from) item.value = to;
  }
}

/** The recipe's text as a revision in another directory has it: its relative paths start where they did. */
export function placeRecipe(text: string, directory: string): string {
  const written = parseDocument(text).get('directory', true);
  if (written !== undefined) return applyEdits(text, editScalar(written, directory));
  return `# A revision by kiln watch. Its relative paths start at the directory of the recipe that it revises.\ndirectory: ${JSON.stringify(directory)}\n${text}`;
}

/** A patch's name with the new version in it, where the old file's name without its endings was its name. */
export function renamedPatch(name: string, oldFile: string, newFile: string): string | null {
  const stem = (file: string) => file.replace(/(\.(patch|diff|gz|bz2|xz|zst))+$/, '');
  const fresh = stem(newFile);
  if (name !== stem(oldFile) || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(fresh)) return null;
  return fresh;
}
