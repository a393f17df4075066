import { join } from 'node:path';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { findBundle, type Manifest, type StoredBundle } from '../bundle/index.ts';
import { gatesOf } from '../pipeline/gates.ts';
import { findPreferred, type SourceChoices, sourceNames } from '../pipeline/inputs.ts';
import { preparedTree } from '../pipeline/planning.ts';
import { type LoadedRecipe, loadRecipe, readLock, recipeNames } from '../pipeline/recipes.ts';
import { historyOf } from '../pipeline/tree.ts';
import { KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import { recipeJsonSchema } from '../recipe/schema.ts';
import { expandVariant } from '../recipe/variants.ts';
import {
  addSourceOptions,
  type Context,
  contextOf,
  mirrorFlag,
  type SourceOptions,
  sourceChoices,
} from './context.ts';
import { formatBytes, print, printJson, styled, table } from './output.ts';
import { stopSignal } from './signals.ts';

interface ShowOptions extends SourceOptions {
  readonly schema?: boolean;
  readonly file?: string;
}

export function registerShow(program: Command): void {
  const command = program
    .command('show')
    .description('show a recipe expanded, with its locks, or a bundle and what it was made of')
    .argument('[RECIPE|BUNDLE]', "a recipe's name or path, or a bundle's id or directory")
    .option('--file <PATH>', 'say which patches and compat rules touched a file of the prepared tree')
    .option('--schema', "print the recipe's JSON Schema, for editors");
  addSourceOptions(command).action(async (reference: string | undefined, options: ShowOptions) => {
    const context = await contextOf(command, mirrorFlag(options));
    if (options.schema === true) return printJson(recipeJsonSchema());
    if (reference === undefined) {
      throw new KilnError('usage', 'kiln show needs a recipe or a bundle', {
        hint: 'kiln recipes and kiln bundles list them; kiln show --schema prints the schema',
      });
    }
    if (options.file !== undefined) {
      await showFile(context, await loadRecipe(reference), options.file, sourceChoices(context, options));
      return;
    }
    if (await isRecipe(reference)) {
      await showRecipe(context, await loadRecipe(reference), sourceChoices(context, options));
    } else await showBundle(context, await findBundle(context.home, reference));
  });
}

/** A recipe goes by its name or by the path of a YAML file; anything else is a bundle's. */
async function isRecipe(reference: string): Promise<boolean> {
  return /\.ya?ml$/.test(reference) || (await recipeNames()).includes(reference);
}

async function showFile(
  context: Context,
  loaded: LoadedRecipe,
  path: string,
  choices: SourceChoices,
): Promise<void> {
  const tree = await preparedTree(context.home, loaded, choices, stopSignal());
  if (tree === undefined) {
    throw new KilnError(
      'failed',
      `the tree of ${loaded.recipe.name} is not prepared in ${context.home.root}`,
      {
        hint: `kiln build ${loaded.recipe.name} prepares it`,
      },
    );
  }
  const { patches, compat } = historyOf(tree.record, path);
  if (patches.length + compat.length === 0 && !(await exists(join(tree.directory, 'tree', path)))) {
    throw new KilnError('usage', `the tree of ${loaded.recipe.name} has no file ${path}`, {
      hint: 'give the path from the top of the tree, e.g. drivers/net/Makefile',
    });
  }
  if (context.json) return printJson({ file: path, patches, compat });
  if (patches.length + compat.length === 0) return print(`${path}: as in the kernel's source`);
  for (const name of patches) print(`${path}: patch ${name}`);
  for (const rule of compat) print(`${path}: compat rule ${rule}`);
}

async function showRecipe(context: Context, loaded: LoadedRecipe, choices: SourceChoices): Promise<void> {
  const { recipe } = loaded;
  const preferred = await findPreferred(loaded, choices.mirrors);
  const base = preferred ?? recipe.config.base;
  const lock = await readLock(loaded);
  const variants = Object.fromEntries(
    Object.keys(recipe.variants).map((name) => {
      const { fragments, options, boot, initrd, channel } = expandVariant(loaded, name);
      return [
        name,
        {
          channel,
          fragments: fragments.map((fragment) => fragment.name),
          options: Object.fromEntries(options.map(({ symbol, value }) => [symbol, value])),
          boot,
          initrd,
        },
      ];
    }),
  );
  const expanded = { ...recipe, config: { ...recipe.config, base }, variants };
  const locks = Object.fromEntries(sourceNames(loaded).map((name) => [name, lock[name] ?? null]));
  if (context.json) return printJson({ file: loaded.file, recipe: expanded, locks });
  print(`# ${loaded.file}, expanded\n${stringify(expanded)}`);
  print(`# locked sources (${loaded.lockFile})\n${stringify(locks)}`);
}

async function showBundle(context: Context, bundle: StoredBundle): Promise<void> {
  const { manifest, directory } = bundle;
  const gates = await gatesOf(context.home, manifest);
  if (context.json) return printJson({ directory, manifest: { ...manifest, gates } });
  print(
    `${styled('bold', manifest.id, process.stdout)}  ${manifest.recipe}:${manifest.variant}\n${directory}\n`,
  );
  print(table(['ABOUT', ''], aboutRows(manifest, gates)));
  const files = Object.entries(manifest.files).map(([name, { size, sha256 }]) => [
    name,
    formatBytes(size),
    sha256,
  ]);
  print(`\n${table(['FILE', 'SIZE', 'SHA256'], files)}`);
}

function kitRows({ sources: { kit } }: Manifest): string[][] {
  return kit === undefined
    ? []
    : [['kit', `${kit.file} sha256:${kit.sha256}${kit.substituted === true ? ' (substituted)' : ''}`]];
}

function moduleRows({ modules }: Manifest): string[][] {
  if (modules === undefined || modules.count === 0) return [];
  const { count, tainting } = modules;
  return [
    ['modules', `${count}, ${tainting.length === 0 ? 'none taints' : `tainting: ${tainting.join('; ')}`}`],
  ];
}

function aboutRows(manifest: Manifest, gates: Manifest['gates']): string[][] {
  const { kernel, patches } = manifest.sources;
  const mark = (substituted: true | undefined) => (substituted === true ? ' (substituted)' : '');
  const { compat, within } = manifest.toolchain;
  return [
    ['release', manifest.release],
    ['channel', manifest.channel],
    ['kernel', `${kernel.file} sha256:${kernel.sha256}${mark(kernel.substituted)}`],
    ...patches.map((patch) => [
      `patch ${patch.name}`,
      `${patch.file} sha256:${patch.sha256}${mark(patch.substituted)}, ${patch.hunks} hunks in ${patch.files} files, ${patch.offsets} at an offset, ${patch.fuzzed} with fuzz`,
    ]),
    ...kitRows(manifest),
    ['config', `${manifest.config.base} + ${manifest.config.fragments.join(' + ')}`],
    ['compiler', [manifest.toolchain.compiler, within].filter((part) => part !== undefined).join(', in ')],
    ['compat rules', compat === 'off' ? 'off' : `${compat.length} touched the tree`],
    ...moduleRows(manifest),
    [
      'initrd',
      `${manifest.initrd.kit}, ${manifest.initrd.format ?? 'ext2'}, ${manifest.initrd.sizeKiB} KiB, ${manifest.initrd.inodes} inodes`,
    ],
    ['command line', manifest.boot.cmdline],
    ...Object.entries(gates).map(([name, record]) => [
      `${name} gate`,
      record.status === 'passed' ? `passed: ${record.detail}` : `skipped: ${record.reason}`,
    ]),
  ];
}
