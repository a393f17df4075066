interface Entry {
  readonly stamp: string;
  readonly until: number;
  readonly value: Promise<unknown>;
}

/** What another process writes without telling is seen after so long. */
const LONGEST_MS = 2000;
const MOST = 300;

/**
 * What was read of a home, for as long as nothing there is known to have changed, and two seconds at most: however many
 * ask at once, it is read once.
 */
export class Kept {
  readonly #stamp: () => string;
  readonly #entries = new Map<string, Entry>();

  /** @param stamp another text after each change that is known of */
  constructor(stamp: () => string) {
    this.#stamp = stamp;
  }

  /** What `read` gives, now or when somebody asked by this name before. What failed is asked for again. */
  get<T>(name: string, read: () => T | Promise<T>): Promise<T> {
    const stamp = this.#stamp();
    const now = performance.now();
    const known = this.#entries.get(name);
    if (known !== undefined && known.stamp === stamp && known.until > now) return known.value as Promise<T>;
    if (this.#entries.size >= MOST) this.#entries.clear();
    const value = (async () => read())();
    const entry = { stamp, until: now + LONGEST_MS, value };
    this.#entries.set(name, entry);
    value.catch(() => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
    });
    return value;
  }
}
