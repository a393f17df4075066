import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import {
  applySeries,
  checkSeries,
  type HunkReport,
  type PatchEvent,
  type PatchInput,
  type PatchReport,
  parseSeries,
  refreshSeries,
  rejects,
  reviewLines,
  SeriesRejected,
  type SeriesReport,
} from '../patches/index.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { exists, writeFileAtomic } from '../platform/files.ts';
import { readPatchBytes } from '../sources/index.ts';
import { contextOf } from './context.ts';
import { note, print, printJson, styled } from './output.ts';
import { stopSignal } from './signals.ts';

interface PatchOptions {
  readonly tree: string;
  readonly strip?: number;
  readonly fuzz?: number;
  readonly rejects?: string;
}

/** A patch and the file it came from. */
interface NamedPatch extends PatchInput {
  readonly path: string;
}

/** `kiln patch check|apply|refresh`. */
export function registerPatch(program: Command): void {
  const patch = program.command('patch').description('a patch series alone, without a build');
  registerCheck(patch);
  registerApply(patch);
  registerRefresh(patch);
}

function registerCheck(patch: Command): void {
  const command = patch
    .command('check')
    .description('say of every hunk of a series where it would land; changes nothing');
  addPatchOptions(command).action(async (paths: string[], options: PatchOptions) => {
    const { json } = await contextOf(command);
    const series = await readAll(paths, options);
    const report = await checkSeries(options.tree, series, { signal: stopSignal() });
    await finish(report, options, json);
    process.exitCode = report.ok ? 0 : 1;
  });
}

function registerApply(patch: Command): void {
  const command = patch
    .command('apply')
    .description('apply a whole series, or change nothing when a hunk of it has no one place');
  addPatchOptions(command).action(async (paths: string[], options: PatchOptions) => {
    const { json } = await contextOf(command);
    const series = await readAll(paths, options);
    try {
      const onEvent = json ? undefined : say;
      const report = await applySeries(options.tree, series, {
        signal: stopSignal(),
        durable: true,
        ...(onEvent === undefined ? {} : { onEvent }),
      });
      await finish(report, options, json);
    } catch (error) {
      if (!(error instanceof SeriesRejected)) throw error;
      await finish(error.report, options, json);
      process.exitCode = 1;
    }
  });
}

function registerRefresh(patch: Command): void {
  const command = patch
    .command('refresh')
    .description("rewrite the patches of a series with the tree's line numbers and context")
    .addHelpText('after', '\nThe patch files are replaced; packed ones (gz, bz2, xz, zst) are refused.');
  addPatchOptions(command).action(async (paths: string[], options: PatchOptions) => {
    const { json } = await contextOf(command);
    const series = await readAll(paths, options);
    for (const { path } of series) await refusePacked(path);
    const { patches } = await refreshSeries(options.tree, series);
    for (const [at, refreshed] of patches.entries()) {
      const path = series[at]?.path;
      if (refreshed.changed && path !== undefined) await writeFileAtomic(path, refreshed.bytes);
    }
    if (json) printJson({ patches: patches.map(({ name, changed }) => ({ name, changed })) });
    else for (const { name, changed } of patches) print(`${name}  ${changed ? 'refreshed' : 'unchanged'}`);
  });
}

function addPatchOptions(command: Command): Command {
  return command
    .argument(
      '<PATCH...>',
      'patches in order, bare or packed, TAR:MEMBER for one inside a tar; a quilt series file stands for its patches',
    )
    .requiredOption('--tree <DIR>', 'the kernel tree')
    .option('--strip <N>', 'leading name components to drop (default: found by trying)', level)
    .option('--fuzz <N>', 'context lines that may be ignored at each end of a hunk (default: 0)', level)
    .option('--rejects <DIR>', 'write the hunks without a place to DIR, as .rej files')
    .addHelpText(
      'after',
      '\nExits with 1 when a hunk has no one place, 2 when a patch can not be read, 4 when it leaves the tree.',
    );
}

function level(text: string): number {
  if (!/^\d$/.test(text)) throw new InvalidArgumentError('expected a number from 0 to 9');
  return Number(text);
}

