import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  applySeries,
  checkSeries,
  type HunkReport,
  orderSeries,
  parseSeries,
  refreshSeries,
  rejects,
  reviewLines,
  type SeriesReport,
} from '../../src/patches/index.ts';
import { run } from '../../src/platform/process.ts';
import { gnuPatch } from './gnu.ts';
import { contentOf, gnuDiff, numbered, patchOf, scratch, treeOf, writeFiles } from './support.ts';

/** GNU diff's patch between two contents of f.c. */
async function between(old: string, now: string, args: readonly string[] = ['-u']): Promise<Buffer> {
  const directory = scratch();
  writeFiles(directory, { 'a/f.c': old, 'b/f.c': now });
  return gnuDiff(directory, [...args, 'a/f.c', 'b/f.c']);
}

function hunksOf(report: SeriesReport): readonly HunkReport[] {
  return report.patches.flatMap((patch) => patch.files.flatMap((file) => file.hunks));
}

/** What becomes of the hunks of one patch in a tree that has one file. */
async function judge(content: string, patch: string | Uint8Array, fuzz = 0): Promise<readonly HunkReport[]> {
  return hunksOf(await checkSeries(treeOf({ 'f.c': content }), [patchOf(patch, { fuzz })]));
}

const BLOCK = '{\n\tif (x)\n\t\ty();\n\treturn 0;\n}\n';
const TEN = numbered(10);

