import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One scratch directory for the whole run, for what several test files share; gone at the end. */
export default function setup(): () => void {
  const scratch = mkdtempSync(join(tmpdir(), 'kiln-test-'));
  process.env.KILN_TEST_SCRATCH = scratch;
  return () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
