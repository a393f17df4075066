import type { VariantResult } from '../../src/pipeline/events.ts';
import type { BuildSpec, JobRequest, Outcome } from '../../src/queue/job.ts';

export const SPEC: BuildSpec = {
  references: [],
  mirrors: [],
  substitutes: [],
  publish: false,
  channel: null,
  by: 'tester',
  rebuild: false,
  compare: false,
  requireGates: false,
  workshop: { sandbox: 'auto', ccache: { use: 'off', size: '1G', remote: '' }, clean: false },
  reason: null,
  epoch: 0,
};

/** A job of one recipe; its name is its key unless another is given. */
export function request(recipe: string, changes: Partial<JobRequest> = {}): JobRequest {
  return {
    key: recipe,
    recipe,
    variants: ['a'],
    spec: SPEC,
    priority: 0,
    labels: {},
    attempts: 3,
    ...changes,
  };
}

export function result(status: VariantResult['status'], changes: Partial<VariantResult> = {}): VariantResult {
  return {
    recipe: 'r',
    variant: 'a',
    status,
    bundle: null,
    release: null,
    channel: null,
    generation: null,
    seconds: 0,
    steps: { hit: 0, run: 0 },
    log: null,
    skippedGates: {},
    substituted: [],
    ...changes,
  };
}

export function outcome(type: Outcome['type'], results: readonly VariantResult[] = []): Outcome {
  return { type, why: `it was ${type}`, results };
}
