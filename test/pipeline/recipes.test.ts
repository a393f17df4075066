import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { readBase } from '../../src/pipeline/inputs.ts';
import { loadRecipe } from '../../src/pipeline/recipes.ts';
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
