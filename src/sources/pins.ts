import type { FileDigests } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import type { SourceSpec } from './types.ts';

/** What a source's file must be: everything that the recipe and its lock file say. */
export interface Pins {
  readonly size?: number;
  readonly sha256?: string;
  readonly sha1?: string;
  readonly md5?: string;
}

/** The first thing about a file that is not as pinned. */
export interface Mismatch {
  readonly what: keyof Pins;
  readonly expected: string;
  readonly found: string;
}

/**
 * Joins the recipe's pins with the lock file's.
 * @throws KilnError `integrity` when the two contradict each other.
 */
export function pinsOf(spec: SourceSpec): Pins {
  const lower = (hex: string | undefined) => hex?.toLowerCase();
  const pins = { size: spec.size, sha256: lower(spec.sha256), sha1: lower(spec.sha1), md5: lower(spec.md5) };
  const { locked } = spec;
  if (locked !== undefined) {
    agree(spec, 'sha256', pins.sha256, locked.sha256.toLowerCase());
    agree(spec, 'size', pins.size, locked.size);
    pins.sha256 = locked.sha256.toLowerCase();
    pins.size = locked.size;
  }
  return Object.fromEntries(Object.entries(pins).filter(([, value]) => value !== undefined));
}

function agree(spec: SourceSpec, what: string, recipe: unknown, locked: unknown): void {
  if (recipe === undefined || recipe === locked) return;
  throw new KilnError(
    'integrity',
    `source ${spec.name}: the recipe gives ${what} ${recipe}, its lock file ${locked}`,
    {
      hint: `if the recipe was changed on purpose, delete the entry ${spec.name} from the lock file; else put the recipe right`,
      ...(spec.place === undefined ? {} : { place: spec.place }),
    },
  );
}

/** The older digests that have to be computed beside SHA-256 to compare a file with its pins. */
export function olderDigests(pins: Pins): ('md5' | 'sha1')[] {
  return (['md5', 'sha1'] as const).filter((name) => pins[name] !== undefined);
}

/** True when a digest settles which bytes are meant, so that pieces fetched at different times may be joined. */
export function hasDigest(pins: Pins): boolean {
  return pins.sha256 !== undefined || pins.sha1 !== undefined || pins.md5 !== undefined;
}

/** Compares a file with its pins, strongest evidence first; undefined when all hold. */
export function findMismatch(pins: Pins, found: Partial<FileDigests>): Mismatch | undefined {
  for (const what of ['size', 'sha256', 'sha1', 'md5'] as const) {
    const expected = pins[what];
    if (expected !== undefined && expected !== found[what]) {
      return { what, expected: String(expected), found: String(found[what]) };
    }
  }
  return undefined;
}

/** `sha256 is a1…, expected b2…`, for lines and events. */
export function describeMismatch(mismatch: Mismatch): string {
  const unit = mismatch.what === 'size' ? ' bytes' : '';
  return `${mismatch.what} is ${mismatch.found}${unit}, expected ${mismatch.expected}${unit}`;
}
