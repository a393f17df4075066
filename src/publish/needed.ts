import { posix } from 'node:path';
import type { ChannelRecord } from './journal.ts';

/** How long things are kept. */
export interface Retention {
  /** Each channel's newest generations that stay. */
  readonly keep: number;
  /** How long a node may go on running, or loading, what its channel has left. */
  readonly graceMs: number;
  readonly now: Date;
}

/**
 * Pure: the bundles that some channel needs, by id, and why: what it points to, its newest generations, what it
 * was pinned to, and what it left less than the grace time ago.
 */
export function neededByChannels(
  channels: readonly ChannelRecord[],
  retention: Retention,
): Map<string, string> {
  const needed = new Map<string, string>();
  for (const channel of channels) {
    const bundles = new Map(channel.generations.map(({ generation, bundle }) => [generation, bundle]));
    const need = (generation: number | null | undefined, why: string) => {
      const bundle = generation === null || generation === undefined ? undefined : bundles.get(generation);
      if (bundle !== undefined && !needed.has(bundle)) needed.set(bundle, why);
    };
    need(channel.current?.generation, `${channel.name} points to it`);
    need(channel.pin?.generation, `${channel.name} was pinned to it`);
    for (const { generation } of channel.generations.slice(-retention.keep)) {
      need(generation, `generation ${generation} of ${channel.name}, one of the last ${retention.keep}`);
    }
    for (const { at, from } of channel.flips) {
      if (!isRecent(at, retention)) continue;
      need(from, `${channel.name} left it at ${at}: nodes may still run it`);
    }
  }
  return needed;
}

/** True for what happened less than the grace time ago; a clock that was wrong keeps rather than drops. */
export function isRecent(at: string | Date, { graceMs, now }: Retention): boolean {
  return now.getTime() - new Date(at).getTime() < graceMs;
}

/** The bundle that a symlink below the TFTP root leads into, whoever made it; undefined for none. */
export function bundleOfLink(below: string, target: string): string | undefined {
  const [first, id] = posix.join(posix.dirname(below), target).split('/');
  return first === 'bundles' ? id : undefined;
}
