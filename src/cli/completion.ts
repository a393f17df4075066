import { Argument, type Command, Option } from 'commander';
import { surveyBundles } from '../bundle/index.ts';
import { loadRecipe, recipeNames } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { channelNames } from '../publish/index.ts';
import { hasLedger, Ledger } from '../queue/ledger.ts';
import { contextOf } from './context.ts';
import { print, printJson } from './output.ts';
import { SHELLS } from './shells.ts';
import { describeTree, NAME_KINDS, type NameKind } from './tree.ts';

export function registerCompletion(program: Command): void {
  const command = program
    .command('completion')
    .description('print the completion of a shell: commands, options, and the names that this home knows')
    .addArgument(new Argument('[SHELL]', 'the shell').choices(Object.keys(SHELLS)))
    .addOption(
      new Option('--words <KIND>', 'print names for a completion, one a line').choices(NAME_KINDS).hideHelp(),
    )
    .addHelpText(
      'after',
      `
Examples:
  source <(kiln completion bash)                          in ~/.bashrc
  kiln completion zsh > ~/.zfunc/_kiln                    with ~/.zfunc in $fpath before compinit
  kiln completion fish > ~/.config/fish/completions/kiln.fish

Names of recipes, bundles, channels and jobs are asked for as you type, from the home that --home or $KILN_HOME says.`,
    )
    .action(async (shell: string | undefined, options: { words?: NameKind }) => {
      const { home, json } = await contextOf(command);
      if (options.words !== undefined) {
        const words = await WORDS[options.words](home);
        return json ? printJson({ words }) : print(words.map((word) => `${word}\n`).join(''));
      }
      const write = SHELLS[shell ?? ''];
      if (write === undefined) {
        throw new KilnError('usage', 'kiln completion needs the name of a shell', {
          hint: `one of ${Object.keys(SHELLS).join(', ')}`,
        });
      }
      const script = write(describeTree(program));
      if (json) printJson({ shell, script });
      else print(script);
    });
}

const WORDS: Readonly<Record<NameKind, (home: Home) => Promise<string[]>>> = {
  async recipes() {
    const words: string[] = [];
    for (const name of await recipeNames()) {
      const variants = await variantsOf(name);
      words.push(name, ...variants.map((variant) => `${name}:${variant}`));
    }
    return words;
  },
  bundles: async (home) => (await surveyBundles(home)).bundles.map(({ manifest }) => manifest.id),
  channels: (home) => channelNames(home),
  async jobs(home) {
    if (!hasLedger(home)) return [];
    const ledger = Ledger.of(home);
    try {
      return ledger.jobs().map(({ id }) => id);
    } finally {
      ledger.close();
    }
  },
};

/** A recipe with faults is still a name that one may want to type. */
async function variantsOf(recipe: string): Promise<string[]> {
  try {
    return Object.keys((await loadRecipe(recipe)).recipe.variants);
  } catch (error) {
    if (error instanceof KilnError) return [];
    throw error;
  }
}
