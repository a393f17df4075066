import { setTimeout as pause } from 'node:timers/promises';
import { KilnError } from '../../platform/errors.ts';
import type { Home } from '../../platform/home.ts';
import type { Ledger } from '../../queue/ledger.ts';
import type { Hub } from '../hub.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { deliver } from './deliver.ts';
import { type Hook, hookFile } from './hooks.ts';
import { nextNotice, type Place, placeNow } from './next.ts';
import { type Notice, subjectOf } from './notice.ts';

/** How long who can't be reached is tried. */
export interface Persistence {
  /** Before the second try; twice as long before each one after that. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** After this it is given up, and the next notice's turn comes. */
  readonly giveUpMs: number;
  /** How long an answer may take. */
  readonly answerMs: number;
}

const PERSISTENCE: Persistence = {
  firstMs: 5000,
  longestMs: 3_600_000,
  giveUpMs: 86_400_000,
  answerMs: 10_000,
};

export interface CourierOptions {
  readonly home: Home;
  readonly ledger: Ledger;
  readonly hub: Hub;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly persistence?: Partial<Persistence>;
  /** The program that letters are given to. */
  readonly sendmail?: string;
}

/** What the record keeps of a webhook: a restart goes on from there. */
interface Progress {
  readonly place: Place;
  /** Tries of the next notice that have failed, and when the first of them was. */
  readonly tries: number;
  readonly since: number;
}

const LOOK_EVERY_MS = 2000;
const QUIET_MS = 60_000;

/**
 * Tells webhooks what happens, each one in order and at its own pace. How far each is told is in the record, so that
 * a notice is told again after a crash rather than not at all, under the same id.
 */
export class Courier {
  readonly #options: CourierOptions;
  readonly #persistence: Persistence;

  constructor(options: CourierOptions) {
    this.#options = options;
    this.#persistence = { ...PERSISTENCE, ...options.persistence };
  }

  /** Tells whoever there is, those that are added meanwhile too, until it is stopped. */
  async run(signal: AbortSignal): Promise<void> {
    const file = hookFile(this.#options.home);
    const served = new Map<string, { readonly stop: AbortController; readonly done: Promise<void> }>();
    let damaged = '';
    while (!signal.aborted) {
      const hooks = await file.read().catch((error: unknown) => {
        if (!(error instanceof KilnError)) throw error;
        if (damaged !== error.message) this.#say('error', 'webhooks-damaged', error.message);
        damaged = error.message;
        return [];
      });
      for (const hook of hooks) {
        if (served.has(hook.id)) continue;
        const stop = new AbortController();
        const done = this.#serve(hook, AbortSignal.any([signal, stop.signal]));
        served.set(hook.id, { stop, done });
      }
      for (const [id, { stop }] of served) {
        if (hooks.some((hook) => hook.id === id)) continue;
        stop.abort();
        served.delete(id);
      }
      await Promise.race([
        pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined),
        ...[...served.values()].map(({ done }) => done),
      ]);
    }
    await Promise.all([...served.values()].map(({ done }) => done));
  }

  /** Tells one webhook everything that it wants to know of; what keeps the record from being written may pass. */
  async #serve(hook: Hook, signal: AbortSignal): Promise<void> {
    for (let said = ''; !signal.aborted; ) {
      try {
        await this.#tellAll(hook, signal);
      } catch (error) {
        if (signal.aborted || this.#options.hub.closed) return;
        if (!(error instanceof KilnError && error.transient)) throw error;
        if (said !== error.message)
          this.#say('warning', 'webhook-waits', `webhook ${hook.id} waits: ${error.message}`);
        said = error.message;
        await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #tellAll(hook: Hook, signal: AbortSignal): Promise<void> {
    const { home, ledger, hub } = this.#options;
    let progress = await this.#restore(hook);
    let channelsSeen = -1;
    while (!signal.aborted) {
      const { moment, channelChanges } = hub;
      const next = await nextNotice(home, ledger, progress.place, channelsSeen !== channelChanges);
      if (next.notice === undefined) {
        progress = { ...progress, place: next.place };
        channelsSeen = channelChanges;
        await hub.changed(moment, QUIET_MS, signal);
      } else if (next.notice.type !== 'test' && hook.on.includes(next.notice.type)) {
        progress = await this.#tell(hook, next.notice, progress, next.place, signal);
      } else {
        progress = { ...progress, place: next.place };
      }
    }
  }

  /** One try. @returns where to go on: after the notice, or before it again */
  async #tell(
    hook: Hook,
    notice: Notice,
    progress: Progress,
    after: Place,
    signal: AbortSignal,
  ): Promise<Progress> {
    const { firstMs, longestMs, giveUpMs } = this.#persistence;
    if (progress.tries > 0) {
      await pause(Math.min(firstMs * 2 ** (progress.tries - 1), longestMs), undefined, { signal });
    }
    const { sendmail } = this.#options;
    const fault = await deliver(hook, notice, { signal, answerMs: this.#persistence.answerMs, sendmail });
    const now = Date.now();
    if (fault === undefined) {
      this.#count('delivered', hook, notice, 'info', 'was told');
      return this.#save(hook, { place: after, tries: 0, since: now });
    }
    signal.throwIfAborted();
    const since = progress.tries === 0 ? now : progress.since;
    if (now - since >= giveUpMs) {
      this.#count('given up', hook, notice, 'error', `could not be told in time and will not be: ${fault}`);
      return this.#save(hook, { place: after, tries: 0, since: now });
    }
    this.#count('failed', hook, notice, 'warning', `could not be told, and will be tried again: ${fault}`);
    return this.#save(hook, { place: progress.place, tries: progress.tries + 1, since });
  }

  async #restore(hook: Hook): Promise<Progress> {
    const { home, ledger } = this.#options;
    const known = ledger.fact(factOf(hook));
    if (known !== undefined) return JSON.parse(known) as Progress;
    return this.#save(hook, { place: await placeNow(home, ledger), tries: 0, since: 0 });
  }

  #save(hook: Hook, progress: Progress): Progress {
    this.#options.ledger.setFact(factOf(hook), JSON.stringify(progress));
    return progress;
  }

  #count(
    outcome: string,
    hook: Hook,
    notice: Notice,
    level: 'info' | 'warning' | 'error',
    what: string,
  ): void {
    this.#options.metrics.hooks.add([outcome]);
    const subject = subjectOf(notice);
    this.#say(
      level,
      `webhook-${outcome.replace(' ', '-')}`,
      `webhook ${hook.id} ${what} (${notice.type}: ${subject})`,
      {
        webhook: hook.id,
        notice: notice.type,
        subject,
      },
    );
  }

  #say(
    level: 'info' | 'warning' | 'error',
    event: string,
    message: string,
    fields: Readonly<Record<string, string>> = {},
  ): void {
    this.#options.log({ level, event, message, fields });
  }
}

function factOf({ id }: Hook): string {
  return `webhook ${id}`;
}
