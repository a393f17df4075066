import { HttpError } from './problem.ts';

export interface StreamLimits {
  /** Streams in all, and from one address. */
  readonly total: number;
  readonly each: number;
}

const LIMITS: StreamLimits = { total: 1000, each: 300 };

/** Counts responses that go on for as long as somebody listens, so that nobody takes them all. */
export class Streams {
  readonly #limits: StreamLimits;
  readonly #open = new Map<string, number>();
  #total = 0;

  constructor(limits: Partial<StreamLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  get open(): number {
    return this.#total;
  }

  /**
   * Takes a place for a client.
   * @returns what gives it back; calling it twice does no harm
   * @throws HttpError 429 when the client has its share, 503 when all are taken
   */
  enter(client: string): () => void {
    const own = this.#open.get(client) ?? 0;
    const headers = { 'Retry-After': '10' };
    if (own >= this.#limits.each) {
      throw new HttpError(429, 'Too many streams', `${client} has ${own} streams open already`, { headers });
    }
    if (this.#total >= this.#limits.total) {
      throw new HttpError(503, 'Too many streams', 'all streams that this server keeps open are taken', {
        headers,
      });
    }
    this.#open.set(client, own + 1);
    this.#total += 1;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#total -= 1;
      const left = (this.#open.get(client) ?? 1) - 1;
      if (left === 0) this.#open.delete(client);
      else this.#open.set(client, left);
    };
  }
}
