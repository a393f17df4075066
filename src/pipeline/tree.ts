import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  applyCompat,
  CompatHalves,
  familyFor,
  type KernelVersion,
  levelTimes,
  readKernelVersion,
  restoreExecutableBits,
} from '../kernel/index.ts';
import { applySeries, type PatchInput, type SeriesReport } from '../patches/index.ts';
import { KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import {
  type FetchedSource,
  isArchive,
  isRpm,
  readPatchBytes,
  type UnpackTreeOptions,
  unpackTree,
} from '../sources/index.ts';
import type { StepCache } from './cache.ts';
import { sortSources } from './inputs.ts';
import type { LoadedRecipe } from './recipes.ts';
import type { Reporter } from './report.ts';

/** What happened to a tree while it was prepared. */
export interface TreeRecord {
  /** What the Makefile says before Kiln sets EXTRAVERSION: `2.4.37` and `.11`. */
  readonly version: string;
  readonly extraversion: string;
  readonly decoder: string;
  readonly patches: readonly PatchSummary[];
  /** By file: the patches of the series that touched it, in order. */
  readonly touchedBy: Readonly<Record<string, readonly string[]>>;
  readonly compat:
    | readonly { readonly rule: string; readonly reason: string; readonly files: readonly string[] }[]
    | 'off';
}

export interface PatchSummary {
  readonly name: string;
  readonly strip: number;
  readonly files: number;
  readonly hunks: number;
  readonly offsets: number;
  readonly fuzzed: number;
  /** Hunks that were in the tree before the patch. */
  readonly already: number;
}

export interface PreparedTree {
  /** Holds `tree/` (never written to again) and `record.json`. */
  readonly directory: string;
  readonly record: TreeRecord;
  readonly hit: boolean;
}

/** The prepared tree of a key: from the cache, or unpacked, patched and fitted to today's compilers. */
export async function prepareTree(
  cache: StepCache,
  key: string,
  recipe: LoadedRecipe,
  sources: readonly FetchedSource[],
  reporter: Reporter,
  signal: AbortSignal,
): Promise<PreparedTree> {
  const staged = await cache.stage('tree', key);
  try {
    const record = await fillTree(join(staged, 'tree'), recipe, sources, reporter, signal);
    await writeFile(join(staged, 'record.json'), JSON.stringify(record, null, 1));
    return { directory: await cache.commit('tree', key, staged), record, hit: false };
  } catch (error) {
    await removeTree(staged);
    throw error;
  }
}

/** The tree of a key if the cache has it. */
export async function cachedTree(cache: StepCache, key: string): Promise<PreparedTree | undefined> {
  const directory = await cache.find('tree', key);
  if (directory === undefined) return undefined;
  const record = JSON.parse(await readFile(join(directory, 'record.json'), 'utf8')) as TreeRecord;
  return { directory, record, hit: true };
}

async function fillTree(
  tree: string,
  recipe: LoadedRecipe,
  sources: readonly FetchedSource[],
  reporter: Reporter,
  signal: AbortSignal,
): Promise<TreeRecord> {
  const { kernel, toolchain } = recipe.recipe;
  const rules =
    toolchain.compat === 'off' ? undefined : CompatHalves.start(familyFor(kernel.version, kernel.arch));
  try {
    return await fillBy(rules, tree, recipe, sources, reporter, signal);
  } finally {
    // From here on nobody writes to the tree.
    await rules?.close();
  }
}

async function fillBy(
  rules: CompatHalves | undefined,
  tree: string,
  recipe: LoadedRecipe,
  sources: readonly FetchedSource[],
  reporter: Reporter,
  signal: AbortSignal,
): Promise<TreeRecord> {
  const { kernel, patches } = sortSources(recipe.recipe, sources);
  const { kernel: wanted } = recipe.recipe;
  const family = familyFor(wanted.version, wanted.arch);
  const { found, numbers, decoder } = await unpackKernel(tree, recipe, kernel, {
    signal,
    log: reporter.log,
    onEvent: reporter.source,
  });
  const series = await readPatchSeries(recipe, patches, signal);
  reporter.progress('tree', `applying ${series.length} patches`);
  const report = series.length === 0 ? undefined : await applySeries(tree, series, { signal });
  restoreExecutableBits(tree);
  const compat = rules === undefined ? 'off' : await rules.apply(tree, signal);
  applyCompat(tree, family.reproducibleRules, signal);
  if (family.language === 'cml1') levelTimes(tree);
  return {
    version: numbers,
    extraversion: found.extraversion,
    decoder,
    patches: report === undefined ? [] : summarise(report),
    touchedBy: report?.touchedBy ?? {},
    compat,
  };
}

/**
 * Unpacks a recipe's kernel.
 * @throws KilnError `invalid` when the tree is not of the version that the recipe says
 */
export async function unpackKernel(
  tree: string,
  recipe: LoadedRecipe,
  kernel: FetchedSource,
  options: UnpackTreeOptions,
): Promise<{ readonly found: KernelVersion; readonly numbers: string; readonly decoder: string }> {
  const { kernel: wanted } = recipe.recipe;
  const { member } = wanted.source;
  const { decoder } = await unpackTree(kernel, tree, {
    ...options,
    ...(member === undefined || (kernel.substituted && !(await isPackage(kernel))) ? {} : { member }),
  });
  const found = versionOf(tree, recipe, kernel);
  const numbers = `${found.version}.${found.patchlevel}.${found.sublevel}`;
  if (`${numbers}${found.extraversion}` !== wanted.version) {
    throw new KilnError(
      'invalid',
      `the recipe says ${wanted.version}, the tree of ${kernel.fileName} says ${numbers}${found.extraversion}`,
      {
        place: recipe.placeOf(['kernel', 'version']),
        hint: 'set kernel.version to what the tree says, or give the right source',
      },
    );
  }
  return { found, numbers, decoder };
}

/** The tree is gone by the time that an error is read: what is told is what it was unpacked from. */
function versionOf(tree: string, recipe: LoadedRecipe, { fileName }: FetchedSource): KernelVersion {
  try {
    return readKernelVersion(tree);
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    const why = error.message.replaceAll(`${tree}/`, '');
    throw new KilnError('invalid', `${fileName} (source kernel) holds no kernel tree: ${why}`, {
      place: recipe.placeOf(['kernel', 'source']),
      hint: 'the one top directory of a kernel source has the kernel in it, its Makefile first',
      cause: error,
    });
  }
}

/** A recipe's patches as `applySeries` takes them, in their order. */
export async function readPatchSeries(
  recipe: LoadedRecipe,
  patches: readonly FetchedSource[],
  signal: AbortSignal,
): Promise<PatchInput[]> {
  return Promise.all(
    recipe.recipe.patches.map(async ({ name, strip, fuzz, member }, index) => {
      const source = patches[index];
      if (source === undefined) throw new Error(`no source for patch ${name}`);
      return {
        name,
        ...(strip === 'auto' ? {} : { strip }),
        fuzz,
        bytes: await readPatchBytes(source, {
          signal,
          ...(member === undefined || (source.substituted && !(await isArchive(source.path)))
            ? {}
            : { member }),
        }),
      };
    }),
  );
}

/** What takes a source's place may be the tree that would be taken out of an RPM, or such an RPM. */
async function isPackage(source: FetchedSource): Promise<boolean> {
  return source.kind === 'file' && (await isRpm(source.path));
}

function summarise(report: SeriesReport): PatchSummary[] {
  return report.patches.map(({ name, strip, files }) => {
    const hunks = files.flatMap((file) => file.hunks);
    return {
      name,
      strip,
      files: files.length,
      hunks: hunks.length,
      offsets: hunks.filter((hunk) => hunk.offset !== 0).length,
      fuzzed: hunks.filter((hunk) => hunk.fuzz !== 0).length,
      already: hunks.filter((hunk) => hunk.status === 'already').length,
    };
  });
}

/** What Kiln did to one file of a tree: patches and compat rules, in order. */
export function historyOf(
  record: TreeRecord,
  path: string,
): { patches: readonly string[]; compat: string[] } {
  const rules = record.compat === 'off' ? [] : record.compat.filter(({ files }) => files.includes(path));
  return { patches: record.touchedBy[path] ?? [], compat: rules.map(({ rule }) => rule) };
}

/** Says in a variant's log what its tree went through, whoever prepared it. */
export function describeTree(record: TreeRecord): string[] {
  const lines = [`tree ${record.version}${record.extraversion}`];
  for (const patch of record.patches) {
    const remarks = [
      patch.offsets > 0 ? `${patch.offsets} at an offset` : '',
      patch.fuzzed > 0 ? `${patch.fuzzed} with fuzz` : '',
      patch.already > 0 ? `${patch.already} there already` : '',
    ].filter((remark) => remark !== '');
    lines.push(
      `patch ${patch.name}: ${patch.files} files, ${patch.hunks} hunks${remarks.length === 0 ? '' : ` (${remarks.join(', ')})`}`,
    );
  }
  if (record.compat === 'off') lines.push('compat rules: off');
  else {
    for (const { rule, reason, files } of record.compat) {
      lines.push(`compat ${rule}: ${files.length} file${files.length === 1 ? '' : 's'}; ${reason}`);
    }
  }
  return lines;
}
