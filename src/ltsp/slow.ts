import { type Block, dropBlocks } from './blocks.ts';

/**
 * Pure: what keeps nodes out of the cluster in LTSP's lts.conf, whose sections go by a node's Ethernet address, its name
 * or its IP address: `MOSIX = N`, in the node's section where it has one.
 * @param slow Ethernet addresses
 */
export function ltsConfBlocks(text: string, slow: readonly string[], file: string): Block[] {
  const names = new Map(slow.map((mac) => [mac, `slow-${mac.replaceAll(':', '')}`]));
  const others = dropBlocks(text, [...names.values()], file);
  return [...names].map(([mac, name]): Block => {
    const section = new RegExp(`^\\s*\\[\\s*${mac}\\s*\\]`, 'i');
    return others.split('\n').some((line) => section.test(line))
      ? { name, lines: ['        MOSIX = N'], place: { at: 'after', line: section } }
      : { name, lines: [`[${mac}]`, '        MOSIX = N'], place: { at: 'end' } };
  });
}
