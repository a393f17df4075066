import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import type { BuildEvent } from '../pipeline/events.ts';
import type { Home } from '../platform/home.ts';
import type { Job, QueueEvent } from '../queue/job.ts';
import type { Ledger } from '../queue/ledger.ts';
import { Wake } from '../queue/wake.ts';

/** What comes along live and is in no record: how far a step is, that channels have changed. */
export type LiveNews =
  | {
      readonly type: 'progress';
      readonly job: string;
      readonly variant: string;
      readonly step: string;
      readonly text: string;
    }
  | { readonly type: 'channels' };

const KEPT_EVENTS = 2000;
const KEPT_LIVE = 200;
const PROGRESS_EVERY_MS = 250;
const CHANNELS_AFTER_MS = 150;

/**
 * Reads the record once for all who listen. A listener has a place in the history and asks for what came after it,
 * at its own pace: one that is slow costs nothing but that place.
 */
export class Hub {
  readonly #ledger: Ledger;
  readonly #onEvent: (event: QueueEvent) => void;
  readonly #stop = new AbortController();
  readonly #wake = new Wake();
  readonly #watcher: FSWatcher;
  #recent: QueueEvent[] = [];
  #live: { readonly number: number; readonly news: LiveNews }[] = [];
  #liveCount = 0;
  #channelChanges = 0;
  #jobs: { readonly cursor: number; readonly jobs: readonly Job[] } | undefined;
  readonly #told = new Map<string, number>();
  #channelsTimer: NodeJS.Timeout | undefined;

  /** @param onEvent told of every event once, whether somebody listens or not */
  constructor(home: Home, ledger: Ledger, onEvent: (event: QueueEvent) => void = () => undefined) {
    this.#ledger = ledger;
    this.#onEvent = onEvent;
    this.cursor = ledger.cursor;
    mkdirSync(home.channels, { recursive: true });
    this.#watcher = watch(home.channels, { recursive: true, persistent: false }, () =>
      this.#channelsChanged(),
    );
    this.#watcher.on('error', () => undefined);
  }

  /** The newest event that listeners are told of. */
  cursor: number;

  /** How many live news there have been. */
  get liveCount(): number {
    return this.#liveCount;
  }

  /** Reads the record until the hub is closed. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted) {
        await this.#ledger.changed(this.cursor, signal);
        const events = this.#ledger.events(this.cursor, 500);
        this.#recent = [...this.#recent, ...events].slice(-KEPT_EVENTS);
        this.cursor = events.at(-1)?.cursor ?? this.cursor;
        for (const event of events) this.#onEvent(event);
        this.#wake.notify();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Events after a place in the history, oldest first, some at a time. */
  after(cursor: number): readonly QueueEvent[] {
    if (cursor >= this.cursor) return [];
    const first = this.#recent[0]?.cursor;
    if (first === undefined || cursor + 1 < first) return this.#ledger.events(cursor, 500);
    const known = this.#recent.findLastIndex((event) => event.cursor <= cursor);
    return this.#recent.slice(known + 1, known + 501);
  }

  /** Live news after a count of them, and the count after these; some are left out for who is slow. */
  liveAfter(count: number): { readonly news: readonly LiveNews[]; readonly count: number } {
    const known = this.#live.findLastIndex(({ number }) => number <= count);
    const news = this.#live.slice(known + 1).map((one) => one.news);
    return { news, count: this.#liveCount };
  }

  /** How often channels have changed: who has seen them since need not look again. */
  get channelChanges(): number {
    return this.#channelChanges;
  }

  /** Tells listeners of something that is not for the record. */
  tell(news: LiveNews): void {
    if (news.type === 'channels') this.#channelChanges += 1;
    this.#liveCount += 1;
    this.#live = [...this.#live, { number: this.#liveCount, news }].slice(-KEPT_LIVE);
    this.#wake.notify();
  }

  /** Passes on how far a step is, a few times in a second for each variant. */
  progress(job: Job, event: BuildEvent): void {
    if (event.type !== 'progress') return;
    const { variant, step, text } = event;
    const now = performance.now();
    if (now - (this.#told.get(variant) ?? Number.NEGATIVE_INFINITY) < PROGRESS_EVERY_MS) return;
    this.#told.set(variant, now);
    this.tell({ type: 'progress', job: job.id, variant, step, text });
  }

  /** Returns when there may be something new after a moment. @throws the signal's reason when it is aborted */
  async changed(moment: number, withinMs: number, signal: AbortSignal): Promise<void> {
    await this.#wake.wait(moment, withinMs, AbortSignal.any([signal, this.#stop.signal]));
  }

  /** A moment for `changed`; take it before you look for news. */
  get moment(): number {
    return this.#wake.count;
  }

  /** All jobs, in the order of their submission; read again when something has happened. */
  jobs(): readonly Job[] {
    const { cursor } = this.#ledger;
    if (this.#jobs?.cursor !== cursor) this.#jobs = { cursor, jobs: this.#ledger.jobs() };
    return this.#jobs.jobs;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Ends what listens. */
  close(): void {
    clearTimeout(this.#channelsTimer);
    this.#watcher.close();
    this.#stop.abort();
    this.#wake.notify();
  }

  /** A flip is several writes: they are told as one. */
  #channelsChanged(): void {
    this.#channelsTimer ??= setTimeout(() => {
      this.#channelsTimer = undefined;
      this.tell({ type: 'channels' });
    }, CHANNELS_AFTER_MS);
    this.#channelsTimer.unref();
  }
}
