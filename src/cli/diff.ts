import type { Command } from 'commander';
import { type BundleDifference, diffBundles, findBundle, type SizeDifference } from '../bundle/index.ts';
import { contextOf } from './context.ts';
import { print, printJson, styled } from './output.ts';

export function registerDiff(program: Command): void {
  const command = program
    .command('diff')
    .description('say how two bundles differ: inputs, configuration, toolchain, sizes, modules')
    .argument('<BUNDLE>', 'id or directory of a bundle')
    .argument('<BUNDLE>', 'id or directory of another')
    .addHelpText(
      'after',
      `
Example:
  kiln diff 2.4.22-om2-1f2e3d4c5b 2.4.22-om2-6a7b8c9d0e

What is the same in both is left out. Sections are the kernel's parts in memory, by its System.map.`,
    )
    .action(async (one: string, other: string) => {
      const { home, json } = await contextOf(command);
      const difference = await diffBundles(await findBundle(home, one), await findBundle(home, other));
      if (json) printJson(difference);
      else print(describe(difference));
    });
}

function describe(difference: BundleDifference): string {
  const { from, to, inputs, config, toolchain, files, sections, modules } = difference;
  const parts = [
    ...section('Inputs', inputs.map(textLine)),
    ...section('Toolchain', toolchain.map(textLine)),
    ...section(
      'Configuration',
      config.map(({ symbol, from: was, to: is }) => `${symbol}: ${was ?? '-'} -> ${is ?? '-'}`),
    ),
    ...section('Files', files.map(sizeLine)),
    ...section('Sections of the kernel', sections.map(sizeLine)),
    ...section('Modules', modules.map(sizeLine)),
  ];
  const head = [`--- ${from}`, `+++ ${to}`];
  return [...head, ...(parts.length === 0 ? ['no difference'] : parts)].join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [
    '',
    styled('bold', `${title} (${lines.length})`, process.stdout),
    ...lines.map((line) => `  ${line}`),
  ];
}

function textLine({ name, from, to }: { name: string; from: string | null; to: string | null }): string {
  if (from === null) return `+ ${name}: ${to}`;
  if (to === null) return `- ${name}: ${from}`;
  return `${name}: ${from} -> ${to}`;
}

function sizeLine({ name, from, to }: SizeDifference): string {
  if (from === null) return `+ ${name} (${to} bytes)`;
  if (to === null) return `- ${name} (${from} bytes)`;
  const change = to - from;
  return `${name}: ${from} -> ${to} bytes (${change > 0 ? '+' : ''}${change})`;
}
