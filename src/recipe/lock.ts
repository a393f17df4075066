import { stringify } from 'yaml';
import { z } from 'zod';
import { KilnError, type Place } from '../platform/errors.ts';
import { readYaml, type YamlFile } from './yaml.ts';

/** What a source was when it was first fetched; it must be the same from then on. */
export interface LockedSource {
  /** The file's name at the URL that it came from: a recipe that names another file is locked anew. */
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
}

/** `recipes/<name>.lock.yaml`: locked sources by name (`kernel`, or a patch's name). */
export type RecipeLock = Readonly<Record<string, LockedSource>>;

const lockSchema = z.strictObject({
  sources: z.record(
    z.string(),
    z.strictObject({
      file: z.string(),
      size: z.int().positive(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

/** Reads a lock file's text. @throws KilnError `invalid` when it is not one. */
export function parseLock(text: string, file: string): RecipeLock {
  const { content, placeOf } = readLockYaml(text, file);
  const parsed = lockSchema.safeParse(content);
  if (parsed.success) return parsed.data.sources;
  const issue = parsed.error.issues[0];
  const path = issue?.path.filter((part) => typeof part !== 'symbol') ?? [];
  throw notALock(`${path.join('.')}: ${issue?.message}`, placeOf(path));
}

function readLockYaml(text: string, file: string): YamlFile {
  try {
    return readYaml(text, file);
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    throw notALock(error.message, error.place ?? { file });
  }
}

function notALock(why: string, place: Place): KilnError {
  return new KilnError('invalid', `not a lock file: ${why}`, {
    place,
    hint: 'restore it from version control; removing it makes Kiln trust what it fetches next',
  });
}

/** A lock file's text: sorted by name, so that the same lock is the same bytes. */
export function formatLock(lock: RecipeLock): string {
  const sources = Object.fromEntries(
    Object.keys(lock)
      .sort()
      .map((name) => [name, lock[name]]),
  );
  return `# Sizes and digests of the sources as first fetched. Kiln refuses a source that differs.\n${stringify({ sources })}`;
}