describe('a hunk', () => {
  test('goes to its stated line though its context is elsewhere as well', async () => {
    const old = `${BLOCK}${TEN}${BLOCK}`;
    const now = `${BLOCK}${TEN}${BLOCK.replace('y()', 'z()')}`;
    const tree = treeOf({ 'f.c': old });
    await applySeries(tree, [patchOf(await between(old, now))]);
    expect(contentOf(tree, 'f.c')).toBe(now);
  });

  test('that moved goes to the one place where all its context is, and says by how much', async () => {
    const patch = await between(numbered(40), numbered(40).replace('line 20\n', 'x\n'));
    expect(await judge(TEN.replaceAll('line', 'more') + numbered(40), patch)).toMatchObject([
      { status: 'applied', offset: 10, at: 27, fuzz: 0 },
    ]);
  });

  test('that moved and fits in two places is ambiguous, whichever is nearer', async () => {
    const old = `${TEN}${BLOCK}`;
    const patch = await between(old, old.replace('y()', 'z()'), ['-U1']);
    expect(await judge(`new\n${TEN}${BLOCK}${TEN}${TEN}${BLOCK}`, patch)).toMatchObject([
      { status: 'ambiguous', fits: [13, 38] },
    ]);
  });

  describe('with two places in a file whose lines have moved', () => {
    const long = `top\n${BLOCK}end\n`;
    const old = `${TEN}${numbered(20, 'a ')}${long}${numbered(20, 'b ')}`;
    const now = old.replace('line 5\n', 'five\n').replace('y()', 'z()');
    // Three lines are new at the top, and the block is there twice, one behind the other.
    const moved = `new\nnew\nnew\n${TEN}${numbered(13, 'a ')}${long}${long}${numbered(20, 'b ')}`;

    test('goes along with the hunk before it, which has only one', async () => {
      const hunks = await judge(moved, await between(old, now));
      expect(hunks).toMatchObject([
        { status: 'applied', offset: 3 },
        { status: 'applied', offset: 3 },
      ]);
    });

    test('goes into the function that its heading names', async () => {
      const twice = `int first(void)\n${long}${TEN}int second(void)\n${long}`;
      const patch = await between(twice, twice.replace(/y\(\)(?![\s\S]*y\(\))/, 'z()'), ['-up']);
      expect(await judge(`new\n${TEN}${twice}`, patch)).toMatchObject([{ status: 'applied', offset: 11 }]);
    });

    test('is ambiguous when it has less than the usual context', async () => {
      const hunks = await judge(moved, await between(old, now, ['-U1']));
      expect(hunks).toMatchObject([{ status: 'applied', offset: 3 }, { status: 'ambiguous' }]);
    });

    test('is ambiguous when the hunk behind it has moved by another number of lines', async () => {
      const more = now.replace('b 15\n', 'fifteen\n');
      const hunks = await judge(moved.replace('b 5\n', 'b 5\nnew\n'), await between(old, more));
      expect(hunks).toMatchObject([
        { status: 'applied' },
        { status: 'ambiguous' },
        { status: 'applied', offset: 4 },
      ]);
    });
  });

  test('that lies before the one in front of it is refused', async () => {
    const swapped =
      '--- a/f.c\n+++ b/f.c\n@@ -8,3 +8,3 @@\n line 8\n-line 9\n+nine\n line 10\n@@ -2,3 +2,3 @@\n line 2\n-line 3\n+three\n line 4\n';
    expect(await judge(TEN, swapped)).toMatchObject([
      { status: 'applied' },
      { status: 'rejected', reason: expect.stringContaining('out of order') },
    ]);
  });

  test('that overlaps the one in front of it is refused', async () => {
    const overlapping =
      '--- a/f.c\n+++ b/f.c\n@@ -2,3 +2,3 @@\n line 2\n-line 3\n+three\n line 4\n@@ -4,3 +4,3 @@\n line 4\n-line 5\n+five\n line 6\n';
    expect((await judge(TEN, overlapping))[1]).toMatchObject({ status: 'rejected' });
  });

  test('that is in the file already is said to be, and so is a series that is', async () => {
    const now = TEN.replace('line 5\n', 'five\n');
    const report = await checkSeries(treeOf({ 'f.c': now }), [patchOf(await between(TEN, now))]);
    expect(report).toMatchObject({ ok: true, already: true });
    expect(hunksOf(report)).toMatchObject([{ status: 'already', at: 2 }]);
  });

  test('that is in already beside one that is not makes the patch fail', async () => {
    const both = numbered(40).replace('line 5\n', 'five\n').replace('line 30\n', 'thirty\n');
    const half = numbered(40).replace('line 5\n', 'five\n');
    const tree = treeOf({ 'f.c': half });
    const series = [patchOf(await between(numbered(40), both))];
    await expect(applySeries(tree, series)).rejects.toMatchObject({ kind: 'failed' });
    expect(contentOf(tree, 'f.c')).toBe(half);
  });

  test.each(['-U0', '-U1', '-U3'])(
    'gets the place and the fuzz that GNU patch gives it, made with %s',
    async (context) => {
      const old = numbered(30);
      const patch = await between(old, old.replace('line 15\n', 'x\n'), [context]);
      for (const [line, fuzz] of [12, 13, 14, 16, 17, 18].flatMap((at) =>
        [0, 1, 2, 3].map((most) => [at, most] as const),
      )) {
        const content = old.replace(`line ${line}\n`, 'other\n');
        const directory = treeOf({ 'f.c': content });
        const [ours] = await judge(content, patch, fuzz);
        const theirs = (await gnuPatch(directory, patch, { fuzz })).files[0]?.hunks.get(1);
        if (theirs?.status !== 'applied') expect(ours?.status).toBe('rejected');
        else
          expect(ours).toMatchObject({
            status: 'applied',
            at: theirs.at,
            offset: theirs.offset,
            fuzz: theirs.fuzz,
          });
      }
    },
  );

  test('that needs fuzz is refused without, and with it says what did not match', async () => {
    const patch = await between(TEN, TEN.replace('line 5\n', 'five\n'));
    const content = TEN.replace('line 2\n', 'line two\n');
    expect(await judge(content, patch, 0)).toMatchObject([{ status: 'rejected' }]);
    expect(await judge(content, patch, 1)).toMatchObject([
      { status: 'applied', fuzz: 1, ignored: [{ expected: 'line 2', found: 'line two' }] },
    ]);
  });

  test('without context, line number or not, is refused where lines come in', async () => {
    const patch = await between(TEN, TEN.replace('line 5\n', 'line 5\nnew\n'), ['-U0']);
    expect(await judge(TEN, patch)).toMatchObject([{ status: 'ambiguous' }]);
  });

  test.each([
    ['come in', 'line 5\n', 'line 5\nline 8\n', 'ambiguous'],
    ['are replaced', 'line 5\n', 'line 8\n', 'rejected'],
  ])(
    'without context is not in already because the lines that %s stand elsewhere',
    async (_what, was, is, status) => {
      // Neither the file that the patch was made for nor what it makes of it, but one with its new line.
      const patch = await between(TEN, TEN.replace(was, is), ['-U0']);
      const content = TEN.replace('line 5\n', 'other\n');
      const report = await checkSeries(treeOf({ 'f.c': content }), [patchOf(patch)]);
      expect(report.ok).toBe(false);
      expect(hunksOf(report)).toMatchObject([{ status }]);
    },
  );
});

