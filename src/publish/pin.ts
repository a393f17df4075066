import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { type ChangeOptions, changeKnown, stamp } from './change.ts';
import { appendEntries } from './channels.ts';
import type { ChannelState, Pin } from './journal.ts';

/** Holds a channel where it is until it is unpinned. @returns the pin; the one that was there already counts */
export async function pinChannel(home: Home, channel: string, options: ChangeOptions = {}): Promise<Pin> {
  return changeKnown(home, channel, `pin ${channel}`, options, async (fs, { state }) => {
    const { current, pin: before } = state;
    if (before !== undefined) return before;
    const pin: Pin = { ...stamp(options, 'pinned by hand'), generation: current?.generation ?? null };
    await appendEntries(fs, home, channel, [{ type: 'pin', ...pin }]);
    return pin;
  });
}

/** Lets a channel flip again. @returns the pin that was there, if there was one */
export async function unpinChannel(
  home: Home,
  channel: string,
  options: ChangeOptions = {},
): Promise<Pin | undefined> {
  return changeKnown(home, channel, `unpin ${channel}`, options, async (fs, { state }) => {
    const { pin } = state;
    if (pin === undefined) return undefined;
    await appendEntries(fs, home, channel, [{ type: 'unpin', ...stamp(options, 'unpinned by hand') }]);
    return pin;
  });
}

/** @throws KilnError `failed` that says who pinned the channel and why, unless it is to be flipped all the same */
export function assertNotPinned({ name, pin }: ChannelState, options: ChangeOptions): void {
  if (pin === undefined || options.force === true) return;
  throw new KilnError(
    'failed',
    `channel ${name} is pinned to generation ${pin.generation ?? 0} by ${pin.by} since ${pin.at}: ${pin.reason}`,
    { hint: `kiln unpin ${name} lets it flip again; --force flips it this once` },
  );
}
