import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadRecipe } from '../../src/pipeline/recipes.ts';
import { writeRecipe } from '../support/recipes.ts';

test('a preferred configuration is the base where it is there, and base stands where it is not', async () => {
  const file = writeRecipe({}, { 'preferring.yaml': '' });
  const preferring = join(dirname(file), 'preferring.yaml');
  writeFileSync(
    preferring,
    `name: preferring
kernel: {version: 2.4.99, source: {urls: [linux.tar]}}
config: {base: none, prefer: config-2.4.19-ltsp-1}
variants: {a: {}}
channel: own/a
`,
  );
  expect((await loadRecipe(preferring)).recipe.config.base).toBe('none');
  writeFileSync(join(dirname(file), 'config-2.4.19-ltsp-1'), 'CONFIG_NET=y\n');
  expect((await loadRecipe(preferring)).recipe.config.base).toBe('config-2.4.19-ltsp-1');
});
