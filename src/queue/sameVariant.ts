import type { Job } from './job.ts';
import { queueName } from './redis.ts';

/**
 * Jobs that workers may have, by what they build: of two that build one variant the second waits for the first. Built
 * at once, whichever came last would decide what nodes boot, and that may be the older one.
 */
export class SameVariant {
  /** Which job has a variant, and the variants of each. */
  readonly #building = new Map<string, string>();
  readonly #variants = new Map<string, readonly string[]>();
  /** Who waits behind a job, and with which priority. */
  readonly #behind = new Map<string, Map<string, number>>();

  /** @returns the job that it has to wait for, whose `leave` then gives it back; undefined when it may go */
  enter(job: Job): string | undefined {
    const names = namesOf(job);
    const blocker = names.map((name) => this.#building.get(name)).find((id) => (id ?? job.id) !== job.id);
    if (blocker === undefined) {
      for (const name of names) this.#building.set(name, job.id);
      this.#variants.set(job.id, names);
    } else {
      const behind = this.#behind.get(blocker) ?? new Map<string, number>();
      this.#behind.set(blocker, behind.set(job.id, job.priority));
    }
    return blocker;
  }

  /** The priority that a job has by itself and by those that wait for it. */
  priorityOf(job: Job): number {
    return Math.max(job.priority, ...(this.#behind.get(job.id)?.values() ?? []));
  }

  /** A job has ended, or waits for its time. @returns those that waited for it */
  leave(id: string): string[] {
    for (const name of this.#variants.get(id) ?? []) this.#building.delete(name);
    this.#variants.delete(id);
    for (const ids of this.#behind.values()) ids.delete(id);
    const freed = [...(this.#behind.get(id)?.keys() ?? [])];
    this.#behind.delete(id);
    return freed;
  }
}

/** Where another machine is required nobody may be there to build it: that must keep no other waiting. */
function namesOf({ recipe, variants, labels }: Job): string[] {
  return variants.map((variant) => `${queueName(labels)} ${recipe}:${variant}`);
}
