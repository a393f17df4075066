import { isMap, isNode, isPair, isScalar, isSeq, type Pair, type YAMLMap } from 'yaml';

/** A stretch of a text and what is to stand there instead. */
export interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** Changes a text, and nothing outside of the edits. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  return [...edits]
    .sort((a, b) => b.from - a.from)
    .reduce((changed, { from, to, text: fresh }) => changed.slice(0, from) + fresh + changed.slice(to), text);
}

/** Gives a scalar another value. */
export function editScalar(node: unknown, value: string): Edit[] {
  if (!isScalar(node) || !node.range) return [];
  return [{ from: node.range[0], to: node.range[1], text: written(value) }];
}

/** Gives a list of texts other members, written as it was: in brackets, or a member a line. */
export function editList(text: string, node: unknown, values: readonly string[]): Edit[] {
  if (!isSeq(node) || !node.range) return [];
  const [from, to] = node.range;
  if (node.flow === true) return [{ from, to, text: `[${values.map(written).join(', ')}]` }];
  // A list's own range goes on to whatever comes next.
  const last = node.items.at(-1);
  if (!isNode(last) || !last.range) return [];
  const indent = ' '.repeat(from - (text.lastIndexOf('\n', from - 1) + 1));
  return [
    { from, to: last.range[1], text: values.map((value) => `- ${written(value)}`).join(`\n${indent}`) },
  ];
}

/** Takes members out of a map that has one on each line. */
export function removeMembers(text: string, map: YAMLMap, keys: readonly string[]): Edit[] {
  return map.items.flatMap((pair): Edit[] => {
    if (!isPair(pair) || !isScalar(pair.key) || !keys.includes(String(pair.key.value))) return [];
    const range = rangeOf(pair);
    if (range === undefined) return [];
    const from = text.lastIndexOf('\n', range.from - 1) + 1;
    if (text.slice(from, range.from).trim() !== '') return [];
    const end = text.indexOf('\n', range.to);
    return [{ from, to: end === -1 ? text.length : end + 1, text: '' }];
  });
}

function rangeOf({ key, value }: Pair): { from: number; to: number } | undefined {
  if (!isNode(key) || !key.range) return undefined;
  const end = isNode(value) && value.range ? value.range[1] : key.range[1];
  return { from: key.range[0], to: end };
}

/** A text as YAML: plain where nothing else could be meant. */
function written(value: string): string {
  return /^-?[A-Za-z][\w./+:%~?=@-]*[\w/]$/.test(value) &&
    !/^(y|n|yes|no|on|off|true|false|null)$/i.test(value)
    ? value
    : JSON.stringify(value);
}

/** The maps of a list. */
export function mapsOf(list: unknown): YAMLMap[] {
  return isSeq(list) ? list.items.filter((item) => isMap(item)) : [];
}
