/** Where one of several that run at once has to wait for those listed before it. */
export interface Turn {
  /** Resolves when all that are listed before have passed. */
  readonly comes: Promise<void>;
  /** Lets the next one come. Calling it again does nothing. */
  readonly pass: () => void;
}

/**
 * Turns in the order in which they are taken. Which variant of a tree is built first decides what the others start
 * from and what ccache finds the next time: it is to be the one that is listed first, not the one that won a race.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  take(): Turn {
    const comes = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = comes.then(() => promise);
    return { comes, pass: resolve };
  }
}
