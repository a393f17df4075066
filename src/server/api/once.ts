import { z } from '@hono/zod-openapi';
import type { Ledger } from '../../queue/ledger.ts';
import type { ApiContext } from '../environment.ts';
import { HttpError } from '../problem.ts';

/** The header of requests that are to count once, however often they are sent. */
export const IDEMPOTENCY_KEY = {
  'idempotency-key': z.string().max(200).optional().openapi({
    description:
      'the same key with the same body gives the same answer for a day, whatever has happened since; errors are not kept',
  }),
};

/** The key that a request bears. @throws HttpError 400 for one that is none */
export function keyOf(context: ApiContext): string | undefined {
  const key = context.req.header('idempotency-key');
  if (key === undefined || /^[\x21-\x7e]{1,200}$/.test(key)) return key;
  throw new HttpError(400, 'Not a valid request', 'an Idempotency-Key has 1 to 200 visible characters');
}

interface Remembered {
  /** Whose key, and the key. */
  readonly key: string;
  /** Digest of what was asked for. */
  readonly body: string;
  readonly at: number;
  /** null while it is under way, and of what was cut off. */
  readonly answer: unknown;
}

const REMEMBERED_MS = 86_400_000;
const REMEMBERED = 1000;

/** The keys of one kind of request, of the last day, in a home's record. */
export class Keys {
  readonly #ledger: Ledger;
  readonly #fact: string;

  constructor(ledger: Ledger, kind: string) {
    this.#ledger = ledger;
    this.#fact = `idempotency-${kind}`;
  }

  /**
   * Does something once for a key, in one transaction with noting it.
   * @throws HttpError 422 for a key that was used for something else
   */
  within<T>(key: string, body: string, action: () => T): T {
    return this.#ledger.write(() => {
      const before = this.#find(key, body);
      if (before !== undefined) return before.answer as T;
      const answer = action();
      this.#note({ key, body, at: this.#ledger.now(), answer });
      return answer;
    });
  }

  /**
   * Does something once for a key that is in no transaction with the record. What failed may be tried again with
   * the same key; of what was cut off (kill -9, a power cut) nobody knows here how far it got.
   * @throws HttpError 422 for a key that was used for something else, 409 while it is under way or was cut off
   */
  async around<T>(key: string, body: string, action: () => Promise<T>): Promise<T> {
    const before = this.#ledger.write(() => {
      const known = this.#find(key, body);
      if (known === undefined) this.#note({ key, body, at: this.#ledger.now(), answer: null });
      return known;
    });
    if (before !== undefined) {
      if (before.answer !== null) return before.answer as T;
      throw new HttpError(
        409,
        'Not settled',
        'the request with this Idempotency-Key is under way or was cut off; look at what it changes before another one',
      );
    }
    try {
      const answer = await action();
      this.#note({ key, body, at: this.#ledger.now(), answer });
      return answer;
    } catch (error) {
      this.#forget(key);
      throw error;
    }
  }

  #find(key: string, body: string): Remembered | undefined {
    const known = this.#recent().find((one) => one.key === key);
    if (known === undefined || known.body === body) return known;
    throw new HttpError(422, 'Key used', 'this Idempotency-Key was used for something else');
  }

  #recent(): readonly Remembered[] {
    const all = JSON.parse(this.#ledger.fact(this.#fact) ?? '[]') as Remembered[];
    return all.filter(({ at }) => at > this.#ledger.now() - REMEMBERED_MS).slice(-REMEMBERED);
  }

  #note(entry: Remembered): void {
    this.#write((others) => [...others, entry], entry.key);
  }

  #forget(key: string): void {
    this.#write((others) => others, key);
  }

  #write(change: (others: readonly Remembered[]) => readonly Remembered[], key: string): void {
    this.#ledger.write(() => {
      const others = this.#recent().filter((one) => one.key !== key);
      this.#ledger.setFact(this.#fact, JSON.stringify(change(others)));
    });
  }
}
