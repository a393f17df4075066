import type { Command } from 'commander';
import { findBundle } from '../bundle/index.ts';
import { type Published, publishBundle, rollback } from '../publish/index.ts';
import { contextOf, wholeNumber } from './context.ts';
import { print, printJson } from './output.ts';

export function registerPublish(program: Command): void {
  const publish = program
    .command('publish')
    .description('point a channel to a bundle, after verifying it')
    .argument('<BUNDLE>', 'id or directory of a bundle')
    .requiredOption('--channel <CHANNEL>', 'the symlink below the TFTP root, e.g. lts/stable')
    .option('--reason <TEXT>', 'why, for the history of the channel')
    .action(async (reference: string, options: { channel: string; reason?: string }) => {
      const { home, json } = await contextOf(publish);
      const bundle = await findBundle(home, reference);
      const { reason = 'published by hand' } = options;
      report(await publishBundle(home, bundle, options.channel, { reason }), json);
    });

  const back = program
    .command('rollback')
    .description('point a channel back to an older generation, after verifying what it points back to')
    .argument('<CHANNEL>', 'the channel')
    .option('--to <GENERATION>', 'its number (default: the one before the present one)', wholeNumber)
    .option('--reason <TEXT>', 'why, for the history of the channel')
    .action(async (channel: string, options: { to?: number; reason?: string }) => {
      const { home, json } = await contextOf(back);
      const { to, reason } = options;
      report(await rollback(home, channel, to, reason === undefined ? {} : { reason }), json);
    });
}

function report(published: Published, json: boolean): void {
  if (json) {
    printJson(published);
    return;
  }
  const { channel, generation, bundle, flipped } = published;
  print(`${channel} ${flipped ? 'points' : 'pointed already'} to generation ${generation}, bundle ${bundle}`);
}
