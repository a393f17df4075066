import { vi } from 'vitest';

/**
 * The crash tests try every operation of every change with KILN_TEST_FAULTS=all, which takes minutes; by default a share
 * of them, spread evenly, and the last for certain.
 */
const ALL = process.env.KILN_TEST_FAULTS === 'all';
if (ALL) vi.setConfig({ testTimeout: 4 * 3_600_000 });

/** All of something, or by default every so many-th and the last. @param from where to begin, so that tests differ */
export function share<T>(all: readonly T[], every: number, from = 0): T[] {
  return ALL
    ? [...all]
    : all.filter((_, index) => index % every === from % every || index === all.length - 1);
}

/** How often something is done: all of it, or by default less. */
export function shareOf(count: number, byDefault: number): number {
  return ALL ? count : byDefault;
}

/** A figure of a whole run, for who asked for one. */
export function tell(text: string): void {
  if (ALL) process.stdout.write(`${text}\n`);
}
