import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { KilnError, type Place } from '../platform/errors.ts';

export type RecipePath = readonly (string | number)[];

/** What a YAML file holds, and where each of its parts stands there. */
export interface YamlFile {
  readonly content: unknown;
  /** The place of a member, e.g. `['patches', 0, 'urls']`; of the nearest one above it where it is not written. */
  placeOf(path: RecipePath): Place;
}

/**
 * Reads a recipe's YAML (1.2, one document).
 * @param file its path, as it shall stand in errors
 * @throws KilnError `invalid` with the place of what is no YAML, or that means another thing than it seems to
 */
export function readYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: sameKey });
  const at = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  // A tag that nobody knows is a warning to the parser; here it would be a value that is not what was written.
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined) throw notYaml(SENTENCES[fault.code] ?? inOneLine(fault.message), at(fault.pos[0]));
  const odd = oddNode(document);
  if (odd !== undefined) throw notYaml(odd.sentence, at(odd.offset));
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
  return { content: contentOf(document, file), placeOf };
}

/** The parser's words where they are for its callers. */
const SENTENCES: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'a second document begins here; a recipe is one document',
  DUPLICATE_KEY: 'this key is there twice',
};

function inOneLine(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');
}

function notYaml(sentence: string, place: Place): KilnError {
  return new KilnError('invalid', `not valid YAML: ${sentence}`, {
    place,
    hint: 'see docs/recipes.md for a recipe to start from',
  });
}

/** As the keys of what is read: `586` and `"586"` are one there, and the later would silently take the other's place. */
function sameKey(a: unknown, b: unknown): boolean {
  return a === b || (isScalar(a) && isScalar(b) && String(a.value) === String(b.value));
}

/** What the parser lets pass and nobody means. */
function oddNode(document: Document.Parsed): { sentence: string; offset: number } | undefined {
  let found: { sentence: string; offset: number } | undefined;
  const stop = (sentence: string, offset: number | undefined) => {
    found = { sentence, offset: offset ?? 0 };
    return visit.BREAK;
  };
  visit(document, {
    Alias(_key, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      return stop(`there is no anchor &${alias.source} before *${alias.source}`, alias.range?.[0]);
    },
    Scalar(key, { value, range }) {
      if (typeof value !== 'string') return undefined;
      if (value.includes('\0')) return stop('a NUL character is no part of any text', range?.[0]);
      // JavaScript has a meaning of its own for it, and would drop it without a word.
      if (key === 'key' && value === '__proto__') return stop('__proto__ is no name', range?.[0]);
      return undefined;
    },
  });
  return found;
}

function contentOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw notYaml('aliases of aliases multiply without end', { file, line: 1, column: 1 });
  }
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
