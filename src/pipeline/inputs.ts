import { access, constants, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { digestFile, sha256 } from '../platform/digest.ts';
import { hasErrno, KilnError, type Place } from '../platform/errors.ts';
import { exists, listIfAny, readGiven } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { remembered } from '../platform/remembered.ts';
import { kitSources } from '../recipe/kits.ts';
import type { RecipeLock } from '../recipe/lock.ts';
import type { Recipe, RecipeSource } from '../recipe/schema.ts';
import type { FragmentReference, Variant } from '../recipe/variants.ts';
import {
  digestTree,
  type FetchedSource,
  fetchSource,
  isDirectory,
  locate,
  type SourceEvent,
  type SourceSpec,
  sourceFileName,
} from '../sources/index.ts';
import type { SourceInput, TextInput } from './plan.ts';
import { CHECKOUT, type LoadedRecipe, readLock } from './recipes.ts';

/** What the command line says of sources. */
export interface SourceChoices {
  readonly mirrors: readonly string[];
  /** `--source NAME=PATH`, by name. */
  readonly substitutes: ReadonlyMap<string, string>;
}

/** The sources of a recipe by name: `kernel`, then the patches in order, then the kits of its initrds. */
export function sourceNames(recipe: LoadedRecipe): string[] {
  const { patches } = recipe.recipe;
  return ['kernel', ...patches.map((patch) => patch.name), ...kitSources(recipe.recipe).keys()];
}

/** A recipe's sources by what they are for. */
export interface SortedSources<T> {
  readonly kernel: T;
  readonly patches: readonly T[];
  readonly kits: readonly T[];
}

/** Sorts what stands in the order of `sourceNames`. */
export function sortSources<T>(recipe: Recipe, sources: readonly T[]): SortedSources<T> {
  const [kernel, ...others] = sources;
  if (kernel === undefined) throw new Error('a recipe has a kernel');
  const { length } = recipe.patches;
  return { kernel, patches: others.slice(0, length), kits: others.slice(length) };
}

/** Everything that is known of a recipe's source before it is fetched. */
export function sourceSpec(recipe: LoadedRecipe, lock: RecipeLock, name: string): SourceSpec {
  const { source, place } = namedSource(recipe, name);
  const { urls, size, sha256, sha1, md5 } = source;
  const known = lock[name];
  // A lock of another file says nothing about this one.
  const locked =
    known !== undefined && urls.some((url) => sourceFileName(url) === known.file) ? known : undefined;
  return {
    name,
    urls,
    baseDirectory: recipe.directory,
    place,
    ...(size === undefined ? {} : { size }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(sha1 === undefined ? {} : { sha1 }),
    ...(md5 === undefined ? {} : { md5 }),
    ...(locked === undefined ? {} : { locked: { size: locked.size, sha256: locked.sha256 } }),
  };
}

function namedSource(recipe: LoadedRecipe, name: string): { source: RecipeSource; place: Place } {
  const { kernel, patches } = recipe.recipe;
  if (name === 'kernel')
    return { source: kernel.source, place: recipe.placeOf(['kernel', 'source', 'urls']) };
  const patch = patches.find((one) => one.name === name);
  if (patch !== undefined) return { source: patch, place: recipe.placeOfPatch(name) };
  const found = kitSources(recipe.recipe).get(name);
  if (found === undefined) throw new Error(`${recipe.recipe.name} has no source ${name}`);
  const { url, path, size, sha256 } = found.kit;
  return {
    source: {
      urls: [url ?? path ?? ''],
      ...(size === undefined ? {} : { size }),
      ...(sha256 === undefined ? {} : { sha256 }),
    },
    place: recipe.placeOf(found.path),
  };
}

/** Fetches one source of a recipe. */
export async function fetchNamed(
  home: Home,
  recipe: LoadedRecipe,
  lock: RecipeLock,
  name: string,
  choices: SourceChoices,
  onEvent: (event: SourceEvent) => void,
  signal: AbortSignal,
): Promise<FetchedSource> {
  const substitute = choices.substitutes.get(name);
  const spec = sourceSpec(recipe, lock, name);
  const options = { cacheDirectory: home.cache, mirrors: choices.mirrors, signal, onEvent };
  if (substitute !== undefined) return fetchSource(spec, { ...options, substitute });
  const directory = await kitDirectory(recipe, name);
  if (directory === undefined) return fetchSource(spec, options);
  const kit = { ...(await fetchSource(spec, { ...options, substitute: directory })), substituted: false };
  refuseOtherTree(spec, kit);
  return kit;
}

/** The path of a kit that is a directory: it is read where it stands, and its digest enters the key. */
async function kitDirectory(recipe: LoadedRecipe, name: string): Promise<string | undefined> {
  const path = kitSources(recipe.recipe).get(name)?.kit.path;
  if (path === undefined) return undefined;
  const directory = resolve(recipe.directory, path);
  const stats = await stat(directory).catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  });
  return stats?.isDirectory() === true ? directory : undefined;
}

