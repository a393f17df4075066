/** What the API answers (openapi.json), as far as this page looks at it. */

export type Status = 'waiting' | 'running' | 'published' | 'built' | 'failed' | 'cancelled';

export interface Result {
  readonly status: Status;
  readonly bundle: string | null;
  readonly channel: string | null;
  readonly generation: number | null;
  readonly seconds: number;
  readonly steps: { readonly hit: number; readonly run: number };
  readonly error?: { readonly message: string; readonly hint?: string; readonly lines?: readonly string[] };
}

export interface Job {
  readonly id: string;
  readonly recipe: string;
  readonly variants: readonly {
    readonly name: string;
    readonly status: Status;
    readonly result: Result | null;
  }[];
  readonly state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  readonly priority: number;
  readonly submitted: string;
  readonly ended: string | null;
  readonly why: string | null;
  readonly cancelling: string | null;
  readonly worker: string | null;
  /** That no worker is connected that suits it. */
  readonly waitsFor: string | null;
}

export type BuildEvent =
  | { readonly type: 'started'; readonly variant: string }
  | { readonly type: 'step-started'; readonly variant: string; readonly step: string }
  | { readonly type: 'step-hit'; readonly variant: string; readonly step: string; readonly detail: string }
  | {
      readonly type: 'step-done';
      readonly variant: string;
      readonly step: string;
      readonly seconds: number;
      readonly detail: string;
    }
  | {
      readonly type: 'step-skipped' | 'step-failed';
      readonly variant: string;
      readonly step: string;
      readonly reason: string;
    }
  | { readonly type: 'warning'; readonly variant: string | null; readonly sentence: string }
  | { readonly type: 'finished'; readonly variant: string; readonly result: Result }
  | { readonly type: 'source'; readonly variant: string };

export interface QueueEvent {
  readonly cursor: number;
  readonly at: number;
  readonly job: string | null;
  readonly news: { readonly type: string; readonly event?: BuildEvent; readonly why?: string };
}

export interface Progress {
  readonly type: 'progress';
  readonly job: string;
  readonly variant: string;
  readonly step: string;
  readonly text: string;
}

export interface QueueState {
  readonly paused: boolean;
  readonly waiting: number;
  readonly running: number;
  readonly slots: number;
  readonly cursor: number;
}

export interface Sizes {
  readonly vmlinuz: number;
  readonly initrd: number;
  readonly modules: number;
}

export interface Recipe {
  readonly name: string;
  readonly description: string;
  readonly kernel: string;
  readonly variants: readonly {
    readonly name: string;
    readonly description: string;
    readonly channel: string;
  }[];
  readonly fault: string | null;
}

export interface Cell {
  readonly recipe: string;
  readonly variant: string;
  readonly status: Status;
  readonly job: string | null;
  readonly last: { readonly status: Status; readonly job: string | null; readonly at: string } | null;
  readonly bundle: string | null;
  readonly sizes: Sizes | null;
  readonly booted: boolean;
}

export interface Channel {
  readonly name: string;
  readonly generation: number | null;
  readonly bundle: string | null;
  readonly target: string | null;
  readonly since: string | null;
  readonly generations: number;
  readonly pin: { readonly by: string; readonly reason: string; readonly at: string } | null;
}

export interface Canary {
  readonly mac: string;
  readonly channel: string;
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

export interface Generation {
  readonly generation: number;
  readonly bundle: string;
  readonly recipe: string;
  readonly variant: string;
  readonly at: string;
  readonly by: string;
  readonly reason: string;
  readonly sizes: Sizes | null;
  readonly seconds: number | null;
}

export interface Flip {
  readonly at: string;
  readonly by: string;
  readonly reason: string;
  readonly from: number | null;
  readonly to: number;
}

export interface History {
  readonly generations: readonly Generation[];
  readonly flips: readonly Flip[];
}

export interface PlannedStep {
  readonly step: string;
  readonly key: string | null;
  readonly status: 'hit' | 'miss';
  readonly why: string;
}

export interface PlannedSource {
  readonly name: string;
  readonly file: string;
  readonly role: 'kernel' | 'patch' | 'kit';
  readonly stored: boolean;
}

export interface Plan {
  readonly recipe: string;
  readonly variant: string;
  readonly bundle: string | null;
  readonly channel: string;
  readonly sources: readonly PlannedSource[];
  readonly steps: readonly PlannedStep[];
}

export interface WatchedSource {
  readonly source: string;
  readonly status:
    | 'current'
    | 'newer'
    | 'refused'
    | 'does-not-apply'
    | 'untried'
    | 'unreachable'
    | 'waiting'
    | 'no-match';
  readonly current: string | null;
  readonly newest: string | null;
  readonly message: string | null;
  readonly lines: readonly string[];
  readonly looked: string;
  readonly next: string | null;
  readonly failures: number;
}

export interface Watched {
  readonly recipe: string;
  readonly looked: string;
  readonly policy: string | null;
  readonly sources: readonly WatchedSource[];
  readonly fault: string | null;
  readonly revision: number | null;
  readonly change: {
    readonly found: string;
    readonly variants: readonly string[];
    readonly because: readonly string[];
    readonly job: string | null;
  } | null;
}

export interface WatchState {
  readonly watching: boolean;
  readonly recipes: readonly Watched[];
}

interface Difference {
  readonly name: string;
  readonly from: string | number | null;
  readonly to: string | number | null;
}

export interface BundleDifference {
  readonly from: string;
  readonly to: string;
  readonly inputs: readonly Difference[];
  readonly toolchain: readonly Difference[];
  readonly config: readonly {
    readonly symbol: string;
    readonly from: string | null;
    readonly to: string | null;
  }[];
  readonly files: readonly Difference[];
  readonly sections: readonly Difference[];
  readonly modules: readonly Difference[];
}
