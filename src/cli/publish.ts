import type { Command } from 'commander';
import { findBundle } from '../bundle/index.ts';
import {
  type ChangeOptions,
  type Published,
  type PublishOptions,
  promote,
  publishBundle,
  rollback,
} from '../publish/index.ts';
import { contextOf, wholeNumber } from './context.ts';
import { print, printJson } from './output.ts';

interface Options {
  readonly reason?: string;
  readonly force?: boolean;
  readonly singleFile?: boolean;
}

/** Options `--reason` and `--force`, which every change to a channel has. */
function changing(command: Command): Command {
  return command
    .option('--reason <TEXT>', 'why, for the history of the channel')
    .option('--force', 'flip a pinned channel all the same');
}

const SINGLE_FILE = 'the channel is one file (vmlinuz.nbi, else vmlinuz) instead of a directory';

export function registerPublish(program: Command): void {
  const publish = changing(
    program
      .command('publish')
      .description('point a channel to a bundle, after verifying it')
      .argument('<BUNDLE>', 'id or directory of a bundle')
      .requiredOption('--channel <CHANNEL>', 'the symlink below the TFTP root, e.g. lts/stable')
      .option('--single-file', SINGLE_FILE),
  )
    .addHelpText(
      'after',
      `
Examples:
  kiln publish 2.4.22-om2-1f2e3d4c5b --channel lts/testing
  kiln publish 2.4.22-om2-1f2e3d4c5b --channel lts/vmlinuz-openmosix --single-file
                                                what dhcpd.conf names as filename "/lts/vmlinuz-openmosix"
  kiln publish /srv/other-kiln/bundles/openmosix-2.4.22/all/2.4.22-om2-1f2e3d4c5b --channel lts/testing
                                                copied into the store first, with its signature: kiln key trust`,
    )
    .action(async (reference: string, options: Options & { channel: string }) => {
      const { home, json } = await contextOf(publish);
      const bundle = await findBundle(home, reference);
      const reason = options.reason ?? 'published by hand';
      report(await publishBundle(home, bundle, options.channel, { ...changeOf(options), reason }), json);
    });

  const forward = changing(
    program
      .command('promote')
      .description('point a channel to what another one points to, without a rebuild')
      .argument('<FROM>', 'the channel that has it, e.g. lts/testing')
      .argument('<TO>', 'the channel that gets it, e.g. lts/stable')
      .option('--single-file', SINGLE_FILE),
  )
    .addHelpText(
      'after',
      '\nExample:\n  kiln promote lts/testing lts/stable --reason "a week without a panic"',
    )
    .action(async (from: string, to: string, options: Options) => {
      const { home, json } = await contextOf(forward);
      report(await promote(home, from, to, changeOf(options)), json);
    });

  const back = changing(
    program
      .command('rollback')
      .description('point a channel back to an older generation, after verifying what it points back to')
      .argument('<CHANNEL>', 'the channel')
      .option('--to <GENERATION>', 'its number (default: the one before the present one)', wholeNumber),
  )
    .addHelpText(
      'after',
      `
Examples:
  kiln rollback lts/stable                      to the generation before
  kiln rollback lts/stable --to 7               to one of kiln history lts/stable

The one before is so by its number: after a rollback and another publish it is the one that was rolled back from.
Works on a full disk: space for it is set aside.`,
    )
    .action(async (channel: string, options: Options & { to?: number }) => {
      const { home, json } = await contextOf(back);
      report(await rollback(home, channel, options.to, changeOf(options)), json);
    });
}

function changeOf({ reason, force, singleFile }: Options): PublishOptions & ChangeOptions {
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(force === undefined ? {} : { force }),
    ...(singleFile === undefined ? {} : { singleFile }),
  };
}

function report(published: Published, json: boolean): void {
  if (json) {
    printJson(published);
    return;
  }
  const { channel, generation, bundle, flipped } = published;
  print(`${channel} ${flipped ? 'points' : 'pointed already'} to generation ${generation}, bundle ${bundle}`);
}
