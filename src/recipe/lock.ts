import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { KilnError } from '../platform/errors.ts';

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
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    throw notALock(file, String((error as Error).message).split('\n')[0] ?? '');
  }
  const parsed = lockSchema.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw notALock(file, `${issue?.path.join('.')}: ${issue?.message}`);
  }
  return parsed.data.sources;
}

function notALock(file: string, why: string): KilnError {
  return new KilnError('invalid', `not a lock file: ${why}`, {
    place: { file, line: 1 },
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
