import type { SourceEvent } from '../sources/index.ts';

/** The stages of a build, in order. Not every build runs each: a cached one is a hit. */
export const STEPS = ['fetch', 'tree', 'config', 'compile', 'initrd', 'bundle', 'gate', 'publish'] as const;
export type StepName = (typeof STEPS)[number];

/** How one variant ended; the shape that `kiln build --json` prints. */
export interface VariantResult {
  readonly recipe: string;
  readonly variant: string;
  /** published: its channel points to it; built: stored and not published. */
  readonly status: 'published' | 'built' | 'failed' | 'cancelled';
  readonly bundle: string | null;
  readonly release: string | null;
  readonly channel: string | null;
  readonly generation: number | null;
  readonly seconds: number;
  readonly steps: { readonly hit: number; readonly run: number };
  readonly log: string | null;
  /** Gates that did not run, and why. */
  readonly skippedGates: Readonly<Record<string, string>>;
  /** Names of sources that `--source` replaced. */
  readonly substituted: readonly string[];
  readonly sizes?: { readonly vmlinuz: number; readonly initrd: number; readonly modules: number };
  readonly error?: {
    readonly kind: string;
    readonly message: string;
    readonly hint?: string;
    readonly place?: string;
    readonly lines: readonly string[];
    /** The same build may work later: a server was out of reach, a lock was held. */
    readonly transient?: true;
  };
}

/**
 * Everything that can happen in a build. The terminal, the JSON stream and the log file consume these and
 * nothing else prints. `variant` is `recipe:variant`.
 */
export type BuildEvent =
  | { readonly type: 'started'; readonly variant: string; readonly log: string }
  | { readonly type: 'step-started'; readonly variant: string; readonly step: StepName }
  | { readonly type: 'step-hit'; readonly variant: string; readonly step: StepName; readonly detail: string }
  | {
      readonly type: 'step-done';
      readonly variant: string;
      readonly step: StepName;
      readonly seconds: number;
      readonly detail: string;
    }
  | {
      readonly type: 'step-skipped';
      readonly variant: string;
      readonly step: StepName;
      readonly reason: string;
    }
  | {
      readonly type: 'step-failed';
      readonly variant: string;
      readonly step: StepName;
      readonly reason: string;
    }
  | { readonly type: 'progress'; readonly variant: string; readonly step: StepName; readonly text: string }
  | { readonly type: 'source'; readonly variant: string; readonly source: SourceEvent }
  | { readonly type: 'warning'; readonly variant: string | null; readonly sentence: string }
  | { readonly type: 'finished'; readonly variant: string; readonly result: VariantResult };

export type EventSink = (event: BuildEvent) => void;
