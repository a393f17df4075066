import PQueue from 'p-queue';

/** Deliveries that are taken in at once. */
const AT_ONCE = 8;

/**
 * Takes in what workers have built beside all else: a slow disk keeps nobody else waiting. What goes wrong is told by
 * the next look, which is the one that pauses and tries again.
 */
export class TakingIn {
  readonly #lanes = new PQueue({ concurrency: AT_ONCE });
  readonly #underWay = new Set<string>();
  readonly #over: () => void;
  #failure: { readonly error: unknown } | undefined;

  /** @param over told when one has ended, well or not */
  constructor(over: () => void) {
    this.#over = over;
  }

  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  /** Takes a delivery in, unless that is being done: what is in Redis is seen more than once. */
  start(delivery: string, action: () => Promise<void>): void {
    if (this.#underWay.has(delivery)) return;
    this.#underWay.add(delivery);
    void this.#lanes.add(async () => {
      try {
        await action();
      } catch (error) {
        this.#failure = { error };
      } finally {
        this.#underWay.delete(delivery);
        this.#over();
      }
    });
  }

  /** @throws what went wrong since it was last asked */
  check(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  /** Begins nothing more, and returns when what was begun has ended; the rest is still in Redis for the next one. */
  async stop(): Promise<void> {
    this.#lanes.clear();
    await this.#lanes.onIdle();
  }
}
