import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  applySeries,
  checkSeries,
  type FileReport,
  type HunkReport,
  type ParsedPatch,
  parsePatch,
} from '../../src/patches/index.ts';
import { KilnError } from '../../src/platform/errors.ts';
import { run } from '../../src/platform/process.ts';
import { copyNamed, type GnuHunk, type GnuVerdict, gnuPatch } from './gnu.ts';

const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
const PATCHES = join(MIRROR, 'pld-patches');
const patches = existsSync(PATCHES)
  ? readdirSync(PATCHES)
      .filter((name) => name.endsWith('.patch'))
      .sort()
  : [];

/** What the patch and the tree say of a hunk besides its lines. */
interface Where {
  /** What stands behind the second `@@`: the function, cut off at forty characters. */
  readonly heading: string;
  /** The line that `diff -p` would name for a hunk which starts at this line of the file. */
  readonly functionAt: (line: number) => string;
}

/**
 * Differences from GNU patch that are meant, each for a stated reason. What none of these explains fails
 * the test. `gnu` is undefined where GNU patch has no word about the hunk.
 */
const HUNK_KINDS: readonly {
  readonly name: string;
  readonly explains: (ours: HunkReport, gnu: GnuHunk | undefined, where: Where) => boolean;
}[] = [
  {
    name: 'already applied: GNU patch, told not to ask, only says that it failed',
    explains: (ours, gnu) => ours.status === 'already' && gnu?.status !== 'applied',
  },
  {
    name: 'ambiguous: GNU patch takes the nearest of several places that fit',
    explains: (ours, gnu) => ours.status === 'ambiguous' && gnu?.status === 'applied' && gnu.offset !== 0,
  },
  {
    name: 'GNU patch puts it into another function than its heading names; Kiln finds that function',
    explains: (ours, gnu, { heading, functionAt }) =>
      ours.status === 'applied' &&
      gnu?.status === 'applied' &&
      heading !== '' &&
      functionAt(ours.stated + ours.offset).startsWith(heading) &&
      !functionAt(ours.stated + gnu.offset).startsWith(heading),
  },
  {
    name: 'a new file where one is already: GNU patch, told not to ask, puts its lines in front of what is there',
    explains: (ours, gnu) =>
      ours.status === 'rejected' && gnu?.status === 'applied' && /makes a new file/.test(ours.reason ?? ''),
  },
  {
    name: 'ambiguous and failed: GNU patch finds no place behind a hunk that it put too far down',
    explains: (ours, gnu) => ours.status === 'ambiguous' && gnu?.status === 'failed',
  },
];

/** Patches that Kiln will not read, or will not do; GNU patch's verdict does not matter then. */
const REFUSALS: readonly { readonly name: string; readonly explains: (error: KilnError) => boolean }[] = [
  {
    name: 'lines behind the announced end of a hunk: GNU patch drops them in silence',
    explains: (error) => error.kind === 'invalid' && /goes on behind the lines/.test(error.message),
  },
  {
    name: 'hunks behind a header that a mailer broke: GNU patch takes them for garbage, or for another file',
    explains: (error) => error.kind === 'invalid' && /stands behind no file name/.test(error.message),
  },
  {
    name: 'one of the two names leaves the tree: GNU patch goes by the other one',
    explains: (error) => error.kind === 'integrity' && /climbs out of the tree/.test(error.message),
  },
  {
    name: 'a binary file that differs, without its content: GNU patch passes over it in silence',
    explains: (error) => error.kind === 'invalid' && /binary file that differs/.test(error.message),
  },
];

