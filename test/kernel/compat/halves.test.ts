import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { applyCompat } from '../../../src/kernel/compat/apply.ts';
import { CompatHalves } from '../../../src/kernel/compat/halves.ts';
import { FAMILIES, familyFor } from '../../../src/kernel/families.ts';
import { freshDirectory } from '../../support/kiln.ts';

/** A tree in which several rules have something to do, in many files. */
function oldTree(): string {
  const tree = freshDirectory('halves');
  for (const folder of ['drivers/net', 'fs', 'include/linux', 'kernel']) {
    mkdirSync(join(tree, folder), { recursive: true });
    for (let index = 0; index < 9; index++) {
      const name = `${folder}/f${index}.${index % 3 === 0 ? 'h' : 'c'}`;
      const text = [
        `void f${index}(struct request x[], int n);`,
        'extern int counter;',
        index % 2 === 0 ? 'static int counter;' : '',
        `void g(void) { printk("at " __FUNCTION__ "\\n"); ((char *)p) += ${index}; }`,
      ];
      writeFileSync(join(tree, name), `${text.join('\n')}\n`);
    }
  }
  return tree;
}

function texts(tree: string): Record<string, string> {
  const names = readdirSync(tree, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = names.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(tree.length), readFileSync(path, 'latin1')]));
}

test.each([1, 2])('%i threads do what applyCompat does', async (processors) => {
  const tree = oldTree();
  const other = join(freshDirectory('halves'), 'tree');
  cpSync(tree, other, { recursive: true });
  const family = familyFor('2.4.22');
  const expected = applyCompat(other, family.compatRules);
  expect(expected.length).toBeGreaterThan(2);
  const halves = CompatHalves.start(family, processors);
  try {
    expect(await halves.apply(tree)).toEqual(expected);
    expect(texts(tree)).toEqual(texts(other));
    expect(await halves.apply(tree)).toEqual([]);
  } finally {
    await halves.close();
  }
});

test('every family is found by its name', async () => {
  for (const family of FAMILIES) {
    const halves = CompatHalves.start(family, 2);
    expect(await halves.apply(freshDirectory('halves'))).toEqual([]);
    await halves.close();
  }
});

test('a thread that fails is a failure', async () => {
  const halves = CompatHalves.start({ ...familyFor('2.4.22'), name: 'linux-1.0' }, 2);
  await expect(halves.apply(oldTree())).rejects.toThrow('there is no family of kernels linux-1.0');
  await halves.close();
});
