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
 * A commit's bytes are in the log, of which the system tells, before it is one: what makes it one is in shared memory, of
 * which nothing is told (sqlite.org/walformat.html, 1.3.3). In between is a sync, which takes as long as the disk wants.
 */
const AGAIN_AFTER_MS = [5, 20, 80, 300, 1000];

/**
 * Notifies when another process writes to an SQLite database with a write-ahead log.
 * @param state what differs after each such write; one's own writes are seen as well, and are no news
 */
export function watchDatabase(file: string, wake: Wake, state: () => number): FSWatcher {
  let seen = state();
  const names = new Set([basename(file), `${basename(file)}-wal`]);
  let timer: NodeJS.Timeout | undefined;
  const look = (later: readonly number[]) => {
    clearTimeout(timer);
    const now = state();
    if (now !== seen) wake.notify();
    else if (later[0] !== undefined) timer = setTimeout(() => look(later.slice(1)), later[0]).unref();
    seen = now;
  };
  const watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
    if (name === null || names.has(name)) look(AGAIN_AFTER_MS);
  });
  watcher.on('close', () => clearTimeout(timer));
  // Whoever waits looks again after a while all the same.
  watcher.on('error', () => undefined);
  return watcher;
}
