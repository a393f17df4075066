/** How long files must be left alone before what was edited is looked at, in milliseconds. */
export const QUIET_MS = 700;
/** Files that are never left alone are looked at after this time all the same. */
export const LONGEST_MS = 60_000;

/** Makes one of a burst of changes: says when the last of them is old enough. Has no clock of its own. */
export class Settling {
  readonly #quietMs: number;
  readonly #longestMs: number;
  #first: number | undefined;
  #last = 0;

  constructor(quietMs = QUIET_MS, longestMs = LONGEST_MS) {
    this.#quietMs = quietMs;
    this.#longestMs = longestMs;
  }

  /** Something has changed. @param now milliseconds */
  note(now: number): void {
    this.#first ??= now;
    this.#last = now;
  }

  /** When the changes may be looked at; undefined when there are none. */
  get readyAt(): number | undefined {
    if (this.#first === undefined) return undefined;
    return Math.min(this.#last + this.#quietMs, this.#first + this.#longestMs);
  }

  /** Takes the changes, when they have settled. */
  take(now: number): boolean {
    const { readyAt } = this;
    if (readyAt === undefined || now < readyAt) return false;
    this.#first = undefined;
    return true;
  }
}
