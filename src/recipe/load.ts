import type { z } from 'zod';
import { CHANNEL_NAME, isChannelName } from '../platform/channel-name.ts';
import { formatPlace, KilnError, type Place } from '../platform/errors.ts';
import { kitSources } from './kits.ts';
import { expandMatrix, type Matrix, mergeParts } from './matrix.ts';
import { type Recipe, schemaFor } from './schema.ts';
import { type RecipePath, readYaml } from './yaml.ts';

/** A recipe as read from a file, and where each of its parts stands there. */
export interface RecipeFile {
  readonly recipe: Recipe;
  /** By variant: the places that say something about it. */
  readonly matrix: Matrix;
  readonly file: string;
  /** The place of a member, e.g. `['patches', 0, 'urls']`; of the nearest one above it where it is not written. */
  placeOf(path: RecipePath): Place;
}

/**
 * Reads a recipe.
 * @param file its path, as it shall stand in errors
 * @throws KilnError `invalid` that lists every fault with file:line:column and what was expected.
 */
export function parseRecipe(text: string, file: string): RecipeFile {
  const { content, placeOf } = readYaml(text, file);
  const parsed = schemaFor(content).safeParse(content);
  if (!parsed.success) throw faultsError(parsed.error.issues, placeOf);
  const matrix = expandMatrix(parsed.data.variants, placeOf);
  const variants = Object.fromEntries([...matrix].map(([name, parts]) => [name, mergeParts(parts, placeOf)]));
  return checkMeaning({ recipe: { ...parsed.data, variants }, matrix, file, placeOf });
}

function faultsError(issues: readonly z.core.$ZodIssue[], placeOf: (path: RecipePath) => Place): KilnError {
  const faults = issues
    .flatMap((issue) => describeIssue(issue))
    .map(({ path, sentence }) => ({
      place: placeOf(path),
      sentence: `${path.length === 0 ? 'the recipe' : path.join('.')}: ${sentence}`,
    }));
  const [first, ...others] = faults;
  return new KilnError('invalid', first?.sentence ?? 'not a recipe', {
    ...(first === undefined ? {} : { place: first.place }),
    lines: others.map((fault) => `${formatPlace(fault.place)}: ${fault.sentence}`),
    hint: 'kiln show --schema prints what a recipe may hold; docs/recipes.md explains it',
  });
}

function describeIssue(issue: z.core.$ZodIssue): { path: RecipePath; sentence: string }[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], sentence: 'there is no such setting' }));
  }
  if (
    issue.code === 'invalid_type' &&
    issue.input === undefined &&
    /received undefined/.test(issue.message)
  ) {
    return [{ path, sentence: `is missing; expected ${issue.expected}` }];
  }
  if (issue.code === 'invalid_key') {
    return [{ path, sentence: `expected ${issue.issues.map(({ message }) => message).join('; ')}` }];
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    return [{ path, sentence: `expected ${issue.errors.flatMap(expectation).join(' or ')}` }];
  }
  return [{ path, sentence: issue.message.replace(/^Invalid (input|string): /, '') }];
}

/** What one way to write a value asks for. */
function expectation([issue]: readonly z.core.$ZodIssue[]): string[] {
  if (issue?.code === 'invalid_type') return [issue.expected];
  if (issue?.code === 'invalid_value') return issue.values.map((value) => JSON.stringify(value));
  return issue === undefined ? [] : [issue.message];
}

/** What the shape alone can't say: names that must differ, names that must exist. */
function checkMeaning(loaded: RecipeFile): RecipeFile {
  const { recipe, placeOf } = loaded;
  const seen = new Map<string, string>();
  for (const variant of Object.keys(recipe.variants)) {
    const channel = channelOf(recipe, variant);
    const other = seen.get(channel);
    if (other !== undefined) {
      throw new KilnError(
        'invalid',
        `channel: variants ${other} and ${variant} would both publish to ${channel}`,
        {
          place: placeOf(['channel']),
          hint: 'put {variant} into the channel, e.g. lts/{recipe}-{variant}',
        },
      );
    }
    checkChannel(channel, ['channel'], placeOf);
    const testing = recipe.watch?.channel;
    if (testing !== undefined) checkChannel(fillIn(testing, recipe, variant), ['watch', 'channel'], placeOf);
    seen.set(channel, variant);
  }
  const names = new Set(['kernel', ...kitSources(recipe).keys()]);
  recipe.patches.forEach((patch, index) => {
    if (names.has(patch.name)) {
      throw new KilnError('invalid', `patches.${index}.name: ${patch.name} is used twice`, {
        place: placeOf(['patches', index, 'name']),
        hint: "give each patch a name of its own; `kernel` is the kernel source, `kit` the initrd's",
      });
    }
    names.add(patch.name);
  });
  return loaded;
}

function checkChannel(channel: string, path: RecipePath, placeOf: RecipeFile['placeOf']): void {
  if (/[{}]/.test(channel)) {
    throw new KilnError(
      'invalid',
      `${path.join('.')}: ${channel} has a placeholder other than {variant} and {recipe}`,
      { place: placeOf(path), hint: 'use {variant} and {recipe} alone' },
    );
  }
  if (isChannelName(channel)) return;
  throw new KilnError('invalid', `${path.join('.')}: ${JSON.stringify(channel)} can't be a channel's name`, {
    place: placeOf(path),
    hint: `expected ${CHANNEL_NAME}`,
  });
}

/** The channel that a variant of the recipe is published to. */
export function channelOf(recipe: Recipe, variant: string): string {
  return fillIn(recipe.channel, recipe, variant);
}

function fillIn(channel: string, recipe: Recipe, variant: string): string {
  return channel.replaceAll('{variant}', variant).replaceAll('{recipe}', recipe.name);
}