for (const version of ['2.4.22', '2.4.37.11']) {
  const tarball = join(MIRROR, `linux-${version}.tar`);
  const missing = !existsSync(tarball)
    ? `no linux-${version} tarball`
    : patches.length === 0
      ? 'no pld-patches'
      : '';
  describe.skipIf(missing !== '')(
    `every PLD patch, alone, on ${version}${missing && ` (skipped: ${missing})`}`,
    () => {
      let scratch = '';
      let tree = '';
      beforeAll(async () => {
        scratch = mkdtempSync(join(tmpdir(), 'kiln-pld-'));
        await run('tar', ['xf', tarball, '-C', scratch]);
        tree = join(scratch, readdirSync(scratch).find((name) => name.startsWith('linux')) ?? '');
      });
      afterAll(() => rmSync(scratch, { recursive: true, force: true }));

      test('gets GNU patch --fuzz=0 verdicts, or a difference that has a name', async () => {
        const unexplained: string[] = [];
        const counts = new Map<string, number>();
        const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
        for (const name of patches) {
          const bytes = readFileSync(join(PATCHES, name));
          const work = mkdtempSync(join(scratch, 'gnu-'));
          const mine = mkdtempSync(join(scratch, 'kiln-'));
          copyNamed(bytes, tree, work);
          copyNamed(bytes, tree, mine);
          const gnu = await gnuPatch(work, bytes);
          const outcome = await judge(tree, mine, work, name, bytes, gnu);
          for (const what of outcome.counted) count(what);
          unexplained.push(...outcome.unexplained);
          rmSync(work, { recursive: true });
          rmSync(mine, { recursive: true });
        }
        console.log(`${version}: ${[...counts].sort().map(([what, number]) => `\n  ${number} ${what}`)}`);
        expect(unexplained).toEqual([]);
      }, 1_200_000);
    },
  );
}

interface Outcome {
  readonly counted: string[];
  readonly unexplained: string[];
}

async function judge(
  tree: string,
  mine: string,
  work: string,
  name: string,
  bytes: Buffer,
  gnu: GnuVerdict,
): Promise<Outcome> {
  const outcome: Outcome = { counted: [], unexplained: [] };
  const series = [{ name, bytes, strip: 1 }];
  let report: Awaited<ReturnType<typeof checkSeries>>;
  try {
    report = await checkSeries(tree, series);
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    const kind = REFUSALS.find(({ explains }) => explains(error));
    if (kind === undefined) outcome.unexplained.push(`${name}: ${error.message}`);
    outcome.counted.push(`patches refused: ${kind?.name}`);
    return outcome;
  }
  const files = report.patches[0]?.files ?? [];
  compareHunks(tree, parsePatch(bytes, name), files, gnu, outcome);
  if (report.ok && !report.already) {
    outcome.counted.push('patches that apply');
    if (gnu.exitCode !== 0) outcome.unexplained.push(`${name}: applies, but GNU patch exits ${gnu.exitCode}`);
    await applySeries(mine, series);
    const same = await run('diff', ['-r', mine, work]);
    if (same.exitCode !== 0) outcome.unexplained.push(`${name}: another result: ${same.tail.join('\n')}`);
  } else outcome.counted.push(report.already ? 'patches that are in already' : 'patches that do not apply');
  return outcome;
}

function compareHunks(
  tree: string,
  patch: ParsedPatch,
  files: readonly FileReport[],
  gnu: GnuVerdict,
  outcome: Outcome,
): void {
  files.forEach((file, section) => {
    const theirs = gnu.files[section];
    file.hunks.forEach((hunk, at) => {
      const gnuHunk = theirs?.hunks.get(at + 1);
      if (agrees(hunk, gnuHunk)) {
        outcome.counted.push(`hunks alike: ${hunk.status === 'applied' ? 'applied' : 'refused'}`);
        return;
      }
      const where: Where = {
        heading: patch.sections[section]?.hunks[at]?.heading ?? '',
        functionAt: (line) => functionAt(join(tree, file.path), line),
      };
      const kind = HUNK_KINDS.find(({ explains }) => explains(hunk, gnuHunk, where));
      outcome.counted.push(`hunks that differ: ${kind?.name}`);
      if (kind !== undefined) return;
      const { nearest: _, hunk: __, ...ours } = hunk;
      const both = `${JSON.stringify(ours)}; GNU patch: ${JSON.stringify(gnuHunk)}`;
      outcome.unexplained.push(`${patch.name}: ${file.path} (${theirs?.path}) hunk ${at + 1}: ${both}`);
    });
  });
}

/** GNU diff's `-p`: the last line before the hunk that starts with a letter, `_` or `$`. */
function functionAt(path: string, line: number): string {
  const before = readFileSync(path, 'latin1')
    .split('\n')
    .slice(0, line - 1);
  return before.findLast((text) => /^[A-Za-z_$]/.test(text)) ?? '';
}

/** Both refuse, or both put it at the same line of the file as it was found. */
function agrees(ours: HunkReport, gnu: GnuHunk | undefined): boolean {
  if (ours.status !== 'applied') return ours.status !== 'already' && gnu?.status !== 'applied';
  return gnu?.status === 'applied' && gnu.offset === ours.offset;
}
