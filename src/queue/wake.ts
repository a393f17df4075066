import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Wakes those that wait for a change; a change that came before anybody waited wakes the next at once. */
export class Wake {
  #waiting: (() => void)[] = [];
  #count = 0;

  /** How many changes there have been; give it to `wait` to hear of those after it. */
  get count(): number {
    return this.#count;
  }

  notify(): void {
    this.#count += 1;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /**
   * Returns when there was a change after the given count, or after some time.
   * @throws the signal's reason when it is aborted
   */
  async wait(since: number, withinMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#count > since) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    const stop = () => resolve();
    signal.addEventListener('abort', stop);
    this.#waiting.push(resolve);
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    this.#waiting = this.#waiting.filter((one) => one !== resolve);
    signal.throwIfAborted();
  }
}

/**
 * Notifies when another process writes to an SQLite database with a write-ahead log.
 * @param state what differs after each such write; one's own writes are seen as well, and are no news
 */
export function watchDatabase(file: string, wake: Wake, state: () => number): FSWatcher {
  let seen = state();
  const names = new Set([basename(file), `${basename(file)}-wal`]);
  const watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
    if (name !== null && !names.has(name)) return;
    const now = state();
    if (now !== seen) wake.notify();
    seen = now;
  });
  // Whoever waits looks again after a while all the same.
  watcher.on('error', () => undefined);
  return watcher;
}
