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
  /**
   * What becomes of an option that neither base nor requests name: its default, as merge_config.sh does, or off
   * wherever that can be, as merge_config.sh -n does (`make allnoconfig`).
   */
  readonly unnamed?: 'default' | 'off';
  /** More variables for make, `NAME=value`: the compiler above all, whose features Kconfig asks for. */
  readonly variables?: readonly string[];
  readonly signal?: AbortSignal;
  /** File that make's output is appended to. */
  readonly log?: string;
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
    const make = (goals: readonly string[], variables: readonly string[] = []) =>
      runMake(input, [`KCONFIG_CONFIG=${target}`, ...variables], goals);
    if (input.base === undefined) await make(['defconfig']);
    const base = input.base ?? (await readFile(target, 'utf8'));
    const options = [...input.requested];
    const merged = mergeFragments(base, [{ file: 'fragments', options }]).config;
    await writeFile(target, merged);
    if (input.unnamed === 'off') {
      const wanted = join(workplace, 'wanted.config');
      await writeFile(wanted, merged);
      await make(['allnoconfig'], [`KCONFIG_ALLCONFIG=${wanted}`]);
    }
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
async function runMake(
  input: KbuildConfigInput,
  variables: readonly string[],
  goals: readonly string[],
): Promise<void> {
  const { directory, arch, signal, log } = input;
  const options = { ...(signal === undefined ? {} : { signal }), ...(log === undefined ? {} : { log }) };
  for (const goal of goals) {
    const all = [`ARCH=${arch}`, ...(input.variables ?? []), ...variables];
    const result = await run('make', ['-C', directory, ...all, goal], options);
    signal?.throwIfAborted();
    if (result.exitCode === 0) return;
    if (goal !== goals.at(-1) && result.tail.some((line) => /No rule to make target/.test(line))) continue;
    throw new KilnError('failed', `make ${goal} failed in ${directory}`, {
      lines: result.tail.slice(-20),
      ...(log === undefined ? {} : { log }),
    });
  }
}
