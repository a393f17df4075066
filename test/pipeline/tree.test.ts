import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadRecipe } from '../../src/pipeline/recipes.ts';
import { unpackKernel } from '../../src/pipeline/tree.ts';
import { fetchSource } from '../../src/sources/index.ts';
import { freshDirectory } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

test.each([
  ['without a Makefile', undefined, 'Makefile does not exist'],
  ['whose Makefile is another', 'all:\n', 'Makefile sets no VERSION'],
])('a source %s is told by its name, not by that of a tree that is gone', async (_what, makefile, why) => {
  const given = join(freshDirectory('given'), 'no-kernel');
  mkdirSync(given);
  if (makefile !== undefined) writeFileSync(join(given, 'Makefile'), makefile);
  const recipe = await loadRecipe(writeRecipe());
  const options = { cacheDirectory: freshDirectory('cache'), mirrors: [], substitute: given };
  const kernel = await fetchSource({ name: 'kernel', urls: ['x'], baseDirectory: '/' }, options);
  await expect(unpackKernel(join(freshDirectory('tree'), 'tree'), recipe, kernel, {})).rejects.toMatchObject({
    kind: 'invalid',
    message: `no-kernel (source kernel) holds no kernel tree: ${why}`,
    place: recipe.placeOf(['kernel', 'source']),
  });
});
