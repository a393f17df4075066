import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { output, run } from '../../src/platform/process.ts';
import { freshDirectory } from '../support/kiln.ts';

const CONTAINER = ['--user', '--map-root-user', '--'];
const { exitCode } = await run('unshare', [...CONTAINER, 'unshare', '--mount', 'true']);

it.skipIf(exitCode !== 0)(
  "root in an ordinary user's container may remove what an overlay shows",
  async () => {
    const directory = freshDirectory('overlay');
    for (const name of ['lower/found', 'upper', 'work', 'at'])
      mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, 'lower/found/file'), '');
    const child = join(import.meta.dirname, 'overlayChild.ts');
    const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
    expect(JSON.parse(await output('unshare', [...CONTAINER, ...node, child, directory]))).toEqual([]);
  },
);
