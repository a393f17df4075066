import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { applyCompat } from '../../../src/kernel/compat/apply.ts';
import type { CompatRule } from '../../../src/kernel/compat/rule.ts';
import { FAMILIES } from '../../../src/kernel/families.ts';

let tree: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'kiln-compat-'));
});

afterEach(() => {
  rmSync(tree, { recursive: true, force: true });
});

function put(path: string, text: string): string {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text, 'latin1');
  return join(tree, path);
}

const oldToNew: CompatRule = {
  id: 'old-to-new',
  reason: 'old is new now',
  files: { under: ['drivers', 'include'], matches: (path) => path.endsWith('.h') },
  rewrite: (text) => text.replaceAll('old', 'new'),
};

test('reports the files that a rule changed, and no others', () => {
  put('drivers/b/x.h', 'old');
  put('drivers/a.h', 'old old');
  put('drivers/c.h', 'new');
  put('drivers/d.c', 'old');
  expect(applyCompat(tree, [oldToNew])).toEqual([
    { rule: 'old-to-new', reason: 'old is new now', files: ['drivers/a.h', 'drivers/b/x.h'] },
  ]);
  expect(readFileSync(join(tree, 'drivers/d.c'), 'utf8')).toBe('old');
});

test('applied a second time, rules change nothing', () => {
  put('drivers/a.h', 'old');
  applyCompat(tree, [oldToNew]);
  expect(applyCompat(tree, [oldToNew])).toEqual([]);
});

test('a later rule sees what an earlier one wrote', () => {
  const path = put('drivers/a.h', 'old');
  const newer: CompatRule = { ...oldToNew, id: 'newer', rewrite: (text) => text.replaceAll('new', 'newest') };
  applyCompat(tree, [oldToNew, { ...newer, files: ['drivers/a.h'] }]);
  expect(readFileSync(path, 'utf8')).toBe('newest');
});

test('every byte that a rule does not mean survives', () => {
  const path = put('drivers/a.h', 'old \xe4\xff\x80');
  applyCompat(tree, [oldToNew]);
  expect(readFileSync(path, 'latin1')).toBe('new \xe4\xff\x80');
});

test('a hard link elsewhere keeps the old text, the file its mode', () => {
  const path = put('drivers/a.h', 'old');
  chmodSync(path, 0o640);
  linkSync(path, join(tree, 'kept'));
  applyCompat(tree, [oldToNew]);
  expect(readFileSync(join(tree, 'kept'), 'utf8')).toBe('old');
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

test('a symbolic link is not followed', () => {
  const target = put('outside', 'old');
  mkdirSync(join(tree, 'drivers'));
  symlinkSync(target, join(tree, 'drivers/a.h'));
  expect(applyCompat(tree, [oldToNew, { ...oldToNew, id: 'listed', files: ['drivers/a.h'] }])).toEqual([]);
  expect(readFileSync(target, 'utf8')).toBe('old');
});

test('headers of other architectures are left alone', () => {
  put('include/asm-mips/a.h', 'old');
  put('include/asm-i386/a.h', 'old');
  expect(applyCompat(tree, [oldToNew])[0]?.files).toEqual(['include/asm-i386/a.h']);
});

test('a guard that says no stops its rule', () => {
  put('drivers/a.h', 'old');
  put('Makefile', 'VERSION = 2');
  const rule: CompatRule = {
    ...oldToNew,
    guard: (peek) => peek('Makefile')?.includes('VERSION = 3') === true,
  };
  expect(applyCompat(tree, [rule])).toEqual([]);
});

test('no rule of any family touches the sample kernel', () => {
  cpSync('recipes/sample/linux', join(tree, 'sample'), { recursive: true });
  for (const family of FAMILIES) {
    expect(applyCompat(join(tree, 'sample'), [...family.compatRules, ...family.reproducibleRules])).toEqual(
      [],
    );
  }
});
