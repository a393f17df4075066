import type { Command } from 'commander';
import { addCanaries, pinChannel, readCanaries, removeCanaries, unpinChannel } from '../publish/index.ts';
import { contextOf } from './context.ts';
import { print, printJson, styled, table } from './output.ts';

const REASON = ['--reason <TEXT>', 'why, for whoever asks later'] as const;

interface Options {
  readonly reason?: string;
}

/** `pin`, `unpin`, `canary`: channels that stay where they are, and nodes that go ahead. */
export function registerHold(program: Command): void {
  const pin = program
    .command('pin')
    .description('hold a channel where it is: it refuses to flip until it is unpinned')
    .argument('<CHANNEL>', 'the channel')
    .option(...REASON)
    .addHelpText('after', '\nExample:\n  kiln pin lts/stable --reason "exam week"')
    .action(async (channel: string, options: Options) => {
      const { home, json } = await contextOf(pin);
      const held = await pinChannel(home, channel, options);
      if (json) return printJson({ channel, pin: held });
      print(
        `${channel} is pinned to generation ${held.generation} by ${held.by} since ${held.at}: ${held.reason}`,
      );
    });

  const unpin = program
    .command('unpin')
    .description('let a pinned channel flip again')
    .argument('<CHANNEL>', 'the channel')
    .option(...REASON)
    .action(async (channel: string, options: Options) => {
      const { home, json } = await contextOf(unpin);
      const held = await unpinChannel(home, channel, options);
      if (json) return printJson({ channel, pinned: held ?? null });
      print(`${channel} ${held === undefined ? 'was not pinned' : 'is not pinned any more'}`);
    });

  registerCanary(program);
}

function registerCanary(program: Command): void {
  const canary = program
    .command('canary')
    .description('the nodes that follow a channel of their own, whatever the others boot')
    .addHelpText(
      'after',
      `
Examples:
  kiln canary                                   the list
  kiln canary add lts/testing 52:54:00:12:34:56 this node follows lts/testing from its next boot on
  kiln canary remove 52:54:00:12:34:56          and boots what the others do again

PXELINUX finds the node's way by itself (pxelinux.cfg/01-<mac>); an iPXE script chains
nodes/\${net0/mac:hexhyp}/boot.ipxe before the channel that is for all.`,
    )
    .action(async () => {
      const { home, json } = await contextOf(canary);
      const nodes = await readCanaries(home);
      if (json) return printJson({ nodes });
      if (nodes.length === 0)
        return print('No canaries: kiln canary add CHANNEL MAC puts a node on the list.');
      const rows = nodes.map(({ mac, channel, at, by, reason }) => [mac, channel, at, by, reason]);
      print(
        table(['NODE', 'CHANNEL', 'SINCE', 'BY', 'REASON'], rows, (cell, _column, row) =>
          row === -1 ? styled('bold', cell, process.stdout) : cell,
        ),
      );
    });

  const add = canary
    .command('add')
    .description('let nodes follow a channel')
    .argument('<CHANNEL>', 'the channel, e.g. lts/testing')
    .argument('<MAC...>', 'their MAC addresses')
    .option(...REASON)
    .action(async (channel: string, macs: string[], options: Options) => {
      const { home, json } = await contextOf(add);
      const nodes = await addCanaries(home, channel, macs, options);
      if (json) return printJson({ nodes });
      for (const { mac } of nodes) print(`${mac} follows ${channel}`);
    });

  const remove = canary
    .command('remove')
    .description('let nodes boot what all others do again')
    .argument('<MAC...>', 'their MAC addresses')
    .action(async (macs: string[]) => {
      const { home, json } = await contextOf(remove);
      const nodes = await removeCanaries(home, macs);
      if (json) return printJson({ nodes });
      for (const { mac, channel } of nodes) print(`${mac} does not follow ${channel} any more`);
      if (nodes.length === 0) print('none of them was on the list');
    });
}
