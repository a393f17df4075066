import { join, resolve } from 'node:path';
import {
  chrootPlace,
  findToolchain,
  locateHostTools,
  type Toolchain,
  type ToolPlace,
} from '../kernel/index.ts';
import { findImage } from '../platform/container.ts';
import { digestOf } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { remembered } from '../platform/remembered.ts';
import { codeVersions } from './code-versions.ts';
import type { LoadedRecipe } from './recipes.ts';

/**
 * The toolchain of a recipe. This machine's tools are asked once, and again when one of them is another program than
 * it was.
 * @throws KilnError with the place in the recipe, for a toolchain that it names
 */
export async function findToolchainOf(home: Home, recipe: LoadedRecipe): Promise<Toolchain> {
  const { compiler, chroot, container } = recipe.recipe.toolchain;
  try {
    const place = await toolPlaceOf(recipe);
    if (place.kind !== 'host') return await findToolchain({ compiler, place });
    // The code too: it is what asks.
    const name = digestOf({ tools: locateHostTools({ compiler }), code: codeVersions().toolchain });
    return await remembered(join(home.cache, 'notes', `toolchain-${name}.json`), async () => {
      const value = await findToolchain({ compiler, place });
      return { value, files: value.files };
    });
  } catch (error) {
    if (!(error instanceof KilnError) || error.place !== undefined) throw error;
    const { kind, message, hint, lines } = error;
    const member = chroot !== undefined ? 'chroot' : container !== undefined ? 'container' : 'compiler';
    throw new KilnError(kind, message, {
      place: recipe.placeOf(['toolchain', member]),
      lines,
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  }
}

/** Where a recipe's toolchain is. */
async function toolPlaceOf({ recipe, directory }: LoadedRecipe): Promise<ToolPlace> {
  const { chroot, container } = recipe.toolchain;
  if (chroot !== undefined) return chrootPlace(resolve(directory, chroot));
  return container === undefined
    ? { kind: 'host' }
    : { kind: 'container', image: await findImage(container) };
}
