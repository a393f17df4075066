import type { Command } from 'commander';
import { loadRecipe, recipeNames } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import { contextOf } from './context.ts';
import { formatError, note, print, printJson, styled, table } from './output.ts';

export function registerRecipes(program: Command): void {
  const command = program
    .command('recipes')
    .description('list the recipes that there are')
    .action(async () => {
      const { json } = await contextOf(command);
      const found: { name: string; kernel: string; variants: string[]; description: string }[] = [];
      for (const name of await recipeNames()) {
        try {
          const { recipe } = await loadRecipe(name);
          found.push({
            name,
            kernel: `${recipe.kernel.version}${recipe.extraversion}`,
            variants: Object.keys(recipe.variants),
            description: recipe.description ?? '',
          });
        } catch (error) {
          // One recipe with a fault must not hide the others.
          if (!(error instanceof KilnError)) throw error;
          note(formatError(error));
          process.exitCode = error.exitCode;
        }
      }
      if (json) return printJson({ recipes: found });
      const rows = found.map((one) => [one.name, one.kernel, one.variants.join(' '), one.description]);
      print(
        table(['RECIPE', 'KERNEL', 'VARIANTS', 'DESCRIPTION'], rows, (cell, _column, row) =>
          row === -1 ? styled('bold', cell, process.stdout) : cell,
        ),
      );
    });
}
