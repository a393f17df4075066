import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from '../support/kiln.ts';

/** A fenced block of a page. */
export interface Block {
  /** `docs/quickstart.md:12` */
  readonly place: string;
  readonly language: string;
  /** Why it is not run, where its fence says `no-run reason="..."`. */
  readonly noRun: string | undefined;
  /** It is what the commands of the block before it print: its fence says `text output`. */
  readonly isOutput: boolean;
  readonly text: string;
}

export interface Page {
  readonly file: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

/** What users read: README.md, docs/, and the pages beside the fragments and the sample kernel. */
export function pages(): Page[] {
  const docs = readdirSync(join(CHECKOUT, 'docs'), { recursive: true, encoding: 'utf8' });
  const names = docs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name));
  return ['README.md', 'kconfig/README.md', 'recipes/sample/README.md', ...names.sort()].map((file) => {
    const text = readFileSync(join(CHECKOUT, file), 'utf8');
    return { file, text, blocks: blocksOf(file, text) };
  });
}

/** Pure: the fenced blocks of a text. @throws Error for a fence that stays open */
export function blocksOf(file: string, text: string): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const open = /^( *)```(\S*)(.*)$/.exec(lines[at] ?? '');
    if (open === null) continue;
    const [, indent = '', language = '', info = ''] = open;
    const end = lines.indexOf(`${indent}\`\`\``, at + 1);
    if (end < 0) throw new Error(`${file}:${at + 1}: the fence is never closed`);
    blocks.push({
      place: `${file}:${at + 1}`,
      language,
      isOutput: language === 'text' && info === ' output',
      noRun: /^ no-run reason="([^"]+)"$/.exec(info)?.[1],
      text: `${lines
        .slice(at + 1, end)
        .map((line) => line.slice(indent.length))
        .join('\n')}\n`,
    });
    at = end;
  }
  return blocks;
}

/** Pure: the Kiln commands of a shell text, as words. */
export function kilnCommands(text: string): string[][] {
  return text
    .replaceAll(/\\\n\s*/g, ' ')
    .replaceAll(/2>(?:&1)?/g, '>')
    .split('\n')
    .flatMap((line) => withoutComment(line).split(/\||&&|;|>|\$\(|\)/))
    .map((command) => wordsOf(command.trim()))
    .map((words) => words.slice(words.findIndex((word) => !/^(?:sudo|exec|[A-Z_]+=.*)$/.test(word))))
    .filter(([program]) => program === 'kiln' || program === './kiln')
    .map(([, ...args]) => args.filter((word) => !/^[&<]$/.test(word)));
}

/** Pure: what the prose of a page names between backquotes that begins as a command of Kiln's. */
export function inlineCommands(text: string): string[][] {
  const prose = text.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '');
  return [...prose.matchAll(/`(?:\.\/)?kiln ([^`]+)`/g)].map(([, words = '']) =>
    wordsOf(words.replaceAll('\n', ' ')),
  );
}

/**
 * Pure: the first line of a shown output that a command did not print, in this order; undefined where all are there.
 * `...` stands for any lines. Ids, times and dates are another run's: they need only be such.
 */
export function firstNotSaid(shown: string, said: string): string | undefined {
  const lines = said.split('\n').map(comparable);
  let at = 0;
  let anywhere = true;
  for (const line of shown.split('\n').filter((one) => one.trim() !== '')) {
    if (line.trim() === '...') {
      anywhere = true;
      continue;
    }
    const found = lines.indexOf(comparable(line), at);
    if (found < 0 || (!anywhere && found !== at)) return line;
    at = found + 1;
    anywhere = false;
  }
  return undefined;
}

function comparable(line: string): string {
  return line
    .replaceAll(/-[0-9a-f]{10}\b/g, '-ID')
    .replaceAll(/\b\d+(\.\d+)? s\b/g, 'TIME')
    .replaceAll(/\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?Z?\b/g, 'WHEN')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function withoutComment(line: string): string {
  return line.replace(/(?:^|\s)#.*$/, '');
}

function wordsOf(command: string): string[] {
  return (command.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []).map((word) => word.replaceAll(/["']/g, ''));
}
