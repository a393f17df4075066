import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KilnError } from '../../platform/errors.ts';
import { run } from '../../platform/process.ts';
import type { AuditReport } from '../audit.ts';
import type { Requested } from '../fragment.ts';
import { mergeFragments } from '../merge.ts';
import { treeReader } from '../tree-reader.ts';
import { auditKbuild } from './audit.ts';
import { loadKbuildTree } from './parse.ts';

export interface KbuildConfigInput {
  /** The kernel tree's directory. */
  readonly directory: string;
  readonly arch: string;
  /** `.config` text to begin with; the tree's own `make defconfig` where it is not given. */
  readonly base?: string;
  readonly requested: readonly Requested[];
  /** The kernel's version, where it is known: `6.1.0`. */
  readonly version?: string;
}

/**
 * Configures a 2.6+ tree as its merge_config.sh does, `make olddefconfig` over base and fragments, and audits
 * the result. Runs the tree's own make, on a `.config` outside the tree; changes nothing else in the tree
 * than what make builds for that (scripts/).
 * @throws KilnError `failed` when make fails, with its last lines.
 */
export async function configureKbuild(
  input: KbuildConfigInput,
): Promise<{ dotConfig: string; audit: AuditReport }> {
  const workplace = await mkdtemp(join(tmpdir(), 'kiln-kconfig-'));
  try {
    const target = join(workplace, '.config');
    const make = (goals: readonly string[]) => runMake(input, target, goals);
    if (input.base === undefined) await make(['defconfig']);
    const base = input.base ?? (await readFile(target, 'utf8'));
    const options = [...input.requested];
    await writeFile(target, mergeFragments(base, [{ file: 'fragments', options }]).config);
    // Before 3.7 olddefconfig had another name.
    await make(['olddefconfig', 'oldnoconfig']);
    const dotConfig = await readFile(target, 'utf8');
    const tree = loadKbuildTree(treeReader(input.directory), input.arch, input.version);
    return { dotConfig, audit: auditKbuild({ tree, base, requested: input.requested, dotConfig }) };
  } finally {
    await rm(workplace, { recursive: true, force: true });
  }
}

/** Runs the first goal that the tree's Makefile has. */
async function runMake(input: KbuildConfigInput, target: string, goals: readonly string[]): Promise<void> {
  for (const goal of goals) {
    const args = ['-C', input.directory, `ARCH=${input.arch}`, `KCONFIG_CONFIG=${target}`, goal];
    const result = await run('make', args);
    if (result.exitCode === 0) return;
    if (goal !== goals.at(-1) && result.tail.some((line) => /No rule to make target/.test(line))) continue;
    throw new KilnError('failed', `make ${goal} failed in ${input.directory}`, {
      lines: result.tail.slice(-20),
    });
  }
}
