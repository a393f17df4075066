import { KilnError } from '../platform/errors.ts';
import type { ImageEntry } from './content.ts';

/**
 * Puts entries over others, as unpacking one archive over another would: a file takes the place of a file, a
 * directory joins the one that is there. Directories that nobody names are made; parents come first.
 * @throws KilnError `failed` where a directory would take the place of a file or link, or the other way round
 */
export function layOver(base: readonly ImageEntry[], over: readonly ImageEntry[]): ImageEntry[] {
  const entries = new Map<string, ImageEntry>();
  for (const entry of [...base, ...over]) {
    for (const parent of parentsOf(entry.path)) {
      const there = entries.get(parent);
      if (there === undefined) entries.set(parent, { type: 'directory', path: parent, mode: 0o755 });
      else if (there.type !== 'directory') throw collision(entry.path, parent);
    }
    const there = entries.get(entry.path);
    if (there !== undefined && (there.type === 'directory') !== (entry.type === 'directory')) {
      throw collision(entry.path, entry.path);
    }
    entries.set(entry.path, entry);
  }
  return [...entries.values()];
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_part, index) => parts.slice(0, index + 1).join('/'));
}

function collision(path: string, place: string): KilnError {
  return new KilnError(
    'failed',
    `/${path} can't go into the initrd: /${place} is there already, of another kind`,
    {
      hint: 'see what the kit has there',
    },
  );
}