function refuseOtherTree({ sha256, place }: SourceSpec, kit: FetchedSource): void {
  if (sha256 === undefined || sha256 === kit.sha256) return;
  throw new KilnError('integrity', `the tree ${kit.path} is not the one pinned: sha256 ${kit.sha256}`, {
    ...(place === undefined ? {} : { place }),
    lines: [`expected sha256 ${sha256}`],
    hint: 'restore it, or give its new digest in the recipe',
  });
}

/**
 * What the plan knows of the sources without fetching: their digests where the recipe or its lock pins
 * them. A substitute and a directory are read here: its digest is what counts.
 */
export async function knownSources(
  home: Home,
  recipe: LoadedRecipe,
  choices: SourceChoices,
  signal: AbortSignal,
): Promise<SourceInput[]> {
  const lock = await readLock(recipe);
  return Promise.all(
    sourceNames(recipe).map(async (name): Promise<SourceInput> => {
      const file = await substitutedFile(choices.substitutes.get(name));
      if (file !== undefined) {
        return { name, file: basename(file), sha256: await digestOfLocal(home, file), substituted: true };
      }
      if (choices.substitutes.has(name) || (await kitDirectory(recipe, name)) !== undefined) {
        return asInput(await fetchNamed(home, recipe, lock, name, choices, () => undefined, signal));
      }
      const spec = sourceSpec(recipe, lock, name);
      const local = await localDirectory(spec);
      if (local !== undefined) {
        const { sha256 } = await digestTree(local, signal);
        return { name, file: basename(local), sha256, substituted: false, inPlace: true };
      }
      return {
        name,
        file: sourceFileName(spec.urls[0] ?? name),
        sha256: spec.sha256 ?? spec.locked?.sha256,
        substituted: false,
      };
    }),
  );
}

/** A substitute that is a file that can be read; whoever fetches it says what is wrong with others. */
async function substitutedFile(given: string | undefined): Promise<string | undefined> {
  if (given === undefined) return undefined;
  const path = resolve(given);
  const readable = await access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
  return readable && (await stat(path)).isFile() ? path : undefined;
}

/** What a plan says of a file. Whoever builds with it reads it. */
async function digestOfLocal(home: Home, file: string): Promise<string> {
  return remembered(join(home.cache, 'notes', `digest-${sha256(file)}.json`), async () => ({
    value: (await digestFile(file)).sha256,
    files: [file],
  }));
}

/** The directory that a source is, where it is one. */
async function localDirectory({ urls, baseDirectory }: SourceSpec): Promise<string | undefined> {
  const location = locate(urls[0] ?? '', baseDirectory);
  if (location.kind !== 'file') return undefined;
  return (await isDirectory(location.path)) ? location.path : undefined;
}

/** A fetched source as the plan sees it. */
export function asInput(source: FetchedSource): SourceInput {
  const { name, fileName, sha256, substituted, kind } = source;
  const inPlace = kind === 'directory' ? { inPlace: true as const } : {};
  return { name, file: fileName, sha256, substituted, ...inPlace };
}

