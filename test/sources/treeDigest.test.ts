import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, rename, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { digestTree } from '../../src/sources/index.ts';
import { discard, failure, scratch } from './fixture.ts';

let home = '';
let tree = '';

beforeEach(async () => {
  home = await scratch();
  tree = join(home, 'tree');
  await mkdir(join(tree, 'sub'), { recursive: true });
  await writeFile(join(tree, 'Makefile'), 'all:\n');
  await writeFile(join(tree, 'sub/x.c'), 'int x;\n');
  await symlink('Makefile', join(tree, 'link'));
});
afterEach(() => discard(home));

async function digest(): Promise<string> {
  return (await digestTree(tree)).sha256;
}

test('a tree is counted and summed', async () => {
  expect(await digestTree(tree)).toMatchObject({ size: 12, members: 4 });
});

test.each<[string, () => Promise<void>]>([
  ['content', () => writeFile(join(tree, 'sub/x.c'), 'int y;\n')],
  ['the executable bit', () => chmod(join(tree, 'sub/x.c'), 0o744)],
  ['a name', () => rename(join(tree, 'sub/x.c'), join(tree, 'sub/y.c'))],
  ['an empty directory', async () => void (await mkdir(join(tree, 'empty')))],
  [
    "a symlink's target",
    async () => {
      await unlink(join(tree, 'link'));
      await symlink('sub', join(tree, 'link'));
    },
  ],
  [
    'a file that becomes a symlink',
    async () => {
      await unlink(join(tree, 'sub/x.c'));
      await symlink('int x;\n', join(tree, 'sub/x.c'));
    },
  ],
])('%s changes the digest', async (_, change) => {
  const before = await digest();
  await change();
  expect(await digest()).not.toBe(before);
});

test.each<[string, () => Promise<void>]>([
  ['times', () => utimes(join(tree, 'Makefile'), 1, 1)],
  ['group and other modes', () => chmod(join(tree, 'Makefile'), 0o600)],
  ['a repository', async () => void (await mkdir(join(tree, 'sub/.git/objects'), { recursive: true }))],
])('%s does not change the digest', async (_, change) => {
  const before = await digest();
  await change();
  expect(await digest()).toBe(before);
});

test('the place of a tree does not matter', async () => {
  await cp(tree, join(home, 'other'), { recursive: true, verbatimSymlinks: true });
  expect((await digestTree(join(home, 'other'))).sha256).toBe(await digest());
});

test('names in any encoding count', async () => {
  await writeFile(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xe4])]), 'a');
  const before = await digest();
  await rename(
    Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xe4])]),
    Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xf6])]),
  );
  expect(await digest()).not.toBe(before);
});

test('a fifo is refused, not waited for', async () => {
  execFileSync('mkfifo', [join(tree, 'pipe')]);
  const error = await failure(digestTree(tree));
  expect(error.kind).toBe('invalid');
  expect(error.message).toContain(join(tree, 'pipe'));
});
