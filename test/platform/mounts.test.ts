import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findNoexec } from '../../src/platform/mounts.ts';
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

const MOUNTS = `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:26 / /srv rw,nosuid,noexec,relatime shared:2 - tmpfs tmpfs rw
31 30 0:27 / /srv/two\\040words rw - tmpfs tmpfs rw
32 21 0:28 / /mnt rw - tmpfs tmpfs rw
33 32 0:29 / /mnt rw,noexec - tmpfs tmpfs rw
`;

it.each([
  ['/home/kiln', undefined],
  ['/srv', '/srv'],
  ['/srv/home/cache', '/srv'],
  ['/srv/two words/home', undefined],
  ['/srvx', undefined],
  ['/mnt/home', '/mnt'],
])('no program is started in %s: %s', (path, mount) => {
  expect(findNoexec(MOUNTS, path)).toBe(mount);
});
