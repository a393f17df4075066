import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { applySeries, checkSeries, parsePatch } from '../../src/patches/index.ts';
import { isEpoch } from '../../src/patches/names.ts';
import { run } from '../../src/platform/process.ts';
import { contentOf, git, gnuDiff, numbered, patchOf, scratch, treeOf, writeFiles } from './support.ts';

const HUNK = '@@ -1,3 +1,3 @@\n-line 1\n+line one\n line 2\n line 3\n';
const ONE = `line one\n${numbered(5).slice('line 1\n'.length)}`;

describe('a patch is read', () => {
  test.each([
    [
      'with prose before, a mail trailer behind',
      `From: x\nSubject: [PATCH] y\n\n--- cut here\n--- a/f.c\n+++ b/f.c\n${HUNK}-- \n2.30.2\n\n_______\nlist\n`,
    ],
    ['with the footer of a mailing list', `--- a/f.c\n+++ b/f.c\n${HUNK}-\nTo unsubscribe from this list\n`],
    [
      'with the header of CVS',
      `Index: f.c\n=====\nRCS file: /cvs/f.c,v\nretrieving revision 1.1\ndiff -u -r1.1 -r1.2\n--- f.c\t1 Jan 2003 00:00:00 -0000\t1.1\n+++ f.c\t2 Jan 2003 00:00:00 -0000\t1.2\n${HUNK}`,
    ],
    ['with the header of SVN', `Index: f.c\n=====\n--- f.c\t(revision 1)\n+++ f.c\t(working copy)\n${HUNK}`],
    ['with only an Index line, as old CVS', `Index: f.c\n${HUNK}`],
    [
      'with dates behind spaces',
      `--- linux.orig/f.c Mon Aug 25 13:44:44 2003\n+++ linux/f.c Tue Sep 23 10:00:00 2003\n${HUNK}`,
    ],
    [
      'with the name of a backup file',
      `--- f.c.orig\t2003-08-25 13:44:44\n+++ f.c\t2003-08-25 13:44:44\n${HUNK}`,
    ],
    ['with CR LF line ends in transport', `--- a/f.c\n+++ b/f.c\n${HUNK}`.replaceAll('\n', '\r\n')],
    [
      'with deep names',
      `--- /dev/null\n+++ x/y/z/new.c\n@@ -0,0 +1 @@\n+n\n--- x/y/z/f.c\n+++ x/y/z/f.c\n${HUNK}`,
    ],
    [
      'in the context notation',
      '*** a/f.c\tMon Aug 25 13:44:44 2003\n--- b/f.c\tMon Aug 25 13:44:44 2003\n***************\n*** 1,3 ****\n! line 1\n  line 2\n  line 3\n--- 1,3 ----\n! line one\n  line 2\n  line 3\n',
    ],
    [
      'in the context notation with one side left out',
      '*** a/f.c\n--- b/f.c\n***************\n*** 1,3 ****\n- line 1\n- line 2\n  line 3\n--- 1 ----\n*** a/f.c\n--- b/f.c\n***************\n*** 1 ****\n--- 1,3 ----\n+ line one\n+ line 2\n  line 3\n',
    ],
    [
      'with blank context that lost its space',
      '--- a/f.c\n+++ b/f.c\n@@ -1,3 +1,3 @@\n-line 1\n+line one\n line 2\n line 3\n',
    ],
    ['without a last newline', `--- a/f.c\n+++ b/f.c\n${HUNK}`.slice(0, -1)],
  ])('%s', async (_, text) => {
    const tree = treeOf({ 'f.c': numbered(5) });
    await applySeries(tree, [patchOf(text)]);
    expect(contentOf(tree, 'f.c')).toBe(ONE);
  });

  test('and the error of one that is cut off names file and line', () => {
    expect(() =>
      parsePatch(Buffer.from(`--- a/f.c\n+++ b/f.c\n@@ -1,30 +1,30 @@\n-line 1\n`), 'cut.patch'),
    ).toThrow(expect.objectContaining({ kind: 'invalid', place: { file: 'cut.patch', line: 5 } }));
  });

  test('with blank lines chopped off its end, as mailers do', async () => {
    const tree = treeOf({ 'f.c': 'a\nb\n\n\n' });
    await applySeries(tree, [patchOf('--- a/f.c\n+++ b/f.c\n@@ -1,4 +1,4 @@\n-a\n+A\n b\n')]);
    expect(contentOf(tree, 'f.c')).toBe('A\nb\n\n\n');
  });

  test('byte for byte, whatever the encoding', async () => {
    const directory = scratch();
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    writeFiles(directory, {
      'old/f': Buffer.concat([all, Buffer.from('\nx\n')]),
      'new/f': Buffer.concat([all, Buffer.from('\ny\r\n'), all]),
    });
    const patch = await gnuDiff(directory, ['-aur', 'old', 'new']);
    await applySeries(join(directory, 'old'), [patchOf(patch)]);
    expect(readFileSync(join(directory, 'old/f'))).toEqual(readFileSync(join(directory, 'new/f')));
  });

  test("with CRs that are the file's own, which stay", async () => {
    const tree = treeOf({ 'f.c': numbered(5).replaceAll('\n', '\r\n') });
    await applySeries(tree, [patchOf(`--- a/f.c\n+++ b/f.c\n${HUNK}`.replaceAll('\n', '\r\n'))]);
    expect(contentOf(tree, 'f.c')).toBe(ONE.replaceAll('\n', '\r\n'));
  });

  test.each(['a', 'a\nb', '\n', ''])('with and without newline at the end of file: from %j', async (old) => {
    const directory = scratch();
    for (const now of ['b', 'b\n', 'a\n', 'a\nb\nc']) {
      writeFiles(directory, { 'old/f': old, 'new/f': now });
      const patch = await gnuDiff(directory, ['-Nur', 'old', 'new']);
      if (patch.length === 0) continue;
      await applySeries(join(directory, 'old'), [patchOf(patch, { strip: 1 })]);
      expect(contentOf(directory, 'old/f')).toBe(now);
    }
  });
});

