import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WorkTrees } from '../../src/pipeline/work-trees.ts';
import { openAir } from '../../src/platform/sandbox.ts';

/**
 * Makes a work tree that is a copy in the directory that it is told, changes it, and says on standard output what
 * became of the blocks of both: `{"shared": true, "kept": true}`.
 */

const [, , directory = ''] = process.argv;
const prepared = join(directory, 'prepared');
const source = randomBytes(1 << 20);
mkdirSync(prepared);
writeFileSync(join(prepared, 'source'), source);

const trees = new WorkTrees({
  prepared,
  work: join(directory, 'work'),
  sandboxFor: (path) => openAir('none', path),
  most: 1,
  overlays: false,
});
let shared = false;
await trees.use(new AbortController().signal, async ({ tree }) => {
  const copy = join(tree, 'source');
  // filefrag(8): the flags of an extent that more than one file has.
  shared = /\bshared\b/.test(execFileSync('filefrag', ['-sv', copy], { encoding: 'utf8' }));
  writeFileSync(copy, 'changed', { flag: 'r+' });
  return { built: { release: 'one', config: '' } };
});
await trees.close();
const kept = readFileSync(join(prepared, 'source')).equals(source);
process.stdout.write(JSON.stringify({ shared, kept }));
