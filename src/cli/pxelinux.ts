import type { Command } from 'commander';
import { pointPxelinux } from '../publish/index.ts';
import { contextOf } from './context.ts';
import { print, printJson } from './output.ts';

export function registerPxelinux(program: Command): void {
  const command = program
    .command('pxelinux')
    .description(
      'let nodes that load PXELINUX boot a channel: the loader and its configurations in the TFTP root',
    )
    .argument('<CHANNEL>', 'the channel, e.g. lts/stable')
    .argument('[NODE...]', 'IPv4 addresses of nodes, or `default` for all others (the default)')
    .addHelpText(
      'after',
      `
Examples:
  kiln pxelinux lts/stable                      pxelinux.0, ldlinux.c32, pxelinux.cfg/default
  kiln pxelinux lts/testing 192.168.1.20        pxelinux.cfg/C0A80114 for this node
  kiln canary add lts/testing 52:54:00:12:34:56 pxelinux.cfg/01-52-54-00-12-34-56

A configuration is a symlink by way of the channel: it follows its flips and rollbacks.`,
    )
    .action(async (channel: string, nodes: string[]) => {
      const { home, json } = await contextOf(command);
      const ways = await pointPxelinux(home, channel, nodes.length === 0 ? ['default'] : nodes);
      if (json) return printJson({ ways });
      for (const way of ways) print(`pxelinux.cfg/${way.name} leads to ${way.channel}`);
    });
}
