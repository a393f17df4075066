import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { lockSoon } from '../platform/lock.ts';

export interface ListFileOptions {
  readonly home: Home;
  /** What is listed, in the plural: `tokens` is kept in `tokens.json`, under that name. */
  readonly name: string;
  readonly format: string;
  /** What to do when the file is damaged. */
  readonly hint: string;
}

/**
 * A list in a file of the home that its owner alone may read: changed under a lock, written whole. A process that
 * keeps one sees what others change in it.
 */
export class ListFile<T> {
  readonly #options: ListFileOptions;
  readonly #file: string;
  #state: string | undefined;
  #known: readonly T[] = [];

  constructor(options: ListFileOptions) {
    this.#options = options;
    this.#file = join(options.home.root, `${options.name}.json`);
  }

  /** All of it, oldest first. @throws KilnError `integrity` when the file is damaged */
  async read(): Promise<readonly T[]> {
    const state = await this.#look();
    if (state !== this.#state) {
      this.#known = this.#parse(await readTextIfAny(this.#file));
      this.#state = state;
    }
    return this.#known;
  }

  /** Changes it, one process after another. */
  async change(change: (members: readonly T[]) => readonly T[]): Promise<void> {
    const { home, name, format } = this.#options;
    const held = await lockSoon(join(home.locks, `${name}.lock`), `kiln, for its ${name}`);
    try {
      const members = change(await this.read());
      await writeFileAtomic(this.#file, `${JSON.stringify({ format, [name]: members }, null, 2)}\n`, 0o600);
    } finally {
      held.release();
    }
  }

  #parse(text: string | undefined): readonly T[] {
    if (text === undefined) return [];
    const { name, format, hint } = this.#options;
    try {
      const document = JSON.parse(text) as Record<string, unknown>;
      const members = document[name];
      if (document.format === format && Array.isArray(members)) return members as T[];
    } catch {
      // Told below, as any other text that is no list.
    }
    throw new KilnError('integrity', `the list of ${name} is damaged`, { place: { file: this.#file }, hint });
  }

  async #look(): Promise<string> {
    try {
      const { ino, mtimeMs, size } = await stat(this.#file);
      return `${ino} ${mtimeMs} ${size}`;
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return '';
      throw error;
    }
  }
}
