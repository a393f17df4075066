import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkSeries } from '../../src/patches/index.ts';
import { run } from '../../src/platform/process.ts';
import { contentOf, numbered, patchOf, scratch, writeFiles } from './support.ts';

const RUNNER = join(import.meta.dirname, 'runner.ts');

interface Hostile {
  readonly name: string;
  readonly patch: string;
  readonly args?: readonly string[];
  readonly prepare?: (tree: string) => void;
  readonly exit: number;
}

const change = (old: string, now = old) =>
  `--- ${old}\n+++ ${now}\n@@ -1,3 +1,3 @@\n-line 1\n+evil\n line 2\n line 3\n`;
const make = (name: string) => `--- /dev/null\n+++ ${name}\n@@ -0,0 +1 @@\n+evil\n`;
const gitLink = (name: string, target: string) =>
  `diff --git a/${name} b/${name}\nnew file mode 120000\n--- /dev/null\n+++ b/${name}\n@@ -0,0 +1 @@\n+${target}\n\\ No newline at end of file\n`;
const gitMode = (mode: string) =>
  `diff --git a/dev b/dev\nnew file mode ${mode}\n--- /dev/null\n+++ b/dev\n@@ -0,0 +1 @@\n+evil\n`;
const linkTo = (target: string, name: string) => (tree: string) => symlinkSync(target, join(tree, name));

const HOSTILE: readonly Hostile[] = [
  { name: 'a name with ..', patch: change('a/../../outside.c'), args: ['--strip', '1'], exit: 4 },
  { name: 'a name with .. and no strip level given', patch: change('../outside.c'), exit: 4 },
  { name: 'a new file beside the tree', patch: make('../made.c'), exit: 4 },
  { name: 'an absolute name', patch: make('/tmp/kiln-evil.c'), args: ['--strip', '0'], exit: 4 },
  { name: 'an absolute name and no strip level given', patch: make('/tmp/kiln-evil.c'), exit: 4 },
  {
    name: 'a rename out of the tree',
    patch: 'diff --git a/in.c b/../x\nsimilarity index 100%\nrename from in.c\nrename to ../x\n',
    exit: 4,
  },
  {
    name: 'a copy from outside',
    patch:
      'diff --git a/../outside.c b/in2.c\nsimilarity index 100%\ncopy from ../outside.c\ncopy to in2.c\n',
    exit: 4,
  },
  { name: 'a quoted name with ..', patch: make('"b/\\056\\056/made.c"'), args: ['--strip', '1'], exit: 4 },
  {
    name: 'a file behind a symlinked directory',
    patch: change('a/link/in.c'),
    prepare: linkTo('..', 'link'),
    exit: 4,
  },
  {
    name: 'a file that is a symlink',
    patch: change('a/link.c'),
    prepare: linkTo('../outside.c', 'link.c'),
    exit: 4,
  },
  {
    name: 'a new file where a symlink dangles',
    patch: make('b/link.c'),
    prepare: linkTo('../made.c', 'link.c'),
    exit: 4,
  },
  { name: 'a symlink out of the tree', patch: gitLink('link', '..'), exit: 4 },
  { name: 'a symlink to an absolute name', patch: gitLink('link', '/etc'), exit: 4 },
  {
    name: 'a symlink that is then written through',
    patch: gitLink('link', 'sub') + make('b/link/made.c'),
    args: ['--strip', '1'],
    exit: 4,
  },
  { name: 'a device', patch: gitMode('060644'), exit: 4 },
  {
    name: 'a pipe in the tree',
    patch: change('a/pipe'),
    prepare: (tree) => void execFileSync('mkfifo', [join(tree, 'pipe')]),
    args: ['--strip', '1'],
    exit: 4,
  },
  { name: 'a name with a newline', patch: make('"b/x\\ny.c"'), args: ['--strip', '1'], exit: 4 },
  { name: 'a name with NUL', patch: make('"b/x\\000y.c"'), args: ['--strip', '1'], exit: 4 },
  { name: 'a raw NUL in a name', patch: make('b/x\0y.c'), args: ['--strip', '1'], exit: 4 },
  { name: "git's own files", patch: make('b/.git/hooks/post-checkout'), args: ['--strip', '1'], exit: 4 },
  {
    name: "Kiln's own side directory",
    patch: make('b/.kiln-patch/journal'),
    args: ['--strip', '1'],
    exit: 4,
  },
  {
    name: 'a side directory that is a symlink',
    patch: change('a/in.c'),
    prepare: linkTo('..', '.kiln-patch'),
    exit: 4,
  },
  { name: 'a name that is not UTF-8', patch: make('b/\xff.c'), exit: 2 },
  { name: 'a submodule', patch: gitMode('160000'), exit: 2 },
  { name: 'a quoted name without its end', patch: make('"b/x.c'), exit: 2 },
  {
    name: 'a hunk that ends too early',
    patch: '--- a/in.c\n+++ b/in.c\n@@ -1,9 +1,9 @@\n-line 1\n+evil\n line 2\n',
    exit: 2,
  },
  {
    name: 'a hunk with more lines than announced',
    patch: '--- a/in.c\n+++ b/in.c\n@@ -1 +1 @@\n-line 1\n+evil\n+more evil\n',
    exit: 2,
  },
  { name: 'a hunk for no file', patch: 'Hello\n@@ -1 +1 @@\n-line 1\n+evil\n', exit: 2 },
  { name: 'binary data that inflate without end', patch: bomb(), exit: 2 },
  {
    name: 'binary content that is not there',
    patch:
      'diff --git a/x.bin b/x.bin\nindex 1234567..89abcde 100644\nBinary files a/x.bin and b/x.bin differ\n',
    exit: 2,
  },
  { name: 'prose only', patch: 'Dear list,\n\nsee the attached patch.\n', exit: 2 },
  { name: 'no byte at all', patch: '', exit: 2 },
];