describe('a time stamp says that a side is absent', () => {
  test.each([
    '1970-01-01 00:00:00.000000000 +0000',
    '1970-01-01 01:00:00.000000000 +0100',
    '1969-12-31 16:00:00.000000000 -0800',
    'Thu Jan  1 00:00:00 1970',
    'Thu Jan  1 01:00:00 1970',
    'Wed Dec 31 19:00:00 1969',
    'Wed Dec 31 16:00:00 PST 1969',
    '1970/01/01 00:00:00',
    '1 Jan 1970 00:00:00 -0000',
    'Thu, 01 Jan 1970 00:00:00 +0000',
  ])('%s', (stamp) => expect(isEpoch(stamp)).toBe(true));

  test.each([
    '2003-08-25 13:44:44 +0000',
    '1970-01-01 00:00:00 +0100',
    'Thu Jan  1 00:00:07 1970',
    '(revision 0)',
    '',
  ])('but not %j', (stamp) => expect(isEpoch(stamp)).toBe(false));

  test('and diff -Nur makes, removes and empties files, with the directories that go with them', async () => {
    const directory = scratch();
    writeFiles(directory, {
      'old/gone/only.c': numbered(3),
      'old/empty': 'x\n',
      'new/made/deep/c.c': 'c\n',
      'new/empty': '',
    });
    mkdirSync(join(directory, 'old/keep'));
    const patch = await gnuDiff(directory, ['-Nur', 'old', 'new']);
    const report = await applySeries(join(directory, 'old'), [patchOf(patch)]);
    expect(report.patches[0]?.files.map(({ path, action }) => `${action} ${path}`)).toEqual([
      'modify empty',
      'delete gone/only.c',
      'create made/deep/c.c',
    ]);
    expect(existsSync(join(directory, 'old/gone'))).toBe(false);
    expect(contentOf(directory, 'old/empty')).toBe('');
    expect(contentOf(directory, 'old/made/deep/c.c')).toBe('c\n');
  });
});

