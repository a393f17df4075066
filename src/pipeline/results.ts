import type { Manifest, StoredBundle } from '../bundle/index.ts';
import { formatPlace, type KilnError } from '../platform/errors.ts';
import type { Variant } from '../recipe/variants.ts';
import type { VariantResult } from './events.ts';
import type { Reporter } from './report.ts';

/** What is known so far of a variant that is being built. */
export interface Progress {
  keys?: { readonly id: string; readonly release: string };
  bundle?: StoredBundle;
  gates: Manifest['gates'];
  channel?: string;
  generation?: number;
}

/** The result of a variant, from as far as it came. */
export function resultOf(
  variant: Variant,
  reporter: Reporter,
  progress: Progress,
  seconds: number,
  failure: KilnError | undefined,
): VariantResult {
  const { bundle, gates } = progress;
  const skipped = Object.entries(gates).flatMap(([name, record]) =>
    record.status === 'skipped' ? [[name, record.reason]] : [],
  );
  const sources = bundle?.manifest.sources;
  const substituted = [sources?.kernel, ...(sources?.patches ?? []), sources?.kit].filter(
    (source) => source?.substituted,
  );
  const size = (name: string) => bundle?.manifest.files[name]?.size ?? 0;
  return {
    recipe: variant.recipe.name,
    variant: variant.name,
    status: statusOf(progress, failure),
    bundle: bundle?.manifest.id ?? null,
    release: bundle?.manifest.release ?? null,
    channel: progress.channel ?? null,
    generation: progress.generation ?? null,
    seconds,
    steps: { ...reporter.counts },
    log: reporter.log,
    skippedGates: Object.fromEntries(skipped),
    substituted: substituted.flatMap((source) => (source === undefined ? [] : [source.name])),
    ...(bundle === undefined
      ? {}
      : { sizes: { vmlinuz: size('vmlinuz'), initrd: size('initrd.gz'), modules: size('modules.tar.gz') } }),
    ...(failure === undefined ? {} : { error: describeFailure(failure) }),
  };
}

/** The result of a variant that nobody got to. */
export function failedResult(
  variant: { readonly name: string; readonly recipe: { readonly name: string } },
  failure: KilnError,
): VariantResult {
  return {
    recipe: variant.recipe.name,
    variant: variant.name,
    status: statusOf({ gates: {} }, failure),
    bundle: null,
    release: null,
    channel: null,
    generation: null,
    seconds: 0,
    steps: { hit: 0, run: 0 },
    log: null,
    skippedGates: {},
    substituted: [],
    error: describeFailure(failure),
  };
}

function statusOf(progress: Progress, failure: KilnError | undefined): VariantResult['status'] {
  if (failure === undefined) return progress.generation === undefined ? 'built' : 'published';
  return failure.kind === 'interrupted' || failure.kind === 'terminated' ? 'cancelled' : 'failed';
}

/** A failure as results tell it. */
export function describeFailure(failure: KilnError): NonNullable<VariantResult['error']> {
  return {
    kind: failure.kind,
    message: failure.message,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
    ...(failure.place === undefined ? {} : { place: formatPlace(failure.place) }),
    lines: failure.lines,
    ...(failure.transient ? { transient: true as const } : {}),
  };
}