describe('a series', () => {
  test('is judged with each patch seeing what the ones before it did', async () => {
    const [one, two, three] = [TEN, TEN.replace('line 5\n', 'five\n'), TEN.replace('line 5\n', 'V\n')];
    const series = [
      patchOf(await between(one, two), { name: 'first' }),
      patchOf(await between(two, three), { name: 'second' }),
    ];
    const tree = treeOf({ 'f.c': one });
    const checked = await checkSeries(tree, series);
    expect(checked.ok).toBe(true);
    expect(contentOf(tree, 'f.c')).toBe(one);
    const report = await applySeries(tree, series);
    expect(report.touchedBy).toEqual({ 'f.c': ['first', 'second'] });
    expect(contentOf(tree, 'f.c')).toBe(three);
    expect(await applySeries(tree, series)).toMatchObject({ ok: true, already: true });
    expect(contentOf(tree, 'f.c')).toBe(three);
  });

  test('that fails in its last patch leaves the tree untouched', async () => {
    const tree = treeOf({ 'f.c': TEN });
    const good = patchOf(await between(TEN, TEN.replace('line 5\n', 'five\n')), { name: 'good' });
    const bad = patchOf(await between('x\ny\n', 'x\nz\n'), { name: 'bad' });
    await expect(applySeries(tree, [good, bad])).rejects.toMatchObject({ kind: 'failed' });
    expect((await run('find', [tree, '-type', 'f'])).tail).toEqual([join(tree, 'f.c')]);
    expect(contentOf(tree, 'f.c')).toBe(TEN);
  });

  test('fails like a review: file, hunk, both sides, the nearest place, who touched it last', async () => {
    const two = TEN.replace('line 5\n', 'five\n');
    const series = [
      patchOf(await between(TEN, two), { name: 'first.patch' }),
      patchOf(await between(TEN, TEN.replace('line 6\n', 'six\n')), { name: 'second.patch' }),
    ];
    const report = await checkSeries(treeOf({ 'f.c': TEN }), series);
    const text = reviewLines(report).join('\n');
    expect(text).toContain('second.patch:3: f.c, hunk 1 of 1, stated at line 3: rejected');
    expect(text).toContain('first.patch, last touched these lines');
    expect(text).toMatch(/nearest: line 3, where 6 of its 7 lines are/);
    expect(text).toMatch(/line 5 +\| +5 five/);
  });

  test('leaves a .rej that GNU patch applies to the file the hunk was made for', async () => {
    const patch = await between(TEN, TEN.replace('line 5\n', 'five\n'));
    const report = await checkSeries(treeOf({ 'f.c': 'other\n' }), [patchOf(patch)]);
    const reject = rejects(report).get('f.c') ?? new Uint8Array();
    const directory = treeOf({ 'f.c': TEN });
    const result = await run('patch', ['-p0', '--fuzz=0', 'f.c'], { cwd: directory, input: reject });
    expect(result.exitCode).toBe(0);
    expect(contentOf(directory, 'f.c')).toBe(TEN.replace('line 5\n', 'five\n'));
  });

  test('finds the strip level at which the files are there', async () => {
    for (const [prefix, strip] of [
      ['', 0],
      ['a/', 1],
      ['usr/src/linux/', 3],
    ] as const) {
      const text = `--- ${prefix}d/f.c\n+++ ${prefix}d/f.c\n@@ -1,2 +1,2 @@\n-line 1\n+x\n line 2\n`;
      const report = await checkSeries(treeOf({ 'd/f.c': TEN }), [patchOf(text)]);
      expect(report.patches[0]).toMatchObject({ strip, ok: true });
    }
  });
});

