import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import { basename } from 'node:path';
import type { BuildEvent } from '../pipeline/events.ts';
import type { Home } from '../platform/home.ts';
import type { Job, QueueEvent } from '../queue/job.ts';
import type { Ledger } from '../queue/ledger.ts';
import { Wake } from '../queue/wake.ts';
import { stateFile } from '../watch/state.ts';
import { Kept } from './kept.ts';

/** What comes along live and is in no record: how far a step is, that channels or what was watched have changed. */
export type LiveNews =
  | {
      readonly type: 'progress';
      readonly job: string;
      readonly variant: string;
      readonly step: string;
      readonly text: string;
    }
  | { readonly type: 'channels' }
  | { readonly type: 'watch' };

const KEPT_EVENTS = 2000;
const KEPT_LIVE = 200;
const PROGRESS_EVERY_MS = 1000;
const TOLD_AFTER_MS = 150;

/**
 * Reads the record once for all who listen. A listener has a place in the history and asks for what came after it,
 * at its own pace: one that is slow costs nothing but that place.
 */
export class Hub {
  readonly #ledger: Ledger;
  readonly #onEvent: (event: QueueEvent) => void;
  readonly #stop = new AbortController();
  readonly #wake = new Wake();
  readonly #watchers: readonly FSWatcher[];
  #recent: QueueEvent[] = [];
  #live: { readonly number: number; readonly news: LiveNews }[] = [];
  #liveCount = 0;
  #channelChanges = 0;
  #changes = 0;
  #jobs: { readonly cursor: number; readonly jobs: readonly Job[] } | undefined;
  readonly #progress = new Map<string, LiveNews>();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  /** @param onEvent told of every event once, whether somebody listens or not */
  constructor(home: Home, ledger: Ledger, onEvent: (event: QueueEvent) => void = () => undefined) {
    this.#ledger = ledger;
    this.#onEvent = onEvent;
    this.cursor = ledger.cursor;
    mkdirSync(home.channels, { recursive: true });
    const seen = basename(stateFile(home));
    this.#watchers = [
      watch(home.channels, { recursive: true, persistent: false }, () => this.#tellSoon('channels')),
      watch(home.root, { persistent: false }, (_event, name) => {
        if (name === seen) this.#tellSoon('watch');
      }),
    ];
    for (const watcher of this.#watchers) watcher.on('error', () => undefined);
  }

  /** What was read of the home, until something changes there. */
  readonly kept = new Kept(() => `${this.#ledger.cursor} ${this.cursor} ${this.#changes}`);

  /** The newest event that listeners are told of. */
  cursor: number;

  /** The newest event that there is, which listeners may not have been told of yet. */
  get newest(): number {
    return this.#ledger.cursor;
  }

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

  /** Passes on how far a step is: the newest of each variant, once in a second, all variants together. */
  progress(job: Job, event: BuildEvent): void {
    if (event.type !== 'progress') return;
    const { variant, step, text } = event;
    this.#progress.set(`${job.id} ${variant}`, { type: 'progress', job: job.id, variant, step, text });
    this.#later('progress', PROGRESS_EVERY_MS, () => {
      const news = [...this.#progress.values()];
      this.#progress.clear();
      for (const one of news) this.tell(one);
    });
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

  /** Something was changed in the home: what was kept of it is to be read again. */
  touch(): void {
    this.#changes += 1;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Ends what listens. */
  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const watcher of this.#watchers) watcher.close();
    this.#stop.abort();
    this.#wake.notify();
  }

  /** A flip, or a look at all that is watched, is several writes: they are told as one. */
  #tellSoon(type: 'channels' | 'watch'): void {
    this.touch();
    this.#later(type, TOLD_AFTER_MS, () => this.tell({ type }));
  }

  /** Does something after a while, once for all who want it until then. */
  #later(name: string, ms: number, action: () => void): void {
    if (this.#timers.has(name)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(name);
      action();
    }, ms);
    this.#timers.set(name, timer.unref());
  }
}
