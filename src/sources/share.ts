/** What several callers of the same work wait for together. */
interface Flight<Result, News> {
  readonly result: Promise<Result>;
  readonly controller: AbortController;
  readonly listeners: Set<(news: News) => void>;
}

/**
 * Lets calls for the same key share one run of the work. Each caller hears the news from when it joined, and
 * may leave by its own signal; the work itself is stopped when the last one has left.
 */
export class Sharing<Result, News> {
  private readonly flights = new Map<string, Flight<Result, News>>();

  async join(
    key: string,
    listener: (news: News) => void,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal, report: (news: News) => void) => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    const flight = this.flights.get(key) ?? this.start(key, work);
    // Each join is a listener of its own, even where two callers pass the same function.
    const own = (news: News) => listener(news);
    flight.listeners.add(own);
    const left = Promise.withResolvers<never>();
    const leave = () => {
      flight.listeners.delete(own);
      if (flight.listeners.size > 0) {
        left.reject(signal?.reason);
        return;
      }
      // The last one to leave waits until the work has put its things away.
      if (this.flights.get(key) === flight) this.flights.delete(key);
      flight.controller.abort(signal?.reason);
    };
    signal?.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([flight.result, left.promise]);
    } finally {
      signal?.removeEventListener('abort', leave);
      flight.listeners.delete(own);
    }
  }

  private start(
    key: string,
    work: (signal: AbortSignal, report: (news: News) => void) => Promise<Result>,
  ): Flight<Result, News> {
    const controller = new AbortController();
    const listeners = new Set<(news: News) => void>();
    const report = (news: News) => {
      for (const listener of listeners) listener(news);
    };
    const result = work(controller.signal, report).finally(() => {
      if (this.flights.get(key) === flight) this.flights.delete(key);
    });
    const flight = { result, controller, listeners };
    this.flights.set(key, flight);
    return flight;
  }
}
