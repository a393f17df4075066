import { expect, test } from 'vitest';
import { halfOf } from '../../src/sources/halves.ts';
import type { Member } from '../../src/sources/members.ts';

function file(path: string, more: Partial<Member> = {}): Member {
  return { path, type: 'file', typeName: 'File', size: 100, mode: 0o644, ...more };
}

function files(folder: string, count: number, size = 100): Member[] {
  return Array.from({ length: count }, (_, index) => file(`${folder}/f${index}.c`, { size }));
}

const TREE = [...files('linux/drivers/net', 500), ...files('linux/fs', 300), ...files('linux', 400)];

test('half of an archive is the directory nearest to it, by files and bytes', () => {
  expect(halfOf(TREE, 'linux')).toBe('linux/drivers');
  expect(halfOf([...TREE, ...files('linux/arch', 10, 1e6)], 'linux')).toBe('linux/arch');
});

test.each([
  ['few members', TREE.slice(0, 900)],
  ['no directory of any size', [...files('linux', 1200), ...files('linux/fs', 100)]],
  ['a hard link', [...TREE, file('linux/fs/link.c', { type: 'hardlink', target: 'linux/drivers/net/f1.c' })]],
  ['a name that begins with ./', [...TREE, file('./linux/drivers/x.c')]],
  ['a name with a . within', [...TREE, file('linux/./drivers/x.c')]],
  ['a name with two slashes', [...TREE, file('linux//drivers/x.c')]],
  ['a name that tar may take for a pattern', files('linux/[ab]*', 1200)],
] as const)('an archive with %s has none', (_what, members) => {
  expect(halfOf(members, 'linux')).toBeUndefined();
});

test('nor has one whose top directory tar may take for a pattern', () => {
  expect(halfOf(files('a?/fs', 1200), 'a?')).toBeUndefined();
});
