import {
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { commitBundle } from '../../src/bundle/index.ts';
import { KilnError } from '../../src/platform/errors.ts';
import { disk } from '../../src/platform/filesystem.ts';
import { type Home, homeAt } from '../../src/platform/home.ts';
import { linkPath, publishBundle, rollback } from '../../src/publish/index.ts';
import { recover } from '../../src/publish/recover.ts';
import { findFaults } from './findFaults.ts';
import { manifestFor, moduleArchive, storeBundle } from './fixture.ts';

/**
 * A bundle's way from the builder's hands by store and NFS root to the channel, and a rollback, on a file system that
 * is full but for so many pieces, from none to as many as it needs: `fullDisk.ts MOUNT blocks|inodes STEP`, on a small
 * file system of its own. Prints a line of JSON for each.
 */
const [, , mount = '', what = '', step = '1'] = process.argv;

/** @returns the files of a third bundle, made and not yet stored */
async function prepare(home: Home, modules: Buffer): Promise<string> {
  for (const id of ['one', 'two']) await publishBundle(home, await storeBundle(home, id), 'lts/x');
  mkdirSync(join(home.root, 'nfs'));
  writeFileSync(join(home.root, 'kiln.yaml'), `nfs-roots: ${join(home.root, 'nfs')}\n`);
  const staged = join(home.cache, 'staged');
  mkdirSync(staged);
  writeFileSync(join(staged, 'vmlinuz'), 'three');
  writeFileSync(join(staged, 'modules.tar.gz'), modules);
  return staged;
}

async function storeAndPublish(home: Home, staged: string): Promise<void> {
  // A long reason, so that the journal needs blocks of its own.
  const reason = 'because '.repeat(1000);
  const bundle = await commitBundle(home, staged, await manifestFor(staged, 'three'));
  await publishBundle(home, bundle, 'lts/x', { reason });
}

/** Fills the file system, and gives some of it back. */
function fill(pieces: number): void {
  const place = join(mount, 'filler');
  mkdirSync(place);
  if (what === 'inodes') {
    const made: string[] = [];
    try {
      for (;;) {
        const path = join(place, String(made.length));
        writeFileSync(path, '');
        made.push(path);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
    for (const path of made.slice(made.length - pieces)) rmSync(path);
    return;
  }
  const { bsize } = statfsSync(mount);
  const file = openSync(join(place, 'blocks'), 'w');
  const block = Buffer.alloc(bsize, 1);
  let size = 0;
  try {
    for (;;) size += writeSync(file, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  closeSync(file);
  truncateSync(join(place, 'blocks'), Math.max(0, size - pieces * bsize));
}

async function outcomeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return 'done';
  } catch (error) {
    return error instanceof KilnError ? error.message : `bug: ${String(error)}`;
  }
}

const modules = await moduleArchive('three', { 'modules.dep': 'whole', 'modules.pcimap': 'whole' });
for (let pieces = 0, enough = 0; enough < 2; pieces += Number(step)) {
  const home = homeAt(join(mount, `home-${pieces}`));
  const staged = await prepare(home, modules);
  fill(pieces);
  const publish = await outcomeOf(storeAndPublish(home, staged));
  await recover(disk, home);
  const published = await disk.readlink(linkPath(home, 'lts/x'));
  const faultsThen = await findFaults(home);
  const rolledBack = await outcomeOf(rollback(home, 'lts/x', 1));
  const back = await disk.readlink(linkPath(home, 'lts/x'));
  const faults = [...faultsThen, ...(await findFaults(home))];
  process.stdout.write(`${JSON.stringify({ pieces, publish, published, rolledBack, back, faults })}\n`);
  rmSync(join(mount, 'filler'), { recursive: true });
  rmSync(home.root, { recursive: true });
  enough = publish === 'done' ? enough + 1 : 0;
}
