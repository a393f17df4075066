import { readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KilnError } from '../../platform/errors.ts';
import { temporaryDirectory } from '../../platform/files.ts';
import { openAir, type Sandbox } from '../../platform/sandbox.ts';
import type { AuditReport } from '../audit.ts';
import { dotConfigLine, parseDotConfig } from '../dotconfig.ts';
import type { Requested } from '../fragment.ts';
import { treeReader } from '../tree-reader.ts';
import { auditKbuild, type KbuildAuditInput } from './audit.ts';
import { rank } from './expression.ts';
import { makeWorkable, type Workable } from './old-trees.ts';
import { type KbuildTree, loadKbuildTree } from './parse.ts';

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
  /** What make runs in; the open air by default. */
  readonly sandbox?: Sandbox;
  readonly signal?: AbortSignal;
  /** File that make's output is appended to. */
  readonly log?: string;
  /** The kernel's version, where it is known: `6.1.0`. */
  readonly version?: string;
  /** Milliseconds after which a make that still asks is given up; 300,000 by default. */
  readonly timeoutMs?: number;
}

export interface KbuildConfigured {
  readonly dotConfig: string;
  readonly audit: AuditReport;
  /** What the audit was made from, for questions about single symbols. */
  readonly facts: KbuildAuditInput;
}

/**
 * Configures a 2.6+ tree as its merge_config.sh does, `make olddefconfig` over base and fragments, and audits
 * the result; trees older than that target (2.6.0 to 2.6.35) run `make oldconfig` and get an empty line, the
 * default, for every question. Runs the tree's own make, on a `.config` outside the tree; changes nothing else in
 * the tree than what make builds for that (scripts/).
 * @throws KilnError `failed` when make fails, with its last lines, or goes on asking.
 */
export async function configureKbuild(input: KbuildConfigInput): Promise<KbuildConfigured> {
  const workplace = await temporaryDirectory('kiln-kconfig');
  try {
    const tree = loadKbuildTree(treeReader(input.directory), input.arch, input.version);
    const real = await realpath(input.directory);
    const sandbox = input.sandbox ?? openAir('none', real);
    const place = await makeWorkable(real, workplace, sandbox.inside(real), input.signal);
    const settings: Settings = {
      input,
      sandbox,
      workplace,
      place,
      wanted: join(workplace, 'wanted.config'),
      tree,
    };
    if (input.base === undefined) await runMake(settings, ['defconfig']);
    const base = input.base ?? (await readFile(place.config, 'utf8'));
    const dotConfig = await settle(settings, base);
    const facts = { tree, base, requested: input.requested, dotConfig };
    return { dotConfig, audit: auditKbuild(facts), facts };
  } finally {
    await rm(workplace, { recursive: true, force: true });
  }
}

interface Settings {
  readonly input: KbuildConfigInput;
  readonly sandbox: Sandbox;
  readonly workplace: string;
  readonly place: Workable;
  /** Path for the file of wanted values that allnoconfig reads. */
  readonly wanted: string;
  readonly tree: KbuildTree;
}

/** Before 3.7 olddefconfig was called oldnoconfig, and before 2.6.36 there was neither. */
const SETTLING = ['olddefconfig', 'oldnoconfig', 'oldconfig'];

async function settle(settings: Settings, base: string): Promise<string> {
  const { input, place, wanted } = settings;
  const asked = overlay(base, input.requested);
  await writeFile(place.config, asked);
  if (input.unnamed === 'off') {
    if (!place.takesWantedValues) return settleAllOff(settings, base);
    await writeFile(wanted, asked);
    await runMake(settings, ['allnoconfig'], [`KCONFIG_ALLCONFIG=${wanted}`]);
  }
  await runMake(settings, SETTLING);
  return readFile(place.config, 'utf8');
}

/**
 * Off wherever it can be, in a tree whose allnoconfig takes no wanted values: what came on by its default is
 * named as off and the configuration settled again, until nothing else comes on.
 */
async function settleAllOff(settings: Settings, base: string): Promise<string> {
  const { input, place } = settings;
  await runMake(settings, ['allnoconfig']);
  const allOff = await readFile(place.config, 'utf8');
  let text = overlay(`${allOff}\n${base}`, input.requested);
  for (;;) {
    await writeFile(place.config, text);
    await runMake(settings, SETTLING);
    const settled = await readFile(place.config, 'utf8');
    const named = parseDotConfig(text);
    const more = [...parseDotConfig(settled)].filter(
      ([symbol, value]) => rank(value) > 0 && !named.has(symbol) && isAsked(settings.tree, symbol),
    );
    if (more.length === 0) return settled;
    text += more.map(([symbol]) => `# ${symbol} is not set\n`).join('');
  }
}

/** Each symbol once: what is asked for, else the base's value, which may be any text that make wrote itself. */
function overlay(base: string, requested: readonly Requested[]): string {
  const values = parseDotConfig(base);
  for (const { symbol, want } of requested) values.set(symbol, want);
  return [...values].map(([symbol, value]) => `${dotConfigLine(symbol, value)}\n`).join('');
}

function isAsked(tree: KbuildTree, symbol: string): boolean {
  const entries = tree.entries.get(symbol.replace(/^CONFIG_/, '')) ?? [];
  return entries.some(({ prompt }) => prompt !== undefined);
}

/** Runs the first goal that the tree's Makefile has. */
async function runMake(
  { input, sandbox, workplace, place }: Settings,
  goals: readonly string[],
  variables: readonly string[] = [],
): Promise<void> {
  const { directory, arch, signal, log, timeoutMs = 300_000 } = input;
  const options = {
    ...(signal === undefined ? {} : { signal }),
    ...(log === undefined ? {} : { log }),
    timeoutMs,
    cwd: place.directory,
    writable: [workplace],
    // An empty line is the default; an end of file is an error to some versions.
    input: '\n'.repeat(20_000),
  };
  const all = [`ARCH=${arch}`, ...(input.variables ?? []), ...place.variables, ...variables];
  for (const goal of goals) {
    const result = await sandbox.run('make', ['-C', place.directory, ...all, goal], options);
    signal?.throwIfAborted();
    if (result.exitCode === 0) return;
    if (goal !== goals.at(-1) && result.tail.some((line) => /No rule to make target/.test(line))) continue;
    const what = result.timedOut ? `still asked for values after ${timeoutMs / 1000} s` : 'failed';
    throw new KilnError('failed', `make ${goal} ${what} in ${directory}`, {
      lines: result.tail.slice(-20),
      ...(log === undefined ? {} : { log }),
    });
  }
}
