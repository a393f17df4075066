import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { buildJson, freshDirectory, kiln } from '../support/kiln.ts';
import { SAMPLE_TARBALL, writeRecipe } from '../support/recipes.ts';

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
});

test('a source is called what its first URL calls it, whichever had it: the bundle is the same bytes', async () => {
  const file = writeRecipe(
    { urls: ['nowhere/first-name.tar.bz2', SAMPLE_TARBALL] },
    { 'own.config': 'CONFIG_BLK_DEV_INITRD=y\n' },
  );
  writeFileSync(file, `${readFileSync(file, 'utf8')}gates: [audit]\n`);
  const lock = join(dirname(file), 'own.lock.yaml');
  const args = [file, '--no-publish', '--home', freshDirectory('home')];
  expect((await buildJson(args)).jobs).toMatchObject([{ status: 'built' }]);
  const locked = readFileSync(lock, 'utf8');
  expect(locked).toContain('linux-2.4.99.tar.bz2');
  // From the store this time.
  const again = await kiln(['build', file, '--rebuild', '--compare', ...args.slice(2)]);
  expect(again.code, again.stderr).toBe(0);
  expect(readFileSync(lock, 'utf8')).toBe(locked);
});
