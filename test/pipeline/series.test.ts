import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRecipe } from '../../src/pipeline/recipes.ts';
import { writeRecipe } from '../support/recipes.ts';

const OWN = `series: [quilt/series]
patches:
  - {name: openMosix, urls: [om.bz2], last: true}
  - {name: own, urls: [own.patch], after: [second]}
`;

describe('a recipe with a quilt series', () => {
  it('has its patches first, with their strip levels, and openMosix last', async () => {
    const file = writeRecipe(
      { patches: OWN },
      { 'quilt/series': '# ours\nfirst.patch -p0\nsub/second.diff.gz\n' },
    );
    const { recipe, placeOfPatch } = await loadRecipe(file);
    expect(recipe.patches.map(({ name, urls, strip }) => [name, urls[0], strip])).toEqual([
      ['first', 'quilt/first.patch', 0],
      ['second', 'quilt/sub/second.diff.gz', 1],
      ['own', 'own.patch', 1],
      ['openMosix', 'om.bz2', 1],
    ]);
    expect(placeOfPatch('second')).toEqual({ file: join(dirname(file), 'quilt/series'), line: 3 });
    expect(placeOfPatch('own').line).toBeGreaterThan(5);
  });

  it.each([
    ['that is not there', 'patches: []\nseries: [none]\n', /the series file: there is no file .*none/],
    [
      'with rules that no order keeps',
      'patches:\n  - {name: a, urls: [a], after: [b]}\n  - {name: b, urls: [b], after: [a]}\n',
      /no order keeps/,
    ],
    [
      'with patches that conflict',
      'patches:\n  - {name: a, urls: [a]}\n  - {name: b, urls: [b], conflicts: [a]}\n',
      /conflict/,
    ],
  ])('%s is refused with its place', async (_what, patches, sentence) => {
    const file = writeRecipe({ patches });
    await expect(loadRecipe(file)).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringMatching(sentence),
      place: { file, line: expect.any(Number) },
    });
  });

  it('with a line that quilt would not take names the series file and the line', async () => {
    const file = writeRecipe({ patches: 'series: [series]\n' });
    writeFileSync(join(dirname(file), 'series'), 'a.patch\nb.patch -R\n');
    await expect(loadRecipe(file)).rejects.toMatchObject({
      place: { file: join(dirname(file), 'series'), line: 2 },
    });
  });
});
