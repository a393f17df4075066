/** Longest that a server which does not answer is left alone, in milliseconds: a week. */
const LONGEST_MS = 7 * 86_400_000;
/** The first wait after a failure. */
const FIRST_MS = 5 * 60_000;

/**
 * When a listing is asked again: after the interval, up to a tenth later, so that many who started together don't all
 * come together.
 * @param chance from 0 up to 1
 */
export function afterSuccess(now: number, everyMs: number, chance: number): number {
  return now + everyMs + Math.floor((everyMs * chance) / 10);
}

/**
 * When a server is asked again that failed: after five minutes, and twice as long each time it fails again; not before
 * it asks for (Retry-After), and never so often as a server that answers.
 * @param failures how often it failed in a row, this time included
 */
export function afterFailure(
  now: number,
  failures: number,
  everyMs: number,
  chance: number,
  retryAfterMs = 0,
): number {
  const longest = Math.max(everyMs, Math.min(LONGEST_MS, 8 * everyMs));
  const wait = Math.min(FIRST_MS * 2 ** Math.min(failures - 1, 30), longest);
  return now + Math.max(Math.min(retryAfterMs, LONGEST_MS), wait + Math.floor((wait * chance) / 10));
}
