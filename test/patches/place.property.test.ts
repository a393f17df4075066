import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sideLines, statedLine } from '../../src/patches/hunks.ts';
import { parsePatch } from '../../src/patches/index.ts';
import { applyPlacements, placeHunks } from '../../src/patches/place.ts';

/** An edit: at a line of the original, remove some lines and put others there. */
interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: readonly string[];
}

/** `KILN_PROPERTY_RUNS=20000` looks longer. */
const RUNS = Number(process.env.KILN_PROPERTY_RUNS ?? 250);

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'kiln-property-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function diff(before: string, after: string, context: number): Buffer {
  const [a, b] = [join(directory, 'a'), join(directory, 'b')];
  writeFileSync(a, before, 'latin1');
  writeFileSync(b, after, 'latin1');
  return spawnSync('diff', [`-U${context}`, 'a', 'b'], { cwd: directory }).stdout;
}

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** Applies edits, which must not overlap, to lines. */
function edit(lines: readonly string[], edits: readonly Edit[]): string[] {
  const result = [...lines];
  for (const { at, remove, insert } of [...edits].sort((a, b) => b.at - a.at))
    result.splice(at, remove, ...insert);
  return result;
}

/** Non-overlapping edits of a file with `length` lines, in order. */
function edits(length: number, most: number, word: fc.Arbitrary<string>): fc.Arbitrary<Edit[]> {
  const one = fc.record({
    at: fc.nat(length),
    remove: fc.nat(3),
    insert: fc.array(word, { maxLength: 4 }),
  });
  return fc.array(one, { minLength: 1, maxLength: most }).map((list) => {
    const sorted = list.sort((a, b) => a.at - b.at);
    let end = 0;
    return sorted.flatMap((entry) => {
      if (entry.at < end || entry.at > length) return [];
      const remove = Math.min(entry.remove, length - entry.at);
      end = entry.at + remove + 1;
      return [{ ...entry, remove }];
    });
  });
}

/** A file, an edit of it, and edits that someone else may have made. `word` decides how alike the lines are. */
function scenario(word: fc.Arbitrary<string>) {
  return fc
    .record({ words: fc.array(word, { minLength: 4, maxLength: 60 }), newline: fc.boolean() })
    .chain(({ words, newline }) => {
      const lines = words.map((text, at) => (newline || at < words.length - 1 ? `${text}\n` : text));
      const line = word.map((text) => `${text}\n`);
      return fc.record({
        lines: fc.constant(lines),
        patch: edits(lines.length, 3, line),
        elsewhere: edits(newline ? lines.length : lines.length - 1, 4, line),
      });
    })
    .map(({ lines, patch, elsewhere }) => ({
      lines,
      original: lines.join(''),
      patched: withoutOpenLines(edit(lines, patch)).join(''),
      elsewhere,
    }));
}

/** Only the last line of a file may be without its newline. */
function withoutOpenLines(lines: readonly string[]): string[] {
  return lines.map((line, at) => (line.endsWith('\n') || at === lines.length - 1 ? line : `${line}\n`));
}

/**
 * The file as someone else changed it, clear of all that the diff shows, and what the diff must make of it:
 * both changes. What the diff changes is taken from the diff itself, since there are several ways to see a
 * change of lines that are alike.
 */
function perturb(lines: readonly string[], elsewhere: readonly Edit[], bare: Buffer, context: number) {
  const own = (parsePatch(bare, 'bare').sections[0]?.hunks ?? []).map((hunk): Edit => {
    const insert = sideLines(hunk, 'new');
    return { at: statedLine(hunk), remove: hunk.oldCount, insert };
  });
  const clear = elsewhere.filter((other) =>
    own.every(({ at, remove }) => other.at + other.remove + context < at || other.at > at + remove + context),
  );
  return {
    perturbed: edit(lines, clear).join(''),
    expected: edit(lines, [...own, ...clear]).join(''),
  };
}

/** Applies the diff of original and patched to the perturbed file: the result, or undefined for a refusal. */
function applyTo(perturbed: string, diffed: Buffer, fuzz = 0): string | undefined {
  const [section] = parsePatch(diffed, 'property').sections;
  const placements = placeHunks(bytes(perturbed), section?.hunks ?? [], { fuzz });
  if (placements.some((placement) => placement.status !== 'applied')) return undefined;
  return Buffer.from(applyPlacements(bytes(perturbed), placements)).toString('latin1');
}

const distinct = fc.integer({ min: 0, max: 1_000_000 }).map((number) => `statement ${number};`);
/** Few different lines, as code has them: braces, returns, blanks. */
const alike = fc.constantFrom('', '}', '{', '\treturn 0;', '\tbreak;', '\tint x;', '#endif', 'foo();');
const mixed = fc.oneof({ weight: 2, arbitrary: distinct }, { weight: 3, arbitrary: alike });
/** Bytes that are no UTF-8, lone CRs. */
const raw = fc
  .array(fc.integer({ min: 1, max: 255 }), { maxLength: 8 })
  .map((codes) => String.fromCharCode(...codes).replaceAll('\n', ' '));

describe.each([0, 1, 2, 3, 4, 5])('a diff with %i lines of context', (context) => {
  test('gives on its own original exactly what it was made of, or, without context, a refusal', () => {
    fc.assert(
      fc.property(scenario(fc.oneof(mixed, raw)), ({ original, patched }) => {
        fc.pre(original !== patched && original !== '');
        const result = applyTo(original, diff(original, patched, context));
        if (result === undefined && context === 0) return;
        expect(result).toBe(patched);
      }),
      { numRuns: Math.ceil(RUNS / 2) },
    );
  });

  test(
    'gives on a file that was changed elsewhere the known result or a refusal',
    () => {
      let applied = 0;
      fc.assert(
        fc.property(scenario(mixed), ({ lines, original, patched, elsewhere }) => {
          fc.pre(original !== patched && original !== '');
          const diffed = diff(original, patched, context);
          const bare = context === 0 ? diffed : diff(original, patched, 0);
          const { perturbed, expected } = perturb(lines, elsewhere, bare, context);
          const result = applyTo(perturbed, diffed);
          if (result === undefined) return;
          applied++;
          if (result === expected) return;
          // The one excuse: the patch is, line numbers included, the exact diff of the file at hand. No engine
          // could tell that it was made for another one.
          expect(hunksOf(diff(perturbed, result, context))).toEqual(hunksOf(diffed));
        }),
        { numRuns: RUNS },
      );
      if (context > 0) expect(applied).toBeGreaterThan(RUNS / 10);
    },
    RUNS * 500,
  );
});

function hunksOf(diffed: Buffer): string {
  const text = diffed.toString('latin1');
  return text.slice(text.indexOf('@@'));
}