describe("git's own notations", () => {
  test('renames, copies, modes, new and deleted files, symlinks, quoted names and binaries give what git has', async () => {
    const work = scratch();
    const blob = (seed: number) =>
      Buffer.from(Array.from({ length: 5000 }, (_, at) => (at * seed * 7919) % 251));
    writeFiles(work, {
      'swap/a': numbered(30, 'a '),
      'swap/b': numbered(30, 'b '),
      'move.c': numbered(50),
      'copy.c': numbered(40, 'copied '),
      'mode.sh': '#!/bin/sh\n',
      'name with space.c': numbered(4),
      'tab\there.c': numbered(4),
      'ümlaut.c': numbered(4),
      'logo.bin': blob(3),
      'gone.bin': blob(5),
      'gone.c': numbered(3),
      empty: '',
    });
    await git(work, 'init', '-q');
    await git(work, 'add', '-A');
    await git(work, 'commit', '-qm', 'one');
    const tree = join(scratch(), 'tree');
    await git(work, 'checkout-index', '-a', `--prefix=${tree}/`);
    const move = async (from: string, to: string) => git(work, 'mv', from, to);
    await move('swap/a', 'swap/t');
    await move('swap/b', 'swap/a');
    await move('swap/t', 'swap/b');
    await move('move.c', 'moved.c');
    writeFiles(work, {
      'moved.c': numbered(50).replace('line 25\n', 'line xxv\n'),
      'copy.c': numbered(40, 'copied ').replace('copied 3\n', 'copied iii\n'),
      'copied.c': numbered(40, 'copied '),
      'name with space.c': numbered(5),
      'tab\there.c': numbered(5),
      'ümlaut.c': numbered(5),
      'logo.bin': Buffer.concat([blob(3), blob(7)]),
      'new.bin': blob(11),
      'new-empty': '',
    });
    chmodSync(join(work, 'mode.sh'), 0o755);
    await git(work, 'rm', '-q', 'gone.bin', 'gone.c', 'empty');
    await run('ln', ['-s', 'moved.c', 'link'], { cwd: work });
    await git(work, 'add', '-A');
    const patch = await git(work, 'diff', '--cached', '--binary', '-M', '-C', '-C', '-B');
    expect(patch.toString()).toMatch(/rename from[\s\S]*GIT binary patch/);
    await applySeries(tree, [patchOf(patch)]);
    const compared = await run('diff', ['-r', '--no-dereference', '-x', '.git', work, tree]);
    expect(compared.tail).toEqual([]);
    expect(lstatSync(join(tree, 'link')).isSymbolicLink()).toBe(true);
    expect(statSync(join(tree, 'mode.sh')).mode & 0o777).toBe(0o755);
    const withoutCopies = await git(work, 'diff', '--cached', '--binary', '-M', '-B');
    const again = await checkSeries(tree, [patchOf(withoutCopies)]);
    expect(again.already).toBe(true);
  });

  test('a binary patch for another content is refused by name', async () => {
    const work = scratch();
    writeFiles(work, { 'x.bin': Buffer.from([0, 1, 2, 3]) });
    await git(work, 'init', '-q');
    await git(work, 'add', '-A');
    writeFiles(work, { 'x.bin': Buffer.from([0, 9, 9, 9]) });
    const patch = await git(work, 'diff', '--binary');
    const tree = treeOf({ 'x.bin': Buffer.from([0, 5, 5, 5]) });
    const report = await checkSeries(tree, [patchOf(patch)]);
    expect(report.ok).toBe(false);
    expect(report.patches[0]?.files[0]?.problem).toContain('made for another file');
  });

  test("a diff without context goes where git's blob name proves the file to be the very one", async () => {
    const work = scratch();
    writeFiles(work, { 'f.c': numbered(9).replaceAll(/[0-9]/g, '') });
    await git(work, 'init', '-q');
    await git(work, 'add', '-A');
    const tree = treeOf({ 'f.c': contentOf(work, 'f.c') });
    writeFileSync(
      join(work, 'f.c'),
      contentOf(work, 'f.c').replace(/(line \n){4}/, (text) => `${text}new\n`),
    );
    const patch = await git(work, 'diff', '-U0', '--full-index');
    await applySeries(tree, [patchOf(patch)]);
    expect(contentOf(tree, 'f.c')).toBe(contentOf(work, 'f.c'));
  });
});
