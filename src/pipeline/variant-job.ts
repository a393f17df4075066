import type { Toolchain } from '../kernel/index.ts';
import type { FetchedSource } from '../sources/index.ts';
import type { GateJob } from './boot-gate.ts';
import type { StepCache } from './cache.ts';
import type { TextInput, VariantKeys } from './plan.ts';
import type { LoadedRecipe } from './recipes.ts';
import type { PreparedTree } from './tree.ts';
import type { Turn } from './turns.ts';
import type { Workshop } from './workshop.ts';

/** All that is needed to make one variant's bundle. */
export interface VariantJob extends GateJob {
  readonly cache: StepCache;
  readonly recipe: LoadedRecipe;
  readonly base: TextInput | undefined;
  readonly fragments: readonly TextInput[];
  readonly keys: VariantKeys;
  readonly sources: readonly FetchedSource[];
  readonly toolchain: Toolchain;
  readonly epoch: number;
  /** Don't use what the cache has. */
  readonly rebuild: boolean;
  /** When it may take a work tree: variants do in the order in which they are listed. */
  readonly turn: Turn;
  /** The prepared tree, made once for all variants that share it. */
  readonly prepareTree: () => Promise<PreparedTree>;
  readonly workshop: Workshop;
}
