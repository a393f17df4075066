import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { buildJson, freshDirectory } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

test('a source is locked by the first build that uses it, also where its bundle is there already', async () => {
  const file = writeRecipe({}, { 'own.config': 'CONFIG_BLK_DEV_INITRD=y\n' });
  writeFileSync(file, `${readFileSync(file, 'utf8')}gates: [audit]\n`);
  const lock = join(dirname(file), 'own.lock.yaml');
  const args = [file, '--no-publish', '--home', freshDirectory('home')];
  expect((await buildJson(args)).jobs).toMatchObject([{ status: 'built' }]);
  const locked = readFileSync(lock, 'utf8');
  rmSync(lock);
  expect((await buildJson(args)).jobs).toMatchObject([{ status: 'built' }]);
  expect(existsSync(lock)).toBe(true);
  expect(readFileSync(lock, 'utf8')).toBe(locked);
}, 120_000);
