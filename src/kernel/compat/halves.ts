import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { KernelFamily } from '../family.ts';
import {
  applyCompat,
  type Change,
  type CompatReport,
  type FileRules,
  planCompat,
  reportOf,
  rewriteFiles,
} from './apply.ts';

/** The program of a thread that takes a part of the files. */
const THREAD = new URL('../../../workers/compat.ts', import.meta.url);

/** What the thread is told: the tree, and the files that are its own. */
export interface CompatPart {
  readonly tree: string;
  readonly files: readonly FileRules[];
}

/** Applies a family's compatibility rules to a tree by two threads, one of which can be started long before. */
export class CompatHalves {
  readonly #family: KernelFamily;
  readonly #thread: Worker | undefined;
  /** Why the thread has ended, where it should not have. */
  readonly #ended: Promise<never> | undefined;

  private constructor(family: KernelFamily, thread: Worker | undefined) {
    this.#family = family;
    this.#thread = thread;
    this.#ended = thread === undefined ? undefined : endOf(thread);
    this.#ended?.catch(() => undefined);
  }

  /** Starts the second thread, which loads while there is no tree yet; on one processor there is none. */
  static start(family: KernelFamily, processors = availableParallelism()): CompatHalves {
    return new CompatHalves(
      family,
      processors < 2 ? undefined : new Worker(THREAD, { workerData: family.name }),
    );
  }

  /** As `applyCompat` with the family's rules, with the same result. */
  async apply(tree: string, signal?: AbortSignal): Promise<CompatReport[]> {
    const { compatRules: rules } = this.#family;
    if (this.#thread === undefined || this.#ended === undefined) return applyCompat(tree, rules, signal);
    const files = planCompat(tree, rules);
    // One by one, as large files stand together.
    const [theirs, own] = [1, 0].map((rest) => files.filter((_, index) => index % 2 === rest));
    const answer = once(this.#thread, 'message') as Promise<[Change[]]>;
    // Where this thread fails first nobody waits for the other.
    answer.catch(() => undefined);
    this.#thread.postMessage({ tree, files: theirs ?? [] } satisfies CompatPart);
    const changes = rewriteFiles(tree, rules, own ?? [], signal);
    const [others] = await Promise.race([answer, this.#ended]);
    return reportOf(rules, [...changes, ...others]);
  }

  /** Ends the thread, whatever it is at; it writes nothing any more. */
  async close(): Promise<void> {
    await this.#thread?.terminate();
  }
}

async function endOf(thread: Worker): Promise<never> {
  // `once` rejects with what the thread threw.
  const [code] = (await once(thread, 'exit')) as [number];
  throw new Error(`the thread for compatibility rules ended with ${code}`);
}