async function readAll(paths: readonly string[], options: PatchOptions): Promise<NamedPatch[]> {
  const series: NamedPatch[] = [];
  for (const path of paths) {
    if (basename(path) !== 'series') series.push(await readOne(path, path, options));
    else {
      for (const entry of parseSeries((await readBytes(path)).toString('utf8'), path)) {
        const file = join(dirname(path), entry.name);
        series.push(await readOne(entry.name, file, { strip: entry.strip, ...options }));
      }
    }
  }
  return series;
}

async function readOne(name: string, path: string, options: Partial<PatchOptions>): Promise<NamedPatch> {
  const { strip, fuzz } = options;
  return {
    name,
    path,
    bytes: await readBytes(path),
    ...(strip === undefined ? {} : { strip }),
    ...(fuzz === undefined ? {} : { fuzz }),
  };
}

/** A patch, or `TAR:MEMBER` for one inside a tar. */
async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readPatchBytes(path);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) throw error;
    const [, archive, member] = /^(.+?):(.+)$/.exec(path) ?? [];
    if (archive !== undefined && member !== undefined && (await exists(archive))) {
      return await readPatchBytes(archive, { member });
    }
    throw new KilnError('usage', `there is no file ${path}`, {
      hint: 'look at the spelling, or the series file',
    });
  }
}

/** A refreshed patch goes where it came from, as plain text. */
async function refusePacked(path: string): Promise<void> {
  const [raw, bytes] = [await readFile(path), await readBytes(path)];
  if (raw.equals(bytes)) return;
  throw new KilnError('usage', `${path} is packed, and refresh writes plain patches`, {
    hint: 'unpack it first',
  });
}

function say(event: PatchEvent): void {
  if (event.type === 'series-recovered') {
    const what = event.how === 'finished' ? 'finished' : 'cleared away';
    note(`${event.tree}: ${what} what an interrupted series had left`);
  }
  if (event.type === 'patch-placed') note(`${event.report.ok ? 'placed' : 'failed'}  ${event.patch}`);
}

async function finish(report: SeriesReport, options: PatchOptions, json: boolean): Promise<void> {
  if (options.rejects !== undefined) {
    for (const [path, bytes] of rejects(report)) {
      await writeFileAtomic(join(options.rejects, `${path}.rej`), bytes);
    }
  }
  if (json) printJson(documentOf(report));
  else printReport(report);
}

/** The document of cli.md, with what else is known about each hunk. */
function documentOf(report: SeriesReport): unknown {
  const plain = ({ hunk: _, ...rest }: HunkReport) => rest;
  return {
    files: report.patches.flatMap((patch) =>
      patch.files.map((file) => ({ patch: patch.name, ...file, hunks: file.hunks.map(plain) })),
    ),
    patches: report.patches.map(({ name, strip, ok, already }) => ({ name, strip, ok, already })),
    touchedBy: report.touchedBy,
    already: report.already,
    ok: report.ok,
  };
}

function printReport(report: SeriesReport): void {
  for (const patch of report.patches) {
    print(`${patch.name}  strip ${patch.strip}  ${verdictOf(patch)}`);
    for (const file of patch.files) {
      const moved = file.hunks.filter(
        (hunk) => hunk.status === 'applied' && (hunk.offset !== 0 || hunk.fuzz !== 0),
      );
      for (const hunk of moved) print(`  ${file.path}:${hunk.at}  ${describeMove(hunk)}`);
    }
  }
  const review = report.ok ? [] : reviewLines(report);
  if (review.length > 0) print(`\n${review.join('\n')}`);
  if (report.already) print('the tree has the whole series already');
}

function verdictOf(patch: PatchReport): string {
  const stream = process.stdout;
  if (patch.already) return styled('yellow', 'is in the tree already', stream);
  const hunks = patch.files.reduce((sum, file) => sum + file.hunks.length, 0);
  const words = `${patch.files.length} files, ${hunks} hunks`;
  return patch.ok
    ? `${styled('green', 'fits', stream)}  ${words}`
    : `${styled('red', 'does not fit', stream)}  ${words}`;
}

function describeMove(hunk: HunkReport): string {
  const offset = hunk.offset === 0 ? '' : `offset ${hunk.offset}`;
  const fuzz = hunk.fuzz === 0 ? '' : `fuzz ${hunk.fuzz}`;
  const ignored = (hunk.ignored ?? []).map(
    ({ expected, found }) => `; expected ${JSON.stringify(expected)}, found ${JSON.stringify(found ?? null)}`,
  );
  return [offset, fuzz].filter((part) => part !== '').join(', ') + ignored.join('');
}
