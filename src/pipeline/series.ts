import { basename, dirname, join } from 'node:path';
import { orderSeries, parseSeries } from '../patches/index.ts';
import { KilnError, type Place } from '../platform/errors.ts';
import { readGiven } from '../platform/files.ts';
import type { RecipeFile } from '../recipe/load.ts';
import type { RecipePatch } from '../recipe/schema.ts';

interface Placed {
  readonly patch: RecipePatch;
  readonly place: Place;
}

/**
 * The recipe with the patches of its series files among its own, all in the order that `after:` and `last:`
 * ask for.
 * @throws KilnError `invalid` for a series file that is not there or can't be read, and for rules that no
 *   order keeps
 */
export async function withSeries(
  loaded: RecipeFile,
  directory: string,
): Promise<RecipeFile & { placeOfPatch(name: string): Place }> {
  const { recipe, placeOf } = loaded;
  const listed = await Promise.all(
    recipe.series.map((path, index) => readSeriesFile(path, directory, placeOf(['series', index]))),
  );
  const own = recipe.patches.map((patch, index) => ({ patch, place: placeOf(['patches', index]) }));
  const all = [...listed.flat(), ...own];
  return {
    ...loaded,
    recipe: { ...recipe, patches: ordered(all, placeOf(['patches'])) },
    placeOfPatch: (name) => all.find(({ patch }) => patch.name === name)?.place ?? placeOf(['patches']),
  };
}

async function readSeriesFile(path: string, directory: string, place: Place): Promise<Placed[]> {
  const file = join(directory, path);
  const bytes = await readGiven(file);
  if (typeof bytes === 'string') {
    throw new KilnError('invalid', `the series file: ${bytes}`, {
      place,
      hint: 'series: names files beside the recipe that list a patch a line, as quilt has them',
    });
  }
  return parseSeries(bytes.toString(), file).map(({ name, strip, line }) => ({
    place: { file, line },
    patch: {
      name: patchName(name),
      urls: [join(dirname(path), name)],
      strip,
      fuzz: 0,
      after: [],
      last: false,
      conflicts: [],
    },
  }));
}

/** A patch of a series file goes by its file's name without the endings. */
function patchName(path: string): string {
  return basename(path).replace(/(\.(patch|diff|gz|bz2|xz|zst))+$/, '');
}

function ordered(all: readonly Placed[], place: Place): RecipePatch[] {
  try {
    return orderSeries(all.map(({ patch }) => patch));
  } catch (error) {
    if (!(error instanceof KilnError) || error.place !== undefined) throw error;
    throw new KilnError(error.kind, error.message, {
      place,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}
