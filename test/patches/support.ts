import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { PatchInput } from '../../src/patches/index.ts';
import { run } from '../../src/platform/process.ts';

/** A directory of its own, gone when the test is over. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'kiln-patches-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A tree with the given files. */
export function treeOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const tree = join(scratch(), 'tree');
  mkdirSync(tree);
  writeFiles(tree, files);
  return tree;
}

export function writeFiles(tree: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    writeFileSync(join(tree, name), content);
  }
}

/** Text of a file of a tree, one character per byte. */
export function contentOf(tree: string, name: string): string {
  return readFileSync(join(tree, name), 'latin1');
}

export function patchOf(text: string | Uint8Array, options: Partial<PatchInput> = {}): PatchInput {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  return { name: 'test.patch', bytes, ...options };
}

/** Numbered lines `prefix1` to `prefixN`. */
export function numbered(count: number, prefix = 'line '): string {
  return Array.from({ length: count }, (_, at) => `${prefix}${at + 1}\n`).join('');
}

/** What GNU diff prints for two trees under one directory. */
export async function gnuDiff(directory: string, args: readonly string[]): Promise<Buffer> {
  const result = await run('diff', args, { cwd: directory, capture: true });
  if (result.exitCode !== 0 && result.exitCode !== 1) throw new Error(result.tail.join('\n'));
  return result.stdout;
}

/** Runs git with a configuration of its own. */
export async function git(directory: string, ...args: string[]): Promise<Buffer> {
  const result = await run('git', args, {
    cwd: directory,
    capture: true,
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: directory,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'a',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'a',
      GIT_COMMITTER_EMAIL: 'a@example.org',
    },
  });
  if (result.exitCode !== 0) throw new Error(result.tail.join('\n'));
  return result.stdout;
}
