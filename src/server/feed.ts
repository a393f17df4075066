import type { ServerResponse } from 'node:http';
import type { QueueEvent } from '../queue/job.ts';
import type { Hub, LiveNews } from './hub.ts';

/** How often a stream says that it is still there; clients and proxies give up on one that is silent. */
const HEARTBEAT_MS = 15_000;
/** What happens within this time goes out together. */
const TOGETHER_MS = 40;

const HELLO = Buffer.from('retry: 2000\n: kiln\n\n');
const STILL_HERE = Buffer.from(': still here\n\n');

/** Where a listener's stream has got to. */
interface Listener {
  readonly response: ServerResponse;
  /** Only this one's events; undefined: all. */
  readonly job: string | undefined;
  cursor: number;
  live: number;
  /** It has not taken yet what it was sent: it gets no more until it has. */
  full: boolean;
}

/** Texts that were made of events, by where they begin and for whom: those who are as far get the same bytes. */
type Texts = Map<string, Buffer>;

/**
 * Writes event streams (WHATWG HTML, 9.2). Listeners who have got equally far, as nearly all have, get one buffer,
 * which is made once; who is slow goes on from its own place when it has taken what it was sent.
 */
export class Feed {
  readonly #hub: Hub;
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<Listener>();
  #running = false;

  /** @param signal ends all streams */
  constructor(hub: Hub, signal: AbortSignal) {
    this.#hub = hub;
    this.#signal = signal;
    signal.addEventListener('abort', () => {
      for (const { response } of this.#listeners) response.end();
    });
  }

  /**
   * Sends what happened after a place in the history, and what happens, until the other side goes away. The
   * response's head is to be on its way already.
   */
  open(response: ServerResponse, after: number, job: string | undefined): void {
    const { newest, liveCount: live } = this.#hub;
    // Who has heard of more than there is comes from a record that was deleted: all of this one is news.
    const cursor = after > newest ? 0 : after;
    const listener: Listener = { response, job, cursor, live, full: false };
    response.once('close', () => this.#listeners.delete(listener));
    response.on('drain', () => {
      listener.full = false;
      this.#send(listener, new Map());
    });
    response.write(HELLO);
    this.#listeners.add(listener);
    this.#send(listener, new Map());
    if (!this.#running) void this.#run();
  }

  /** Goes on for as long as somebody listens. */
  async #run(): Promise<void> {
    this.#running = true;
    const heartbeat = setInterval(() => {
      for (const listener of this.#listeners) {
        if (!listener.full && !listener.response.destroyed) this.#write(listener, STILL_HERE);
      }
    }, HEARTBEAT_MS);
    try {
      while (this.#listeners.size > 0) {
        const { moment } = this.#hub;
        const texts: Texts = new Map();
        for (const listener of this.#listeners) this.#send(listener, texts);
        await this.#hub.changed(moment, HEARTBEAT_MS, this.#signal);
        await new Promise((done) => setTimeout(done, TOGETHER_MS));
      }
    } catch (error) {
      if (!this.#signal.aborted && !this.#hub.closed) throw error;
    } finally {
      this.#running = false;
      clearInterval(heartbeat);
    }
  }

  /** Brings a listener up to now, or as far as it takes what it is sent. */
  #send(listener: Listener, texts: Texts): void {
    while (!listener.full && !listener.response.destroyed && !this.#signal.aborted) {
      const { cursor, live, job } = listener;
      const events = this.#hub.after(cursor);
      const news = this.#hub.liveAfter(live);
      listener.cursor = events.at(-1)?.cursor ?? cursor;
      listener.live = news.count;
      if (events.length === 0 && news.news.length === 0) return;
      const name = `${cursor} ${live} ${job ?? ''}`;
      const text = texts.get(name) ?? textOf(events, news.news, job);
      texts.set(name, text);
      if (text.length > 0) this.#write(listener, text);
    }
  }

  #write(listener: Listener, bytes: Buffer): void {
    listener.full = !listener.response.write(bytes);
  }
}

function textOf(events: readonly QueueEvent[], live: readonly LiveNews[], job: string | undefined): Buffer {
  const isWanted = (of: string | null) => job === undefined || of === job;
  return Buffer.from(
    [
      ...events.filter((event) => isWanted(event.job)).map(formatEvent),
      ...live.filter((news) => isWanted(news.type === 'progress' ? news.job : null)).map(formatLive),
    ].join(''),
  );
}

function formatEvent(event: QueueEvent): string {
  return `id: ${event.cursor}\nevent: ${event.news.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Without an id: who comes back has not missed it. */
function formatLive(news: LiveNews): string {
  return `event: ${news.type}\ndata: ${JSON.stringify(news)}\n\n`;
}
