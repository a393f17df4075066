import { copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { baseEnvironment, run } from '../../src/platform/process.ts';

/** What GNU patch said about one hunk. */
export interface GnuHunk {
  readonly status: 'applied' | 'failed' | 'ignored';
  readonly at: number;
  readonly offset: number;
  readonly fuzz: number;
}

/** What GNU patch said about one section; hunks by number, from 1. */
export interface GnuFile {
  readonly path: string;
  readonly hunks: Map<number, GnuHunk>;
}

export interface GnuVerdict {
  readonly exitCode: number | undefined;
  readonly files: readonly GnuFile[];
  readonly output: readonly string[];
}

/** Runs GNU patch in a directory and reads its report. */
export async function gnuPatch(
  directory: string,
  patch: Uint8Array,
  options: { readonly strip?: number; readonly fuzz?: number } = {},
): Promise<GnuVerdict> {
  const args = [`-p${options.strip ?? 1}`, `--fuzz=${options.fuzz ?? 0}`, '--force', '--verbose'];
  const result = await run('patch', [...args, '--no-backup-if-mismatch', '--reject-file=-'], {
    cwd: directory,
    input: patch,
    capture: true,
    env: baseEnvironment(),
  });
  const output = result.stdout.toString('latin1').split('\n');
  return { exitCode: result.exitCode, files: readVerdicts(output), output };
}

function readVerdicts(output: readonly string[]): GnuFile[] {
  const files: GnuFile[] = [];
  for (const line of output) {
    const file =
      /^(?:patching (?:file|symbolic link) |can't find file to patch)(.*?)(?: \((?:re)?named? .*\))?$/.exec(
        line,
      );
    if (file !== null) files.push({ path: (file[1] ?? '').replace(/^'(.*)'$/, '$1'), hunks: new Map() });
    const hunk = /^Hunk #(\d+) (FAILED|succeeded|ignored|skipped) at (\d+)(.*)$/.exec(line);
    if (hunk === null) continue;
    const rest = hunk[4] ?? '';
    files.at(-1)?.hunks.set(Number(hunk[1]), {
      status: hunk[2] === 'succeeded' ? 'applied' : hunk[2] === 'FAILED' ? 'failed' : 'ignored',
      at: Number(hunk[3]),
      offset: Number(/offset (-?\d+) line/.exec(rest)?.[1] ?? 0),
      fuzz: Number(/fuzz (\d+)/.exec(rest)?.[1] ?? 0),
    });
  }
  return files;
}

/** Copies from a tree only the files that a patch's text names at strip level 1: enough for any tool to judge. */
export function copyNamed(patch: Uint8Array, tree: string, directory: string): void {
  const text = Buffer.from(patch).toString('latin1');
  for (const match of text.matchAll(/^(?:---|\+\+\+|\*\*\*|Index:) (\S+)/gm)) {
    const name = (match[1] ?? '').replace(/^[^/]*\/+/, '');
    const source = join(tree, name);
    const target = join(directory, name);
    if (name === '' || name.includes('..') || name.startsWith('/') || existsSync(target)) continue;
    if (!existsSync(source) || !statSync(source).isFile()) continue;
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(source, target);
  }
}
