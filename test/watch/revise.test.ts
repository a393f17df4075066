import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { unifiedDiff } from '../../src/watch/diff.ts';
import { renamedPatch, reviseRecipe, type Update } from '../../src/watch/revise.ts';
import { CHECKOUT } from '../support/kiln.ts';

const OPENMOSIX = readFileSync(join(CHECKOUT, 'recipes/openmosix-2.4.22.yaml'), 'utf8');

const UPDATE: Update = {
  source: 'openMosix-2.4.22-2',
  version: '3',
  urls: ['https://host/openMosix-2.4.22-3.bz2'],
  renamed: 'openMosix-2.4.22-3',
  extraversion: '-om3',
  locked: { file: 'openMosix-2.4.22-3.bz2', size: 1, sha256: 'a'.repeat(64) },
};

describe('a revision', () => {
  it('changes what is newer and nothing else', () => {
    const revised = reviseRecipe(OPENMOSIX, [UPDATE]);
    const [before, after] = [OPENMOSIX.split('\n'), revised.split('\n')];
    expect(before.filter((line) => !after.includes(line)).map((line) => line.trim())).toEqual([
      'extraversion: -om2',
      '- name: openMosix-2.4.22-2',
      '- https://downloads.sourceforge.net/openmosix/openMosix-2.4.22-2.bz2',
      'size: 245575',
      'md5: 98383791652633351317c59952735d16',
    ]);
    expect(after.filter((line) => !before.includes(line)).map((line) => line.trim())).toEqual([
      'extraversion: -om3',
      '- name: openMosix-2.4.22-3',
      '- https://host/openMosix-2.4.22-3.bz2',
    ]);
  });

  it('of a recipe in braces is the same recipe with the same changes', () => {
    const braces =
      'patches: [{name: p-1, urls: [a/p-1.patch], size: 3}, {name: q, urls: [q], after: [p-1]}]\n';
    const update = { ...UPDATE, source: 'p-1', urls: ['a/p-2.patch'], renamed: 'p-2', extraversion: null };
    expect(parse(reviseRecipe(braces, [update]))).toEqual({
      patches: [
        { name: 'p-2', urls: ['a/p-2.patch'] },
        { name: 'q', urls: ['q'], after: ['p-2'] },
      ],
    });
  });

  it('names a patch anew only where its name was that of its file', () => {
    expect(renamedPatch('fix-1', 'fix-1.patch.bz2', 'fix-2.patch.bz2')).toBe('fix-2');
    expect(renamedPatch('our-fix', 'fix-1.patch', 'fix-2.patch')).toBeNull();
  });
});

describe('a diff', () => {
  it('is what patch(1) makes the new text of', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''))
      .map((lines) => lines.map((l) => `${l}\n`).join(''));
    const directory = mkdtempSync(join(process.env.KILN_TEST_SCRATCH ?? tmpdir(), 'diff-'));
    const file = join(directory, 'x');
    fc.assert(
      fc.property(text, text, (from, to) => {
        const diff = unifiedDiff(from, to, 'a/x', 'b/x');
        expect(diff === '').toBe(from === to);
        if (diff === '') return;
        writeFileSync(file, from);
        execFileSync('patch', ['-s', '-p1', '-d', directory], { input: diff });
        // patch(1) removes a file that a diff empties.
        expect(to === '' ? '' : readFileSync(file, 'utf8')).toBe(to);
      }),
      { numRuns: 60 },
    );
  });
});
