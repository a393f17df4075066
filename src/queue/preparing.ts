import PQueue from 'p-queue';
import type { Payload } from './carried.ts';
import type { Job } from './job.ts';

export interface PreparingOptions {
  /** Makes ready what a worker needs besides the job itself. */
  readonly prepare: (job: Job) => Promise<Payload>;
  /** Told of what prepare throws. */
  readonly failed: (job: Job, error: unknown) => Promise<void>;
  /** Told when a job may be looked at again: its payload is there, or it has failed. */
  readonly over: (id: string) => void;
}

/** Jobs that are prepared at once. */
const AT_ONCE = 16;

/** Makes ready what workers need for jobs, beside all else: a slow download keeps nobody else waiting. */
export class Preparing {
  readonly #options: PreparingOptions;
  readonly #lanes = new PQueue({ concurrency: AT_ONCE });
  readonly #underWay = new Set<string>();
  readonly #ready = new Map<string, Payload>();

  constructor(options: PreparingOptions) {
    this.#options = options;
  }

  /** True while something is being made ready. */
  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  /** Gives out what was made ready for a job, once; undefined: it is being made ready from now on. */
  take(job: Job): Payload | undefined {
    const payload = this.#ready.get(job.id);
    if (payload === undefined) this.#start(job);
    this.#ready.delete(job.id);
    return payload;
  }

  /** What was made ready for a job is not needed. */
  drop(id: string): void {
    this.#ready.delete(id);
  }

  #start(job: Job): void {
    if (this.#underWay.has(job.id)) return;
    this.#underWay.add(job.id);
    void this.#lanes.add(async () => {
      try {
        this.#ready.set(job.id, await this.#options.prepare(job));
      } catch (error) {
        await this.#options.failed(job, error);
      } finally {
        this.#underWay.delete(job.id);
        this.#options.over(job.id);
      }
    });
  }
}
