import { basename, join } from 'node:path';
import type { Command } from 'commander';
import {
  type AuditReport,
  type ConfigTree,
  configureKbuild,
  describeEntry,
  describeKbuildSymbol,
  describeSymbol,
  diffConfigs,
  type Fragment,
  investigate,
  isKbuildTree,
  loadTree,
  mergeFragments,
  parseBase,
  parseFragment,
  type Requested,
  refuseConflicts,
  resolveConfig,
  type SourceReader,
  type SymbolDescription,
  showAssignment,
  solve,
  treeReader,
} from '../kconfig/index.ts';
import { CHECKOUT } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import { readGiven, writeFileAtomic } from '../platform/files.ts';
import { contextOf } from './context.ts';
import { note, print, printJson, styled, table } from './output.ts';

interface TreeOptions {
  readonly tree: string;
  readonly arch: string;
  readonly base?: string;
  readonly fragment?: readonly string[];
}

/** What the options of a subcommand name, read. */
interface Input {
  readonly reader: SourceReader;
  readonly tree: ConfigTree;
  readonly base: string;
  readonly baseName: string;
  readonly requested: readonly Requested[];
}

/** `kiln kconfig merge|audit|explain|diff|solve`. */
export function registerKconfig(program: Command): void {
  const kconfig = program.command('kconfig').description("a kernel's configuration alone, without a build");
  registerMerge(kconfig);
  registerAudit(kconfig);
  registerExplain(kconfig);
  registerSolve(kconfig);
  registerDiff(kconfig);
}

function registerMerge(kconfig: Command): void {
  const command = kconfig
    .command('merge')
    .description('lay fragments over a base and print the .config that make oldconfig would make of it')
    .option('--output <FILE>', 'write the .config to FILE instead of stdout');
  addTreeOptions(command, true).action(async (options: TreeOptions & { output?: string }) => {
    const { json } = await contextOf(command);
    const { dotConfig, audit } = await settle(options);
    if (options.output !== undefined) await writeFileAtomic(options.output, Buffer.from(dotConfig, 'latin1'));
    if (json) printJson({ config: dotConfig, requested: audit.requested, ok: audit.ok });
    else if (options.output === undefined) process.stdout.write(Buffer.from(dotConfig, 'latin1'));
    if (!json) noteProblems(audit);
    process.exitCode = audit.ok ? 0 : 1;
  });
}

function registerAudit(kconfig: Command): void {
  const command = kconfig
    .command('audit')
    .description('hold what fragments ask for against what the tree would give, and say why it differs');
  addTreeOptions(command, true).action(async (options: TreeOptions) => {
    const { json } = await contextOf(command);
    const { audit } = await settle(options);
    if (json) printJson(audit);
    else print(formatAudit(audit));
    process.exitCode = audit.ok ? 0 : 1;
  });
}

function registerExplain(kconfig: Command): void {
  const command = kconfig
    .command('explain')
    .description('tell of a symbol where it is asked, what it depends on, what depends on it, and its help')
    .argument('<SYMBOL>', 'with or without CONFIG_');
  addTreeOptions(command, false).action(async (name: string, options: TreeOptions) => {
    const { json } = await contextOf(command);
    const description = await describe(options, name.startsWith('CONFIG_') ? name : `CONFIG_${name}`);
    if (json) printJson(description);
    else print(formatDescription(description));
    process.exitCode = description.statements.length > 0 ? 0 : 1;
  });
}

function registerSolve(kconfig: Command): void {
  const command = kconfig
    .command('solve')
    .description('find the fewest further options that would let fragments through; changes nothing');
  addTreeOptions(command, true).action(async (options: TreeOptions) => {
    const { json } = await contextOf(command);
    const { tree, base, baseName, requested } = await readInput(options);
    const solution = solve({ tree, base: parseBase(base, baseName), requested });
    if (json) printJson({ found: solution !== undefined, options: solution?.options ?? [] });
    else if (solution === undefined)
      note('no further options would let all of it through; see kiln kconfig audit');
    else if (solution.options.length === 0) note('nothing is missing');
    else print(solution.options.map(showAssignment).join('\n'));
    process.exitCode = solution === undefined ? 1 : 0;
  });
}

function registerDiff(kconfig: Command): void {
  const command = kconfig
    .command('diff')
    .description('show in which options two .config files differ')
    .argument('<A>')
    .argument('<B>')
    .action(async (one: string, other: string) => {
      const { json } = await contextOf(command);
      const changed = diffConfigs(await readText(one), await readText(other));
      if (json) printJson({ changed });
      else if (changed.length === 0) note('no option differs');
      else {
        const rows = changed.map(({ symbol, from, to }) => [symbol, from ?? '-', to ?? '-']);
        print(table(['SYMBOL', basename(one), basename(other)], rows));
      }
    });
}