/** Where the store keeps the file of a digest. */
export async function isStored(home: Home, sha256: string | undefined): Promise<boolean> {
  if (sha256 === undefined) return false;
  return exists(join(home.cache, 'sources', 'sha256', sha256.slice(0, 2), sha256));
}

/**
 * Where the configuration is that a recipe prefers and not everybody has: at its path from the recipe, else in a mirror
 * by its file's name. undefined where nobody has it, and for a recipe without one.
 */
export async function findPreferred(
  { recipe: { config }, directory }: LoadedRecipe,
  mirrors: SourceChoices['mirrors'],
): Promise<string | undefined> {
  for (const path of preferredPlaces(config.prefer, directory, mirrors)) {
    if (await exists(path)) return path;
  }
  return undefined;
}

/** Pure: the paths at which a preferred configuration may be, the first that is there counts. */
export function preferredPlaces(
  prefer: string | undefined,
  directory: string,
  mirrors: SourceChoices['mirrors'],
): string[] {
  if (prefer === undefined) return [];
  return [resolve(directory, prefer), ...mirrors.map((mirror) => resolve(mirror, basename(prefer)))];
}

/** Reads the base configuration, the preferred one where it is to be had, unless it is the architecture's own. */
export async function readBase(
  recipe: LoadedRecipe,
  mirrors: SourceChoices['mirrors'],
): Promise<TextInput | undefined> {
  const { base, prefer } = recipe.recipe.config;
  const preferred = await findPreferred(recipe, mirrors);
  if (prefer !== undefined && preferred !== undefined) {
    return readText(prefer, preferred, recipe.placeOf(['config', 'prefer']));
  }
  if (base === 'arch') return undefined;
  if (base === 'none') return { name: 'none', file: 'none', text: '' };
  return readText(base, resolve(recipe.directory, base), recipe.placeOf(['config', 'base']));
}

/** Reads a variant's fragments, in order of precedence. */
export async function readFragments(recipe: LoadedRecipe, variant: Variant): Promise<TextInput[]> {
  return Promise.all(variant.fragments.map((reference) => readFragment(recipe, reference)));
}

/**
 * A name alone is a file below kconfig/ (`nic/8139too` is kconfig/nic/8139too.config); one that ends in
 * `.config` is a path from the recipe.
 */
async function readFragment(recipe: LoadedRecipe, reference: FragmentReference): Promise<TextInput> {
  const place = recipe.placeOf(reference.path);
  if (reference.name.endsWith('.config')) {
    return readText(reference.name, resolve(recipe.directory, reference.name), place);
  }
  const file = `kconfig/${reference.name}.config`;
  const text = await readText(reference.name, join(CHECKOUT, file), place);
  return { ...text, file };
}

async function readText(name: string, path: string, place: Place): Promise<TextInput> {
  const bytes = await readGiven(path);
  if (typeof bytes !== 'string') return { name, file: name, text: bytes.toString('latin1') };
  const isFragment = path.startsWith(join(CHECKOUT, 'kconfig/'));
  throw new KilnError('invalid', bytes, {
    place,
    hint: isFragment
      ? `fragments below kconfig/ are ${(await fragmentNames()).join(', ')}; a path from the recipe ends in .config`
      : 'expected a .config file; a relative path starts where the recipe is',
  });
}

/** Names of the fragments below kconfig/, network cards and processors as one word each. */
async function fragmentNames(): Promise<string[]> {
  const names = await listIfAny(join(CHECKOUT, 'kconfig'));
  const own = names
    .filter((name) => name.endsWith('.config'))
    .map((name) => name.slice(0, -'.config'.length));
  const folders = names.filter((name) => !name.includes('.')).map((name) => `${name}/...`);
  return [...own, ...folders];
}

/** @throws KilnError `usage` for a `--source` that no chosen recipe has */
export function checkSubstitutes(recipes: readonly LoadedRecipe[], choices: SourceChoices): void {
  const names = new Set(recipes.flatMap(sourceNames));
  for (const name of choices.substitutes.keys()) {
    if (names.has(name)) continue;
    throw new KilnError('usage', `--source ${name}=...: there is no source ${name}`, {
      hint: `sources are ${[...names].join(', ')}`,
    });
  }
}