describe('refresh', () => {
  test("gives a patch the tree's line numbers and context, and keeps its description", async () => {
    const old = numbered(40);
    const patch = Buffer.concat([
      Buffer.from('Why this is needed.\n\n'),
      await between(old, old.replace('line 20\n', 'x\n')),
    ]);
    const moved = `new\nnew\n${old.replace('line 17\n', 'line xvii\n')}`;
    const tree = treeOf({ 'f.c': moved });
    const { patches } = await refreshSeries(tree, [patchOf(patch, { fuzz: 1 })]);
    const refreshed = patches[0]?.bytes ?? new Uint8Array();
    expect(Buffer.from(refreshed).toString()).toMatch(
      /^Why this is needed\.\n\n--- a\/f\.c\n\+\+\+ b\/f\.c\n@@ -19,7 \+19,7 @@\n line xvii\n/,
    );
    expect((await gnuPatch(tree, refreshed)).files[0]?.hunks.get(1)).toMatchObject({
      status: 'applied',
      offset: 0,
      fuzz: 0,
    });
  });

  test('makes and removes files as before', async () => {
    const directory = scratch();
    writeFiles(directory, { 'a/gone.c': TEN, 'a/f.c': TEN, 'b/f.c': TEN, 'b/new.c': 'n' });
    const patch = await gnuDiff(directory, ['-Nur', 'a', 'b']);
    const { patches } = await refreshSeries(join(directory, 'a'), [patchOf(patch)]);
    await applySeries(join(directory, 'a'), [patchOf(patches[0]?.bytes ?? '')]);
    expect((await run('diff', ['-r', 'a', 'b'], { cwd: directory })).exitCode).toBe(0);
  });
});

describe('a quilt series file', () => {
  test('gives its patches in order, with their strip levels', () => {
    const text = '# our patches\nfirst.patch\n\nsub/second.patch -p0 # why\nthird.patch -pab\n';
    expect(parseSeries(text, 'series')).toMatchObject([
      { name: 'first.patch', strip: 1, line: 2 },
      { name: 'sub/second.patch', strip: 0 },
      { name: 'third.patch', strip: 1 },
    ]);
  });

  test('with an option that Kiln has not is refused at its line', () => {
    expect(() => parseSeries('a.patch\nb.patch -R\n', 'series')).toThrow(
      expect.objectContaining({ kind: 'invalid', place: { file: 'series', line: 2 } }),
    );
  });
});

