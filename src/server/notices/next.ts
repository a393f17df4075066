import type { Home } from '../../platform/home.ts';
import { listStates, readChannel } from '../../publish/index.ts';
import type { Ledger } from '../../queue/ledger.ts';
import { failureNotice, flipNotice, type Notice } from './notice.ts';

/** How much of what happened somebody has been told. */
export interface Place {
  /** The newest event of the queue that counted. */
  readonly cursor: number;
  /** The newest flip of each channel, as JSON. */
  readonly moved: Readonly<Record<string, string>>;
}

/** The place of who is told only of what happens from now on. */
export async function placeNow(home: Home, ledger: Ledger): Promise<Place> {
  const states = await listStates(home);
  return {
    cursor: ledger.cursor,
    moved: Object.fromEntries(states.map(({ name, moved }) => [name, JSON.stringify(moved)])),
  };
}

/**
 * What happened first after a place: a job that failed, else a flip of a channel, whoever made it.
 * @param channels false: nothing has changed in them since they were looked at
 * @returns no notice when there is none; the place after it in any case
 */
export async function nextNotice(
  home: Home,
  ledger: Ledger,
  place: Place,
  channels: boolean,
): Promise<{ readonly notice?: Notice; readonly place: Place }> {
  const failure = nextFailure(ledger, place);
  if (failure.notice !== undefined || !channels) return failure;
  return (await nextFlip(home, failure.place)) ?? failure;
}

const SOME = 500;

function nextFailure(ledger: Ledger, place: Place): { readonly notice?: Notice; readonly place: Place } {
  // A record that was deleted and begun again counts from one.
  let cursor = Math.min(place.cursor, ledger.cursor);
  for (;;) {
    const events = ledger.events(cursor, SOME);
    for (const event of events) {
      cursor = event.cursor;
      const { news, at } = event;
      if (news.type !== 'settled' || news.state !== 'failed' || event.job === null) continue;
      const job = ledger.find(event.job);
      if (job !== undefined) return { notice: failureNotice(job, at, news.why), place: { ...place, cursor } };
    }
    if (events.length < SOME) return { place: { ...place, cursor } };
  }
}

async function nextFlip(home: Home, place: Place) {
  for (const { name, moved } of await listStates(home)) {
    const told = place.moved[name] ?? 'null';
    if (JSON.stringify(moved) === told) continue;
    const record = await readChannel(home, name);
    if (record === undefined) continue;
    const at = record.flips.findIndex((flip) => JSON.stringify(flip) === told);
    const flip = record.flips[at + 1];
    const generation = record.generations.find((one) => one.generation === flip?.to);
    if (flip === undefined || generation === undefined) continue;
    return {
      notice: flipNotice(name, flip, generation),
      place: { ...place, moved: { ...place.moved, [name]: JSON.stringify(flip) } },
    };
  }
  return undefined;
}
