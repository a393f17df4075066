import type { Command } from 'commander';
import { stringify } from 'yaml';
import { findBundle, type Manifest, type StoredBundle } from '../bundle/index.ts';
import { gatesOf } from '../pipeline/gates.ts';
import { sourceNames } from '../pipeline/inputs.ts';
import { type LoadedRecipe, loadRecipe, readLock, recipeNames } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import { recipeJsonSchema } from '../recipe/schema.ts';
import { expandVariant } from '../recipe/variants.ts';
import { type Context, contextOf } from './context.ts';
import { formatBytes, print, printJson, styled, table } from './output.ts';

export function registerShow(program: Command): void {
  const command = program
    .command('show')
    .description('show a recipe expanded, with its locks, or a bundle and what it was made of')
    .argument('[RECIPE|BUNDLE]', "a recipe's name or path, or a bundle's id or directory")
    .option('--schema', "print the recipe's JSON Schema, for editors")
    .action(async (reference: string | undefined, options: { schema?: boolean }) => {
      const context = await contextOf(command);
      if (options.schema === true) return printJson(recipeJsonSchema());
      if (reference === undefined) {
        throw new KilnError('usage', 'kiln show needs a recipe or a bundle', {
          hint: 'kiln recipes and kiln bundles list them; kiln show --schema prints the schema',
        });
      }
      if (await isRecipe(reference)) await showRecipe(context, await loadRecipe(reference));
      else await showBundle(context, await findBundle(context.home, reference));
    });
}

/** A recipe goes by its name or by the path of a YAML file; anything else is a bundle's. */
async function isRecipe(reference: string): Promise<boolean> {
  return /\.ya?ml$/.test(reference) || (await recipeNames()).includes(reference);
}

async function showRecipe(context: Context, loaded: LoadedRecipe): Promise<void> {
  const { recipe } = loaded;
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
  const expanded = { ...recipe, variants };
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

function aboutRows(manifest: Manifest, gates: Manifest['gates']): string[][] {
  const { kernel, patches } = manifest.sources;
  const mark = (substituted: true | undefined) => (substituted === true ? ' (substituted)' : '');
  const { compat } = manifest.toolchain;
  return [
    ['release', manifest.release],
    ['channel', manifest.channel],
    ['kernel', `${kernel.file} sha256:${kernel.sha256}${mark(kernel.substituted)}`],
    ...patches.map((patch) => [
      `patch ${patch.name}`,
      `${patch.file} sha256:${patch.sha256}${mark(patch.substituted)}, ${patch.hunks} hunks in ${patch.files} files, ${patch.offsets} at an offset, ${patch.fuzzed} with fuzz`,
    ]),
    ['config', `${manifest.config.base} + ${manifest.config.fragments.join(' + ')}`],
    ['compiler', manifest.toolchain.compiler],
    ['compat rules', compat === 'off' ? 'off' : `${compat.length} touched the tree`],
    ['initrd', `${manifest.initrd.kit}, ${manifest.initrd.sizeKiB} KiB, ${manifest.initrd.inodes} inodes`],
    ['command line', manifest.boot.cmdline],
    ...Object.entries(gates).map(([name, record]) => [
      `${name} gate`,
      record.status === 'passed' ? `passed: ${record.detail}` : `skipped: ${record.reason}`,
    ]),
  ];
}
