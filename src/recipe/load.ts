import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { formatPlace, KilnError, type Place } from '../platform/errors.ts';
import { kitSources } from './kits.ts';
import { expandMatrix, type Matrix, mergeParts } from './matrix.ts';
import { type Recipe, schemaFor } from './schema.ts';

export type RecipePath = readonly (string | number)[];

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
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const syntax = document.errors[0];
  if (syntax !== undefined) {
    const sentence = syntax.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? syntax.code;
    throw new KilnError('invalid', `not valid YAML: ${sentence}`, {
      place: at(syntax.pos[0]),
      hint: 'see docs/recipes.md for a recipe to start from',
    });
  }
  keepAsWritten(document);
  const placeOf = (path: RecipePath): Place => {
    const key = path.at(-1);
    const parent = path.length === 0 ? undefined : document.getIn(path.slice(0, -1), true);
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isPair(item) && String(item.key) === String(key));
      const keyNode = pair?.key;
      if (isNode(keyNode) && keyNode.range) return at(keyNode.range[0]);
    }
    const node = document.getIn(path, true);
    if (isNode(node) && node.range) return at(node.range[0]);
    return path.length === 0 ? { file, line: 1, column: 1 } : placeOf(path.slice(0, -1));
  };

  const raw: unknown = document.toJS();
  const parsed = schemaFor(raw).safeParse(raw);
  if (!parsed.success) throw faultsError(parsed.error.issues, placeOf);
  const matrix = expandMatrix(parsed.data.variants, placeOf);
  const variants = Object.fromEntries([...matrix].map(([name, parts]) => [name, mergeParts(parts, placeOf)]));
  return checkMeaning({ recipe: { ...parsed.data, variants }, matrix, file, placeOf });
}

/** Names, versions and digests, which may look like numbers (`extraversion: -1`, a digest without letters). */
const TEXTS = new Set(['name', 'version', 'extraversion', 'md5', 'sha1', 'sha256']);

/** Gives what is text whatever it looks like the value that was written, `0x10` and leading zeros included. */
function keepAsWritten(document: Document.Parsed): void {
  visit(document, {
    Pair(_key, pair, path) {
      const name = isScalar(pair.key) ? String(pair.key.value) : '';
      const inOptions = /^CONFIG_/.test(name) && path.length > 1;
      const { value } = pair;
      if ((TEXTS.has(name) || inOptions) && isScalar(value) && typeof value.value === 'number') {
        value.value = value.source ?? String(value.value);
      }
    },
  });
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
  return [{ path, sentence: issue.message.replace(/^Invalid (input|string): /, '') }];
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
    if (/[{}]/.test(channel)) {
      throw new KilnError(
        'invalid',
        `channel: ${channel} has a placeholder other than {variant} and {recipe}`,
        {
          place: placeOf(['channel']),
          hint: 'use {variant} and {recipe} alone',
        },
      );
    }
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

/** The channel that a variant of the recipe is published to. */
export function channelOf(recipe: Recipe, variant: string): string {
  return recipe.channel.replaceAll('{variant}', variant).replaceAll('{recipe}', recipe.name);
}
