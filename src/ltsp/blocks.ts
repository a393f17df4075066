import { KilnError } from '../platform/errors.ts';

/** Lines that Kiln puts into a file that is somebody else's, between two markers that name them. */
export interface Block {
  /** One word, once in a file, e.g. `fstab`. */
  readonly name: string;
  readonly lines: readonly string[];
  readonly place: BlockPlace;
}

/** Where a block goes that is not in the file yet. */
export type BlockPlace =
  /** The file's end; before a last line that ends the script (`exit 0`), behind which nothing would run. */
  | { readonly at: 'end' }
  /** Behind the first line that fits, else at the end. */
  | { readonly at: 'after'; readonly line: RegExp }
  /** In the place of one line, which stays in the block as a comment. */
  | { readonly at: 'line'; readonly line: string };

const OLD = '# kiln was: ';
const begin = (name: string) =>
  `# kiln ${name} begin: written by kiln ltsp install, which keeps it up to date`;
const end = (name: string) => `# kiln ${name} end`;

/**
 * Pure: a text with blocks put in, or brought up to date where they are. What is outside the markers stays as it is.
 * @param file its name, for errors
 * @throws KilnError `failed` for a block that has lost its end, or is there twice
 */
export function putBlocks(text: string, blocks: readonly Block[], file: string): string {
  return blocks.reduce((before, block) => putBlock(before, block, file), text);
}

function putBlock(text: string, block: Block, file: string): string {
  const lines = linesOf(text);
  const found = findBlock(lines, block.name, file);
  if (found !== undefined) {
    const old = lines.slice(found.from + 1, found.to).filter((line) => line.startsWith(OLD));
    lines.splice(found.from, found.to + 1 - found.from, ...written(block, old));
    return joined(lines);
  }
  const { place } = block;
  if (place.at === 'line') {
    const index = lines.indexOf(place.line);
    if (index < 0) throw new Error(`${file} has no line ${place.line}`);
    lines.splice(index, 1, ...written(block, [`${OLD}${place.line}`]));
    return joined(lines);
  }
  const behind = place.at === 'after' ? lines.findIndex((line) => place.line.test(line)) + 1 : 0;
  lines.splice(behind > 0 ? behind : endOf(lines), 0, ...written(block, []));
  return joined(lines);
}

/** Pure: a text without blocks; a line that a block has taken the place of is back. */
export function dropBlocks(text: string, names: readonly string[], file: string): string {
  const lines = linesOf(text);
  for (const name of names) {
    const found = findBlock(lines, name, file);
    if (found === undefined) continue;
    const old = lines.slice(found.from + 1, found.to).filter((line) => line.startsWith(OLD));
    lines.splice(found.from, found.to + 1 - found.from, ...old.map((line) => line.slice(OLD.length)));
  }
  return joined(lines);
}

/** Pure: a block as it stands in a text, markers included; undefined where there is none. */
export function blockIn(text: string, name: string, file: string): string | undefined {
  const lines = linesOf(text);
  const found = findBlock(lines, name, file);
  return found === undefined ? undefined : lines.slice(found.from, found.to + 1).join('\n');
}

function written(block: Block, old: readonly string[]): string[] {
  return [begin(block.name), ...old, ...block.lines, end(block.name)];
}

function findBlock(lines: readonly string[], name: string, file: string) {
  const starts = lines.flatMap((line, index) => (line.startsWith(`# kiln ${name} begin`) ? [index] : []));
  const ends = lines.flatMap((line, index) => (line === end(name) ? [index] : []));
  const [from, to] = [starts[0], ends[0]];
  if (from === undefined && to === undefined) return undefined;
  if (from === undefined || to === undefined || to < from || starts.length > 1 || ends.length > 1) {
    throw new KilnError('failed', `the markers of Kiln's lines ("${name}") are not in order any more`, {
      place: { file, line: (from ?? to ?? 0) + 1 },
      hint: `they have to be one "${begin(name)}" and, below it, one "${end(name)}"`,
    });
  }
  return { from, to };
}

/** The index behind the last line that a script comes to. */
function endOf(lines: readonly string[]): number {
  const last = lines.findLastIndex((line) => line.trim() !== '');
  return /^\s*exit(\s+\d+)?\s*;?\s*$/.test(lines[last] ?? '') ? last : lines.length;
}

function linesOf(text: string): string[] {
  if (text === '') return [];
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}

function joined(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
