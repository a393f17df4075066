import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { listBundles } from '../../src/bundle/index.ts';
import { createProgram } from '../../src/cli/program.ts';
import { homeAt } from '../../src/platform/home.ts';
import { CHECKOUT, freshDirectory, kiln, sampleHome } from '../support/kiln.ts';
import { type Block, blocksOf, firstNotSaid, inlineCommands, kilnCommands, pages } from './markdown.ts';

/** What the pages say of a real kernel is run on the sample kernel, which builds in seconds. */
const STAND_INS: readonly (readonly [RegExp, string])[] = [
  [/lts\/linux-2\.4\.37\.11-/g, 'sample/'],
  [/\blinux-2\.4\.37\.11\b/g, 'sample'],
  [/\bJOB\b/g, `$(kiln queue list --json | grep -o '"id": *"[^"]*"' | tail -n 1 | cut -d '"' -f 4)`],
];

/** Fences have a language, so that no command hides in one that has none. */
const LANGUAGES = ['sh', 'yaml', 'json', 'text', 'ini', 'ipxe'];

const all = pages();
const shell = all.flatMap(({ blocks }) => blocks.filter(({ language }) => language === 'sh'));

describe('every fenced block of the docs', () => {
  it.each(all.flatMap(({ blocks }) => blocks.map((block) => [block.place, block] as const)))(
    '%s has a language, and commands only in sh',
    (_place, { language, text }) => {
      expect(LANGUAGES, 'commands: ```sh, or ```sh no-run reason="..."').toContain(language);
      if (language !== 'sh') expect(text).not.toMatch(/^\s*(?:[$#] +)?(?:\.\/)?(?:kiln|npm|apt-get) /m);
    },
  );
});

describe('every command of the docs is one that Kiln has', () => {
  it.each(shell.map((block) => [block.place, block] as const))('%s', async (_place, { text }) => {
    await checkSyntax(text);
    for (const words of kilnCommands(text)) {
      await expect(parse(words), `kiln ${words.join(' ')}`).resolves.toBe('parsed');
    }
  });

  it.each(all.map(({ file, text }) => [file, text] as const))('in the prose of %s', (_file, text) => {
    for (const words of inlineCommands(text)) {
      expect(unknownIn(words), `kiln ${words.join(' ')}`).toEqual([]);
    }
  });
});

describe('every command of the docs runs, on the sample kernel and in the order of the page', () => {
  const runnable = all
    .map(({ file, blocks }): [string, Block[]] => [
      file,
      blocks.filter(
        ({ language, noRun, isOutput }) => isOutput || (language === 'sh' && noRun === undefined),
      ),
    ])
    .filter(([, blocks]) => blocks.some(({ language }) => language === 'sh'));

  it.each(runnable)('%s', async (_file, blocks) => {
    await runBlocks(blocks);
  });
});

describe("README's first screen", () => {
  /** Cells of a table of builds that are the same in each: not ids, steps and times. */
  const cells = (table: string) =>
    table
      .split('\n')
      .filter((line) => /^(VARIANT|sample:)/.test(line))
      .map((line) => line.split(/ {2,}/))
      .map(([variant, status, , channel, vmlinuz, initrd]) => [variant, status, channel, vmlinuz, initrd])
      .sort();

  it('is what a build of the sample ends with', async () => {
    const readme = all.find(({ file }) => file === 'README.md');
    const shown = readme?.blocks.find(({ language }) => language === 'text');
    const { stdout } = await kiln(['build', '--home', await sampleHome()]);
    expect(cells(shown?.text ?? '')).toEqual(cells(stdout));
  });
});

describe('these tests find', () => {
  const block = (text: string) => blocksOf('page.md', text)[0] as Block;

  it.each([
    ['an option that no command has', 'kiln build --no-such sample'],
    ['a command that there is none of', 'kiln built sample'],
    ['an argument too many', 'kiln canary list'],
    ['an option of another command', 'kiln rollback lts/a --variant b'],
  ])('%s', async (_what, command) => {
    const [words = []] = kilnCommands(block(`\`\`\`sh\n${command}\n\`\`\`\n`).text);
    await expect(parse(words)).rejects.toThrow();
  });

  it('a command that fails', async () => {
    await expect(runBlocks([block('```sh\nkiln channels lts/nowhere\n```\n')])).rejects.toThrow();
  });

  it('an output that a command does not print', async () => {
    const page = (channel: string) =>
      blocksOf(
        'page.md',
        `\`\`\`sh\necho 'sample:ne2k  ${channel}  2.4.99-sample-0123456789 in 3.0 s'\n\`\`\`\n\`\`\`text output\nsample:ne2k  sample/ne2k  2.4.99-sample-abcdef0123 in 14 s\n\`\`\`\n`,
      );
    await expect(runBlocks(page('sample/ne2k'))).resolves.toBeUndefined();
    await expect(runBlocks(page('sample/other'))).rejects.toThrow('page.md');
  });
});

/** Runs blocks one after another, in a home in which the sample was published twice. */
async function runBlocks(blocks: readonly Block[]): Promise<void> {
  const home = await sampleHome();
  const directory = freshDirectory('docs');
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  for (const link of [join(bin, 'kiln'), join(directory, 'kiln')]) symlinkSync(join(CHECKOUT, 'kiln'), link);
  for (const name of ['recipes', 'kconfig']) symlinkSync(join(CHECKOUT, name), join(directory, name));
  const stored = await listBundles(homeAt(home));
  const [bundle = '', other = ''] = stored.map(({ manifest }) => manifest.id);
  const script = join(directory, 'script');
  writeFileSync(
    script,
    `set -e
kiln publish ${other} --channel sample/rtl8139
${blocks
  .filter(({ isOutput }) => !isOutput)
  .map(({ place, text }) => `echo '@@ ${place}'\n${standIn(text, bundle, other)}`)
  .join('\n')}`,
  );
  const env = { PATH: `${bin}:${process.env.PATH}`, HOME: directory, KILN_HOME: home, NO_COLOR: '1' };
  const ran = await shellRun(['-x', script], directory, env);
  expect(ran.code, ran.output.slice(ran.output.lastIndexOf('@@ '))).toBe(0);
  const said = new Map(ran.stdout.split(/^@@ /m).map((part) => [part.split('\n', 1)[0], part]));
  let before: Block | undefined;
  for (const block of blocks) {
    if (!block.isOutput) before = block;
    else {
      const printed = said.get(before?.place) ?? '';
      const missing = firstNotSaid(standIn(block.text, bundle, other), printed);
      expect(missing, `${block.place} shows what is not in:\n${printed}`).toBeUndefined();
    }
  }
}

function standIn(text: string, bundle: string, other: string): string {
  const named = text.replaceAll(/\bBUNDLE\b/g, bundle).replaceAll(/\bOTHER\b/g, other);
  return STAND_INS.reduce((result, [real, sample]) => result.replaceAll(real, () => sample), named);
}

async function checkSyntax(text: string): Promise<void> {
  const file = join(freshDirectory('syntax'), 'block');
  writeFileSync(file, text);
  const ran = await shellRun(['-n', file], CHECKOUT, { PATH: process.env.PATH ?? '' });
  expect(ran.code, ran.output).toBe(0);
}

function shellRun(args: readonly string[], cwd: string, env: Readonly<Record<string, string>>) {
  return new Promise<{ code: number | null; stdout: string; output: string }>((done) => {
    execFile('sh', args, { cwd, env, maxBuffer: 1 << 26, timeout: 390_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
      done({ code, stdout, output: `${stdout}${stderr}` });
    });
  });
}

/** Parses a command line with the real command line's rules, without running it. */
async function parse(words: readonly string[]): Promise<'parsed'> {
  const program = await createProgram();
  disarm(program);
  await program.parseAsync([...words], { from: 'user' });
  return 'parsed';
}

function disarm(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
  if (command.commands.length === 0) command.action(() => undefined);
  for (const one of command.commands) disarm(one);
}

const PROGRAM = await createProgram();

/** Pure: the words of a command that Kiln does not know: prose may leave arguments out. */
function unknownIn(words: readonly string[]): string[] {
  let command: Command = PROGRAM;
  const unknown: string[] = [];
  const options = [...command.options];
  for (const [index, word] of words.entries()) {
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    const flag = /^\[?(--?[a-zA-Z][\w-]*)/.exec(word)?.[1];
    if (next !== undefined) {
      command = next;
      options.push(...next.options);
    } else if (flag !== undefined) {
      if (!['-h', '--help', ...options.flatMap(({ long, short }) => [long, short])].includes(flag))
        unknown.push(word);
    } else if (index === 0 && word !== 'help' && word !== 'COMMAND') unknown.push(word);
  }
  return unknown;
}
