import { link, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { fetchNamed, findPreferred, sourceNames } from '../pipeline/inputs.ts';
import { chooseVariants, type LoadedRecipe, readLock } from '../pipeline/recipes.ts';
import { digestOf } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { formatLock, type LockedSource } from '../recipe/lock.ts';
import type { DirectoryExchange, Exchange } from './exchange.ts';
import type { BuildSpec, Job } from './job.ts';

/** A source that travels by its digest. */
export interface ParcelSource extends LockedSource {
  readonly name: string;
  readonly substituted: boolean;
}

/** All that a worker on another machine needs to build a job as the coordinator would. */
export interface Parcel {
  /** The coordinator's version. */
  readonly version: string;
  /** The recipe's path among the files. */
  readonly recipe: string;
  /** Texts that the recipe names, and itself: bytes as base64, by path. */
  readonly files: Readonly<Record<string, string>>;
  /** The lock's path among the files. */
  readonly lockFile: string;
  readonly sources: readonly ParcelSource[];
}

/**
 * Packs a job: fetches its sources, gives them to the exchange by digest, and reads the texts that its recipe names.
 * @throws KilnError for a source that can't be had (transient where it may come back), and for one that can't travel
 */
export async function packParcel(
  job: Job,
  home: Home,
  exchange: DirectoryExchange,
  version: string,
  signal: AbortSignal,
): Promise<Parcel> {
  const [chosen] = await chooseVariants(job.spec.references);
  if (chosen === undefined) throw new Error(`job ${job.id} names no recipe`);
  const { recipe } = chosen;
  const sources = await packSources(recipe, job.spec, home, exchange, signal);
  const recipeFile = join(dirname(recipe.lockFile), fileName(recipe));
  const texts = new Map([recipeFile, ...namedTexts(recipe)].map((path) => [path, path]));
  const preferred = await findPreferred(recipe, job.spec.mirrors);
  const { prefer } = recipe.recipe.config;
  // A worker has no mirrors: what one of them had is beside the recipe there.
  if (prefer !== undefined && preferred !== undefined)
    texts.set(resolve(recipe.directory, prefer), preferred);
  const top = commonDirectory([...texts.keys()].map((path) => dirname(path)));
  const entries = await Promise.all(
    [...texts].map(
      async ([path, from]) => [relative(top, path), (await readFile(from)).toString('base64')] as const,
    ),
  );
  return {
    version,
    recipe: relative(top, recipeFile),
    files: Object.fromEntries(entries),
    lockFile: relative(top, recipe.lockFile),
    sources,
  };
}

async function packSources(
  recipe: LoadedRecipe,
  spec: BuildSpec,
  home: Home,
  exchange: DirectoryExchange,
  signal: AbortSignal,
): Promise<ParcelSource[]> {
  const lock = await readLock(recipe);
  const choices = { mirrors: spec.mirrors, substitutes: new Map(spec.substitutes) };
  return Promise.all(
    sourceNames(recipe).map(async (name) => {
      const source = await fetchNamed(home, recipe, lock, name, choices, () => undefined, signal);
      if (source.kind !== 'file') {
        throw new KilnError(
          'usage',
          `source ${name} is the directory ${source.path}, which can't go to another machine`,
          {
            hint: `pack it: tar cf ${name}.tar ${source.path}, and --source ${name}=${name}.tar; or build it here with kiln build`,
          },
        );
      }
      const { size, sha256, fileName, substituted } = source;
      await exchange.send(source.path, sha256);
      return { name, file: fileName, size, sha256, substituted };
    }),
  );
}

function fileName(recipe: LoadedRecipe): string {
  return recipe.file.slice(recipe.file.lastIndexOf('/') + 1);
}

/** Files besides the sources that a recipe names by path. What it names by a fragment's name is in the checkout. */
function namedTexts({ recipe, directory }: LoadedRecipe): string[] {
  const fragments = [
    recipe.config.fragments,
    ...Object.values(recipe.variants).map((variant) => variant.fragments),
  ]
    .flat()
    .filter((name) => name.endsWith('.config'));
  const { base } = recipe.config;
  const named = [...fragments, ...recipe.series, ...(base === 'arch' || base === 'none' ? [] : [base])];
  return [...new Set(named.map((path) => resolve(directory, path)))];
}

function commonDirectory(directories: readonly string[]): string {
  const [first = [], ...others] = directories.map((directory) => directory.split('/'));
  const differs = (part: string, index: number) => others.some((other) => other[index] !== part);
  const end = first.findIndex(differs);
  return first.slice(0, end === -1 ? first.length : end).join('/') || '/';
}

/**
 * Unpacks a parcel below a worker's home: texts in their places to each other, sources by digest into its store.
 * @returns the job's spec as this machine's pipeline takes it
 */
export async function unpackParcel(
  job: Job,
  parcel: Parcel,
  home: Home,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<BuildSpec> {
  const root = join(home.cache, 'parcels', digestOf(parcel).slice(0, 32));
  for (const [path, text] of Object.entries(parcel.files)) {
    const file = resolve(root, path);
    if (!file.startsWith(`${root}/`))
      throw new KilnError('integrity', `a parcel names ${path}, outside of it`);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, Buffer.from(text, 'base64'));
  }
  const lock = Object.fromEntries(
    parcel.sources
      .filter(({ substituted }) => !substituted)
      .map(({ name, file, size, sha256 }) => [name, { file, size, sha256 }]),
  );
  await writeFile(join(root, parcel.lockFile), formatLock(lock));
  const substitutes: [string, string][] = [];
  for (const source of parcel.sources) {
    const stored = await storeSource(source, home, exchange, signal);
    if (source.substituted) substitutes.push([source.name, await namedCopy(root, source, stored)]);
  }
  const recipe = join(root, parcel.recipe);
  return {
    ...job.spec,
    references: job.variants.map((name) => `${recipe}:${name}`),
    mirrors: [],
    substitutes,
    // Channels are the coordinator's.
    publish: false,
    channel: null,
  };
}

/** Brings a source into the store of a home, unless it is there. What is there is verified when it is used. */
async function storeSource(
  { sha256 }: ParcelSource,
  home: Home,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<string> {
  const path = join(home.cache, 'sources', 'sha256', sha256.slice(0, 2), sha256);
  if (!(await exists(path))) await exchange.fetch(sha256, path, signal);
  return path;
}

/** A substitute goes into the manifest under its file's name. */
async function namedCopy(root: string, { name, file }: ParcelSource, stored: string): Promise<string> {
  const path = join(root, 'substitutes', name, file);
  await mkdir(dirname(path), { recursive: true });
  await rm(path, { force: true });
  await link(stored, path).catch(() => symlink(stored, path));
  return path;
}