/** Says 10 bytes, holds a line of base85 that does not inflate to them. */
function bomb(): string {
  return 'diff --git a/x.bin b/x.bin\nnew file mode 100644\nindex 0000000..89abcde\nGIT binary patch\nliteral 10\nzcmV+b0RR6000031\n\n';
}

describe('a hostile patch', () => {
  test.each(HOSTILE)(
    'with $name ends with exit code $exit and changes nothing',
    async ({ patch, args, prepare, exit }) => {
      const directory = scratch();
      const tree = join(directory, 'tree');
      const file = join(directory, 'evil.patch');
      mkdirSync(tree);
      writeFiles(tree, { 'in.c': numbered(3), 'sub/x.c': numbered(3) });
      writeFiles(directory, { 'outside.c': numbered(3) });
      writeFileSync(file, patch, 'latin1');
      prepare?.(tree);
      const before = join(scratch(), 'before');
      cpSync(directory, before, {
        recursive: true,
        verbatimSymlinks: true,
        filter: (path) => !path.endsWith('/pipe'),
      });
      const given = ['--tree', tree, ...(args ?? []), file];
      const result = await run(process.execPath, [RUNNER, 'patch', 'apply', ...given]);
      expect(result.exitCode, result.tail.join('\n')).toBe(exit);
      const strip = args === undefined ? {} : { strip: Number(args[1]) };
      await expect(checkSeries(tree, [patchOf(patch, strip)])).rejects.toMatchObject({ exitCode: exit });
      expect(readdirSync(directory).sort()).toEqual(['evil.patch', 'outside.c', 'tree']);
      expect(contentOf(directory, 'outside.c')).toBe(numbered(3));
      const { tail } = await run('diff', ['-r', '--no-dereference', '-x', 'pipe', before, directory]);
      expect(tail).toEqual([]);
      expect(existsSync('/tmp/kiln-evil.c')).toBe(false);
    },
  );
});