describe('the order of a series', () => {
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name).join(' ');

  test('keeps the order as written where no rule says otherwise', () => {
    expect(names(orderSeries([{ name: 'c' }, { name: 'a' }, { name: 'b' }]))).toBe('c a b');
  });

  test('puts a patch behind those it comes after, and the last one last', () => {
    const series = [
      { name: 'openmosix', last: true },
      { name: 'b', after: ['c'] },
      { name: 'a' },
      { name: 'c' },
    ];
    expect(names(orderSeries(series))).toBe('a c b openmosix');
  });

  test.each([
    ['patches that conflict', [{ name: 'a', conflicts: ['b'] }, { name: 'b' }]],
    [
      'a circle',
      [
        { name: 'a', after: ['b'] },
        { name: 'b', after: ['a'] },
      ],
    ],
    [
      'something behind the last',
      [
        { name: 'a', last: true },
        { name: 'b', after: ['a'] },
      ],
    ],
    ['a name that is not there', [{ name: 'a', after: ['nowhere'] }]],
    ['a name that is there twice', [{ name: 'a' }, { name: 'a' }]],
  ])('refuses %s', (_, series) => {
    expect(() => orderSeries(series)).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });
});

describe('kiln patch', () => {
  const runner = join(import.meta.dirname, 'runner.ts');
  const kiln = (...args: string[]) => run(process.execPath, [runner, ...args], { capture: true });

  test('check prints every hunk as the contract says, and exits with 1 when one has no place', async () => {
    const directory = scratch();
    mkdirSync(join(directory, 'tree'));
    writeFiles(directory, {
      'tree/f.c': TEN,
      'good.patch': await between(TEN, TEN.replace('line 5\n', 'five\n')),
      'bad.patch': await between('x\ny\n', 'x\nz\n'),
      series: 'good.patch\nbad.patch\n',
    });
    const result = await kiln(
      '--json',
      'patch',
      'check',
      '--tree',
      join(directory, 'tree'),
      join(directory, 'series'),
    );
    expect(result.exitCode).toBe(1);
    expect(JSON.parse(result.stdout.toString())).toMatchObject({
      ok: false,
      files: [
        { path: 'f.c', action: 'modify', hunks: [{ at: 2, offset: 0, fuzz: 0, status: 'applied' }] },
        { path: 'f.c', action: 'modify', hunks: [{ status: 'rejected' }] },
      ],
    });
  });

  test('apply takes packed patches, says what moved, and exits with 0', async () => {
    const tree = treeOf({ 'f.c': `new\n${TEN}` });
    const file = join(scratch(), 'x.patch');
    writeFileSync(file, await between(TEN, TEN.replace('line 8\n', 'eight\n')));
    for (const tool of ['gzip', 'bzip2', 'xz']) await run(tool, ['-k', file]);
    for (const suffix of ['.gz', '.bz2', '.xz']) {
      writeFiles(tree, { 'f.c': `new\n${TEN}` });
      const result = await kiln('patch', 'apply', '--tree', tree, file + suffix);
      expect(result.exitCode, result.tail.join('\n')).toBe(0);
      expect(result.stdout.toString()).toContain('offset 1');
      expect(contentOf(tree, 'f.c')).toContain('eight');
    }
  });

  test('apply exits with 1, shows the review and writes .rej files where told', async () => {
    const tree = treeOf({ 'f.c': TEN });
    const directory = scratch();
    writeFiles(directory, { 'bad.patch': await between('x\ny\n', 'x\nz\n') });
    const result = await kiln(
      'patch',
      'apply',
      '--tree',
      tree,
      '--rejects',
      join(directory, 'rej'),
      join(directory, 'bad.patch'),
    );
    expect(result.exitCode).toBe(1);
    expect(result.stdout.toString()).toContain('hunk 1 of 1');
    expect(readFileSync(join(directory, 'rej/f.c.rej'), 'utf8')).toContain('@@ -1,2 +1,2 @@');
    expect(contentOf(tree, 'f.c')).toBe(TEN);
  });

  test('refresh rewrites the patch file', async () => {
    const tree = treeOf({ 'f.c': `new\n${TEN}` });
    const file = join(scratch(), 'x.patch');
    writeFileSync(file, await between(TEN, TEN.replace('line 8\n', 'eight\n')));
    const result = await kiln('patch', 'refresh', '--tree', tree, file);
    expect(result.exitCode, result.tail.join('\n')).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('@@ -6,6 +6,6 @@');
  });
});
