import { readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AuditEntry,
  type AuditReport,
  configureKbuild,
  describeEntry,
  diffConfigs,
  type Fragment,
  mergeFragments,
  parseFragment,
  type Requested,
  refuseConflicts,
  resolveConfig,
  treeReader,
} from '../kconfig/index.ts';
import { configureTree, type KernelFamily, makeVariables, type Toolchain } from '../kernel/index.ts';
import { KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import { requireToolsOf } from '../platform/hosttools.ts';
import type { Sandbox } from '../platform/sandbox.ts';
import type { Variant } from '../recipe/variants.ts';
import type { StepCache } from './cache.ts';
import type { TextInput } from './plan.ts';
import type { LoadedRecipe } from './recipes.ts';
import type { Reporter } from './report.ts';

/** A final configuration and how it answers what was asked for. */
export interface Configured {
  readonly dotConfig: string;
  readonly audit: AuditReport;
  /** The header that make wrote of it, in the language of 2.4; missing where the configuration is an earlier run's. */
  readonly autoconf?: string;
}

export interface ConfigureRequest {
  readonly cache: StepCache;
  readonly key: string;
  readonly tree: string;
  /** What the tree's own code runs in. */
  readonly sandbox: Sandbox;
  readonly family: KernelFamily;
  readonly toolchain: Toolchain;
  readonly recipe: LoadedRecipe;
  readonly variant: Variant;
  readonly base: TextInput | undefined;
  readonly fragments: readonly TextInput[];
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/**
 * Makes the final `.config` in a work tree: base and fragments resolved by the tree's own rules, in the language
 * of its family, then held against what was asked for. `make oldconfig` runs afterwards, for the headers that it
 * makes, and may change nothing.
 * @throws KilnError `failed` that lists every request that did not come true and is not accepted
 */
export async function configure(request: ConfigureRequest): Promise<Configured> {
  const { cache, key, tree, family, toolchain, recipe, variant, reporter, signal } = request;
  await requireToolsOf(family.tools, `kernels ${family.covers}`);
  const fragments = [
    familyFragment(family),
    ...request.fragments.map(({ file, text }) => parseFragment(text, file)),
    inlineFragment(recipe, variant),
  ];
  const { requested, conflicts } = mergeFragments('', fragments);
  refuseConflicts(conflicts);
  const settle = family.language === 'cml1' ? settleCml1 : settleKconfig;
  const { dotConfig, audit } = await settle(request, requested);
  for (const entry of audit.requested.filter((one) => one.status !== 'ok'))
    reporter.write(describeEntry(entry));
  refuseUnfulfilled(audit, recipe);
  const target = join(tree, family.paths.config);
  await writeFile(target, dotConfig, 'latin1');
  await configureTree(tree, family, toolchain, { signal, sandbox: request.sandbox, log: reporter.log });
  refuseChanges(dotConfig, await readFile(target, 'latin1'));
  await keep(cache, key, { dotConfig, audit });
  const header = family.paths.autoconf;
  if (header === undefined) return { dotConfig, audit };
  return { dotConfig, audit, autoconf: await readFile(join(tree, header), 'latin1') };
}

/**
 * Gives a tree that was built with another configuration one that was made in a tree beside it, as `make oldconfig`
 * would have left it.
 * @returns false where it can't be told what make would have left
 */
export async function adopt(tree: string, family: KernelFamily, configured: Configured): Promise<boolean> {
  const { autoconf } = family.paths;
  if (autoconf === undefined || configured.autoconf === undefined) return false;
  await writeFile(join(tree, family.paths.config), configured.dotConfig, 'latin1');
  await writeFile(join(tree, autoconf), configured.autoconf, 'latin1');
  return true;
}

/** Kiln's own resolver: it runs no code of the tree. */
function settleCml1(request: ConfigureRequest, requested: readonly Requested[]): Configured {
  const { arch } = request.recipe.recipe.kernel;
  const reader = treeReader(request.tree);
  const defconfig = `arch/${arch}/defconfig`;
  return resolveConfig({
    arch,
    reader,
    base: request.base?.text ?? reader.read(defconfig) ?? '',
    baseName: request.base?.file ?? defconfig,
    requested,
    settle: true,
  });
}

/** The tree's own make, as its merge_config.sh runs it; `base: none` is that script's -n, nothing set. */
async function settleKconfig(
  request: ConfigureRequest,
  requested: readonly Requested[],
): Promise<Configured> {
  const { base, recipe, family, toolchain, reporter, signal } = request;
  const { arch, version } = recipe.recipe.kernel;
  const directory = await realpath(request.tree);
  return configureKbuild({
    directory,
    arch,
    version,
    requested,
    ...(base === undefined ? {} : { base: base.text }),
    unnamed: request.base?.name === 'none' ? 'off' : 'default',
    variables: makeVariables(request.sandbox.inside(directory), family, toolchain),
    sandbox: request.sandbox,
    signal,
    log: reporter.log,
  });
}

/** The configuration of a key if the cache has it. */
export async function cachedConfig(cache: StepCache, key: string): Promise<Configured | undefined> {
  const directory = await cache.find('config', key);
  if (directory === undefined) return undefined;
  return {
    dotConfig: await readFile(join(directory, 'config'), 'latin1'),
    audit: JSON.parse(await readFile(join(directory, 'audit.json'), 'utf8')) as AuditReport,
  };
}

async function keep(cache: StepCache, key: string, configured: Configured): Promise<void> {
  const staged = await cache.stage('config', key);
  try {
    await writeFile(join(staged, 'config'), configured.dotConfig, 'latin1');
    await writeFile(join(staged, 'audit.json'), JSON.stringify(configured.audit));
    await cache.commit('config', key, staged);
  } catch (error) {
    await removeTree(staged);
    throw error;
  }
}

/** What the family itself needs. It stands first: a fragment that contradicts it is told so. */
function familyFragment({ name, options }: KernelFamily): Fragment {
  const file = `kernel family ${name}`;
  return {
    file,
    options: options.map(({ symbol, value, reason }, index) => ({
      symbol,
      want: value,
      fragment: file,
      line: index + 1,
      override: false,
      comments: [`# ${reason}`],
    })),
  };
}

/** The recipe's own options as a fragment; they stand last, and say what they mean by being there. */
function inlineFragment(recipe: LoadedRecipe, variant: Variant): Fragment {
  return {
    file: recipe.file,
    options: variant.options.map(({ symbol, value, path }) => ({
      symbol,
      want: asConfigValue(value),
      fragment: recipe.file,
      line: recipe.placeOf(path).line ?? 1,
      override: true,
      comments: [],
    })),
  };
}

/** y, m, n and numbers stand as they are in a .config; other strings in quotes. YAML reads a bare y as text, true as a boolean. */
function asConfigValue(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'y' : 'n';
  if (typeof value === 'number') return String(value);
  return /^([ymn]|-?\d+|0x[0-9a-fA-F]+|".*")$/.test(value) ? value : JSON.stringify(value);
}

/** The tree's own interpreter has the last word: where it disagrees, neither is to be trusted. */
function refuseChanges(resolved: string, after: string): void {
  if (after === resolved) return;
  const changed = diffConfigs(resolved, after);
  throw new KilnError(
    'failed',
    `make oldconfig changed the configuration: ${changed.length === 1 ? '1 option differs' : `${changed.length} options differ`}`,
    {
      lines: changed.map(({ symbol, from, to }) => `${symbol}: ${from ?? 'nothing'} -> ${to ?? 'nothing'}`),
      hint: 'the configuration language of this tree does something that Kiln does not understand; please report it',
    },
  );
}

function refuseUnfulfilled(audit: AuditReport, recipe: LoadedRecipe): void {
  const accepted = new Set(recipe.recipe.config.accept);
  const failed = audit.requested.filter(
    (entry: AuditEntry) =>
      entry.status !== 'ok' && entry.status !== 'overridden' && !accepted.has(entry.symbol),
  );
  const [first, ...others] = failed;
  if (first === undefined) return;
  throw new KilnError(
    'failed',
    `${failed.length} of ${audit.requested.length} requested options did not come true: ${first.symbol} asked ${first.want}, got ${first.got ?? 'nothing'}`,
    {
      place: { file: first.fragment, line: first.line },
      lines: [first, ...others].map(describeEntry),
      hint: 'set what the option depends on in a fragment, or list the symbol under config.accept in the recipe',
    },
  );
}
