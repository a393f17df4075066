import type { Command } from 'commander';
import { documentWithoutPasswords } from '../platform/secrets.ts';
import { contextOf } from './context.ts';
import { print, printJson } from './output.ts';
import { homeFrom } from './settings.ts';

export function registerConfig(program: Command): void {
  const command = program
    .command('config')
    .description(
      'show the settings: flag, environment (KILN_*), kiln.yaml in the home, default; the first wins',
    )
    .option('--show-origin', 'say where each comes from')
    .action(async (options: { showOrigin?: boolean }) => {
      const { home, json, settings } = await contextOf(command);
      const { origin } = homeFrom(command.optsWithGlobals<{ home?: string }>().home);
      const all = documentWithoutPasswords([{ name: 'home', value: home.root, origin }, ...settings]);
      if (json) return printJson({ settings: all });
      for (const { name, value, origin: from } of all) {
        print(
          `${name}: ${value === '' ? '(none)' : value}${options.showOrigin === true ? `  (${from})` : ''}`,
        );
      }
    });
}