function addTreeOptions(command: Command, fragmentsNeeded: boolean): Command {
  command
    .requiredOption('--tree <DIR>', 'the kernel tree')
    .option('--arch <ARCH>', 'the architecture, as under arch/', 'i386')
    .option('--base <FILE>', "the .config to begin with (default: the architecture's defconfig)");
  const words = 'a fragment: a path, or a name under kconfig/ such as nic/8139too; give it once for each';
  return fragmentsNeeded
    ? command.requiredOption('--fragment <FILE>', words, collect)
    : command.option('--fragment <FILE>', words, collect);
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

async function readInput(options: TreeOptions): Promise<Input> {
  const reader = treeReader(options.tree);
  if (isKbuildTree(reader, options.arch)) {
    throw new KilnError(
      'usage',
      `${options.tree} is a 2.6 or later tree, whose configuration its own make settles: solve would have to run it hundreds of times, and is for 2.2 and 2.4`,
      { hint: 'kiln kconfig audit names what an option needs, kiln kconfig explain all it depends on' },
    );
  }
  const tree = loadTree(reader, options.arch);
  for (const { file, line } of tree.broken) {
    note(
      `${file}:${line}: an if without a statement: make oldconfig passes over the rest of this file, and so does Kiln`,
    );
  }
  for (const { file, line, path } of tree.missing) {
    note(`${file}:${line}: ${path} is missing: make oldconfig passes over it, and so does Kiln`);
  }
  const requested = await readRequests(options);
  const defconfig = `arch/${options.arch}/defconfig`;
  if (options.base === undefined) {
    return { reader, tree, base: reader.read(defconfig) ?? '', baseName: defconfig, requested };
  }
  return { reader, tree, base: await readText(options.base), baseName: options.base, requested };
}

/** What becomes of the fragments, by the rules of the tree's family. */
async function settle(options: TreeOptions): Promise<{ dotConfig: string; audit: AuditReport }> {
  if (!isKbuildTree(treeReader(options.tree), options.arch)) return resolveConfig(await readInput(options));
  return await settleKbuild(options);
}

async function settleKbuild(options: TreeOptions) {
  const requested = await readRequests(options);
  const base = options.base === undefined ? {} : { base: await readText(options.base) };
  return await configureKbuild({ directory: options.tree, arch: options.arch, ...base, requested });
}

async function describe(options: TreeOptions, symbol: string): Promise<SymbolDescription> {
  if (isKbuildTree(treeReader(options.tree), options.arch)) {
    const { facts } = await settleKbuild(options);
    return describeKbuildSymbol(facts, symbol, treeReader(options.tree));
  }
  const { reader, tree, base, baseName, requested } = await readInput(options);
  return describeSymbol(investigate(tree, parseBase(base, baseName), requested), symbol, reader);
}

async function readRequests(options: TreeOptions): Promise<readonly Requested[]> {
  const fragments = await Promise.all((options.fragment ?? []).map(readFragment));
  const { requested, conflicts } = mergeFragments('', fragments);
  refuseConflicts(conflicts);
  return requested;
}

/** A file of that name, else the one below kconfig/: a directory called netboot hides no fragment. */
async function readFragment(name: string): Promise<Fragment> {
  const own = await readGiven(name);
  if (typeof own !== 'string') return parseFragment(own.toString('latin1'), name);
  const shipped = `kconfig/${name}.config`;
  const found = await readGiven(join(CHECKOUT, shipped));
  if (typeof found !== 'string') return parseFragment(found.toString('latin1'), shipped);
  throw new KilnError('usage', `there is no fragment ${name}: ${own}, nor ${shipped}`, {
    hint: 'give the path of a .config excerpt, or a name below kconfig/, e.g. netboot or nic/8139too',
  });
}

async function readText(path: string): Promise<string> {
  const bytes = await readGiven(path);
  if (typeof bytes !== 'string') return bytes.toString('latin1');
  throw new KilnError('usage', bytes, { hint: 'give the path of a .config file' });
}

function noteProblems(audit: AuditReport): void {
  for (const entry of audit.requested) if (entry.status !== 'ok') note(describeEntry(entry));
}

function formatAudit(audit: AuditReport): string {
  const rows = audit.requested.map((entry) => [
    entry.symbol,
    entry.want,
    entry.got ?? '-',
    entry.status,
    `${entry.fragment}:${entry.line}`,
  ]);
  const shown = table(['SYMBOL', 'WANTED', 'GOT', 'STATUS', 'FROM'], rows, (cell, column, row) =>
    column === 3 && row >= 0 ? styled(cell === 'ok' ? 'green' : 'red', cell, process.stdout) : cell,
  );
  const problems = audit.requested
    .filter(({ why }) => why !== '')
    .map((entry) => `\n${describeEntry(entry)}`);
  return `${shown}\n${problems.join('')}`.trimEnd();
}

function formatDescription(description: SymbolDescription): string {
  const { symbol, statements, dependents, selectedBy, help } = description;
  const lines = [`${styled('bold', symbol, process.stdout)} is ${description.standing}`];
  for (const statement of statements) {
    const menus = statement.menus.length === 0 ? '' : `  in ${statement.menus.join(' > ')}`;
    lines.push('', statement.at + menus);
    if (statement.prompt !== null) lines.push(`  "${statement.prompt}"`);
    for (const { needs, at, symbols } of statement.dependsOn) {
      const stands = symbols.map((each) => `${each.symbol} is ${each.value}`).join(', ');
      lines.push(`  needs ${needs} (${at})${stands === '' ? '' : `: ${stands}`}`);
    }
  }
  if (selectedBy.length > 0) lines.push('', ...selectedBy.map((each) => `selected by ${each}`));
  if (dependents.length > 0) lines.push('', `${dependents.length} depend on it: ${dependents.join(' ')}`);
  if (help !== null) lines.push('', help);
  return lines.join('\n');
}
