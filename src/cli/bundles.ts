import type { Command } from 'commander';
import { surveyBundles } from '../bundle/index.ts';
import { gatesOf } from '../pipeline/gates.ts';
import { listStates } from '../publish/index.ts';
import { contextOf } from './context.ts';
import { formatBytes, note, print, printJson, styled, table } from './output.ts';

export function registerBundles(program: Command): void {
  const command = program
    .command('bundles')
    .description('list what was built')
    .argument('[RECIPE]', 'only bundles of this recipe')
    .action(async (recipe: string | undefined) => {
      const { home, json } = await contextOf(command);
      const channels = await listStates(home);
      const store = await surveyBundles(home, recipe);
      for (const { sentence } of store.unreadable) note(`${styled('yellow', 'warning:')} ${sentence}`);
      const bundles = await Promise.all(
        store.bundles.map(async ({ directory, manifest }) => ({
          id: manifest.id,
          recipe: manifest.recipe,
          variant: manifest.variant,
          release: manifest.release,
          channels: channels.filter(({ current }) => current?.bundle === manifest.id).map(({ name }) => name),
          bytes: Object.values(manifest.files).reduce((sum, { size }) => sum + size, 0),
          booted: (await gatesOf(home, manifest)).boot?.status === 'passed',
          directory,
        })),
      );
      if (json) return printJson({ bundles });
      if (bundles.length === 0) return print(noBundles(recipe));
      const rows = bundles.map((one) => [
        one.id,
        `${one.recipe}:${one.variant}`,
        one.channels.join(' ') || '-',
        formatBytes(one.bytes),
        one.booted ? 'yes' : 'no',
      ]);
      print(
        table(['BUNDLE', 'VARIANT', 'CHANNELS', 'SIZE', 'BOOTED'], rows, (cell, _column, row) =>
          row === -1 ? styled('bold', cell, process.stdout) : cell,
        ),
      );
    });
}

function noBundles(recipe: string | undefined): string {
  return recipe === undefined
    ? 'No bundles yet: kiln build makes them.'
    : `No bundles of a recipe ${recipe} here; kiln bundles lists those of all.`;
}
