import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/platform/digest.ts';
import { tarOf } from '../sources/tarBytes.ts';
import { buildJson, freshDirectory, kiln } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

const KIT = tarOf({ name: 'kit/linuxrc', content: '#!/bin/sh\n', mode: 0o755 });

function recipeWith(kit: string): { recipe: string; home: string } {
  const recipe = writeRecipe({ more: `gates: [audit, verify]\nimages: [pxe]\ninitrd: {kit: ${kit}}\n` });
  writeFileSync(join(dirname(recipe), 'kit.tar'), KIT);
  return { recipe, home: freshDirectory('home') };
}

describe("an initrd's kit from outside", () => {
  it('is fetched, locked, and in the manifest; another file in its place is refused: exit 4', async () => {
    const { recipe, home } = recipeWith('{path: kit.tar}');
    const { jobs } = await buildJson([recipe, '--home', home, '--no-publish']);
    expect(jobs).toMatchObject([{ status: 'built' }]);
    const shown = JSON.parse((await kiln(['show', jobs[0]?.bundle ?? '', '--json', '--home', home])).stdout);
    expect(shown.manifest.sources.kit).toMatchObject({ file: 'kit.tar', sha256: sha256(KIT) });
    expect(shown.manifest.initrd.kit).toBe('kit.tar');
    const lock = JSON.parse((await kiln(['show', recipe, '--json', '--home', home])).stdout).locks;
    expect(lock.kit).toMatchObject({ file: 'kit.tar', sha256: sha256(KIT) });
    writeFileSync(join(dirname(recipe), 'kit.tar'), tarOf({ name: 'kit/linuxrc', content: 'other' }));
    const other = await kiln(['build', recipe, '--home', freshDirectory('home'), '--no-publish']);
    expect(other.code).toBe(4);
  });

  it('that is not the one pinned is refused: exit 4', async () => {
    const { recipe, home } = recipeWith(`{path: kit.tar, sha256: ${'0'.repeat(64)}}`);
    const ran = await kiln(['build', recipe, '--home', home, '--no-publish']);
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/kit/);
  });

  it('may be a directory, whose content decides the bundle', async () => {
    const { recipe, home } = recipeWith('{path: tree}');
    const linuxrc = join(dirname(recipe), 'tree/linuxrc');
    mkdirSync(dirname(linuxrc));
    writeFileSync(linuxrc, 'one', { mode: 0o755 });
    const first = await buildJson([recipe, '--home', home, '--no-publish']);
    writeFileSync(linuxrc, 'two');
    const second = await buildJson([recipe, '--home', home, '--no-publish']);
    expect(first.jobs).toMatchObject([{ status: 'built' }]);
    expect(second.jobs).toMatchObject([{ status: 'built', substituted: [] }]);
    expect(second.jobs[0]?.bundle).not.toBe(first.jobs[0]?.bundle);
  });

  it('is given by either url or path: exit 2', async () => {
    const { recipe } = recipeWith('{root: x}');
    const ran = await kiln(['show', recipe]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('either url or path');
  });
});
