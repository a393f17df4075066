import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Wake, watchDatabase } from '../../src/queue/wake.ts';
import { freshDirectory } from '../support/kiln.ts';

it('a commit that is told of before it can be seen wakes those who wait as soon as it can', async () => {
  const file = join(freshDirectory('record'), 'state.db');
  const wake = new Wake();
  let looks = 0;
  // It can be seen by the third look after the log was written to.
  const watcher = watchDatabase(file, wake, () => (looks++ < 3 ? 0 : 1));
  writeFileSync(`${file}-wal`, 'the bytes of a commit');
  await wake.wait(0, 10_000, new AbortController().signal);
  watcher.close();
  expect(wake.count).toBe(1);
});
