import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One scratch directory for the whole run, for what several test files share; gone at the end. */
export default function setup(): () => Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'kiln-test-'));
  process.env.KILN_TEST_SCRATCH = scratch;
  // Meanwhile the runner waits for its own processes, by the clock.
  return () => rm(scratch, { recursive: true, force: true, maxRetries: 5 });
}
