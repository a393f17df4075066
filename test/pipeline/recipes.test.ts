import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { requireBootable } from '../../src/pipeline/boot-options.ts';
import { readBase, readFragments } from '../../src/pipeline/inputs.ts';
import { loadRecipe } from '../../src/pipeline/recipes.ts';
import { expandVariant } from '../../src/recipe/variants.ts';
import { freshDirectory } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

test('a preferred configuration is the base where a mirror has it, before that where the recipe is', async () => {
  const file = writeRecipe({}, { 'preferring.yaml': '' });
  const preferring = join(dirname(file), 'preferring.yaml');
  writeFileSync(
    preferring,
    `name: preferring
kernel: {version: 2.4.99, source: {urls: [linux.tar]}}
config: {base: none, prefer: ltsp/config-2.4.19-ltsp-1}
variants: {a: {}}
channel: own/a
`,
  );
  const mirror = freshDirectory('mirror');
  const recipe = await loadRecipe(preferring);
  const base = () => readBase(recipe, [freshDirectory('empty'), mirror]);
  expect(await base()).toMatchObject({ name: 'none', text: '' });
  writeFileSync(join(mirror, 'config-2.4.19-ltsp-1'), 'CONFIG_NET=y\n');
  expect(await base()).toMatchObject({ name: 'ltsp/config-2.4.19-ltsp-1', text: 'CONFIG_NET=y\n' });
  mkdirSync(join(dirname(file), 'ltsp'));
  writeFileSync(join(dirname(file), 'ltsp/config-2.4.19-ltsp-1'), 'CONFIG_INET=y\n');
  expect(await base()).toMatchObject({ text: 'CONFIG_INET=y\n' });
});

test.each([
  ['is not there', 'nothing.yaml', /there is no file .*nothing\.yaml/],
  ['has a name too long for the disk', `${'x'.repeat(300)}.yaml`, /can't be read \(ENAMETOOLONG/],
  ['is a symlink to itself', 'loop.yaml', /can't be read \(ELOOP/],
  ['is a directory', '.', /is a directory/],
])('a recipe that %s is told so, as wrong usage', async (_what, name, sentence) => {
  const directory = freshDirectory('recipes');
  symlinkSync('loop.yaml', join(directory, 'loop.yaml'));
  await expect(loadRecipe(`${directory}/${name}`)).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(sentence),
  });
});

test('a recipe that is not UTF-8 is refused with the line', async () => {
  const file = join(freshDirectory('recipes'), 'latin1.yaml');
  writeFileSync(file, Buffer.from('name: x\n# caf\xe9\n', 'latin1'));
  await expect(loadRecipe(file)).rejects.toMatchObject({ kind: 'invalid', place: { file, line: 2 } });
});

test('a fragment whose name is too long for the disk is told with its place in the recipe', async () => {
  const file = writeRecipe({}, {});
  const directory = dirname(file);
  const long = join(directory, 'long.yaml');
  writeFileSync(
    long,
    `name: long
kernel: {version: 2.4.99, source: {urls: [linux.tar]}}
variants:
  a: {fragments: [${'x'.repeat(300)}]}
channel: own/a
`,
  );
  const recipe = await loadRecipe(long);
  await expect(readFragments(recipe, expandVariant(recipe, 'a'))).rejects.toMatchObject({
    kind: 'invalid',
    place: { file: long, line: 4 },
  });
});

test.each([
  [
    'a command line that the kernel would cut',
    { boot: { cmdline: 'a'.repeat(250) } },
    /the kernel keeps 255/,
    'boot',
  ],
  ['a command line of two lines', { boot: { cmdline: 'a\nb' } }, /a boot loader would change/, 'boot'],
  [
    'a release that Linux would cut',
    { extraversion: `-${'x'.repeat(60)}` },
    /Linux takes 64/,
    'extraversion',
  ],
])('%s is refused before anything is compiled', async (_what, settings, sentence, key) => {
  const file = join(freshDirectory('recipes'), 'own.yaml');
  const recipe = {
    name: 'own',
    kernel: { version: '2.4.99', source: { urls: ['linux.tar'] } },
    variants: { a: {} },
    channel: 'own/a',
  };
  writeFileSync(file, stringify({ ...recipe, ...settings }));
  const loaded = await loadRecipe(file);
  const variant = expandVariant(loaded, 'a');
  const id = `2.4.99${loaded.recipe.extraversion}-0123456789`;
  const keys = { tree: '', config: '', compile: '', bundle: '', id, release: id };
  expect(() => requireBootable(loaded, variant, keys)).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      message: expect.stringMatching(sentence),
      place: loaded.placeOf([key, 'cmdline']),
    }),
  );
});
