import type { DatabaseSync } from 'node:sqlite';
import { inTransaction } from './transaction.ts';

interface Waiting {
  readonly run: () => void;
  readonly done: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Writes that are asked for in one turn of the event loop go to the disk by one commit, which is what a write to a
 * durable record costs. Each is told of its own success, and not before the disk has it.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #committed: () => void;
  #waiting: Waiting[] = [];

  /** @param committed called after each commit */
  constructor(database: DatabaseSync, committed: () => void) {
    this.#database = database;
    this.#committed = committed;
  }

  /**
   * Runs an action in the next commit; actions run in the order in which they came.
   * @throws what the action throws, which undoes what it wrote and nothing else; and what the commit fails with
   */
  add<T>(action: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let result: { readonly value: T } | undefined;
    if (this.#waiting.length === 0) setImmediate(() => this.flush());
    this.#waiting.push({
      run: () => {
        result = { value: action() };
      },
      done: () => {
        if (result !== undefined) resolve(result.value);
      },
      fail: reject,
    });
    return promise;
  }

  /** Commits what waits, now. */
  flush(): void {
    const group = this.#waiting.splice(0);
    if (group.length === 0) return;
    try {
      inTransaction(this.#database, () => {
        for (const one of group) this.#runOne(one);
      });
    } catch (error) {
      for (const { fail } of group) fail(error);
      return;
    }
    for (const { done } of group) done();
    this.#committed();
  }

  #runOne({ run, fail }: Waiting): void {
    this.#database.exec('SAVEPOINT one');
    try {
      run();
    } catch (error) {
      this.#database.exec('ROLLBACK TO one');
      fail(error);
    }
    this.#database.exec('RELEASE one');
  }
}
