/** The present moment in ISO 8601, UTC, to the second. */
export function nowIso(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}

/** A name for what this process writes now and another may write too: such names sort in the order of time. */
export function uniqueStamp(): string {
  return `${new Date().toISOString().replace(/[-:]/g, '').replace('.', '')}-${process.pid}`;
}

/**
 * Seconds since 1970 that stand in every artifact instead of the time of the build:
 * SOURCE_DATE_EPOCH where it is set (https://reproducible-builds.org/specs/source-date-epoch/), else 2003-08-25,
 * the day of 2.4.22, so that tools of that age find nothing in the future.
 */
export function sourceDateEpoch(environment: NodeJS.ProcessEnv = process.env): number {
  const given = environment.SOURCE_DATE_EPOCH;
  return given !== undefined && /^\d+$/.test(given) ? Number(given) : 1061769600;
}

/** `3.2 s` below a minute, `2 min 05 s` above. */
export function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}
