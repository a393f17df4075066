import { KilnError } from '../platform/errors.ts';

/** One line of a quilt `series` file. */
export interface SeriesEntry {
  /** As written: a path relative to the series file. */
  readonly name: string;
  /** quilt's default is 1; `-pab` means 1 with the names a/ and b/. */
  readonly strip: number;
  readonly line: number;
}

/**
 * Reads a `series` file (quilt(1), "Series file"): one patch a line, options behind it, `#` starts a comment.
 * Pure.
 * @param path what errors call the file
 * @throws KilnError `invalid` for an option that Kiln does not have, and for a file that lists nothing
 */
export function parseSeries(text: string, path: string): SeriesEntry[] {
  const entries: SeriesEntry[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const words = raw
      .replace(/(^|\s)#.*$/, '')
      .trim()
      .split(/\s+/);
    const [name, ...options] = words;
    if (name === undefined || name === '') continue;
    entries.push({ name, strip: readStrip(options, path, index + 1), line: index + 1 });
  }
  if (entries.length === 0) {
    throw new KilnError('invalid', 'the series file lists no patch', { place: { file: path } });
  }
  return entries;
}

function readStrip(options: readonly string[], path: string, line: number): number {
  let strip = 1;
  for (const option of options) {
    const level = /^-p(\d|ab)$/.exec(option)?.[1];
    if (level === undefined) {
      throw new KilnError('invalid', `the option ${option} is not one that Kiln has`, {
        place: { file: path, line },
        hint: option === '-R' ? 'reverse the patch itself' : 'a line is a patch and at most -pN',
      });
    }
    strip = level === 'ab' ? 1 : Number(level);
  }
  return strip;
}
