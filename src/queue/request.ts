import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { readBase, readFragments, type SourceChoices, sourceNames } from '../pipeline/inputs.ts';
import { type Chosen, readLock } from '../pipeline/recipes.ts';
import type { BuildRequest } from '../pipeline/run.ts';
import { sourceDateEpoch } from '../platform/clock.ts';
import { digestOf, sha256 } from '../platform/digest.ts';
import { hasErrno } from '../platform/errors.ts';
import { stampOf } from '../platform/files.ts';
import { userName } from '../platform/user.ts';
import type { BuildSpec, JobRequest } from './job.ts';

/** How a recipe's variants are to be built. */
export interface BuildWish {
  readonly sources: SourceChoices;
  readonly publish: boolean;
  readonly channel: string | undefined;
  readonly rebuild: boolean;
  readonly compare: boolean;
  readonly workshop: BuildRequest['workshop'];
  readonly requireGates: boolean;
  readonly reason: string | undefined;
  /** The user of this process by default. */
  readonly by?: string;
  readonly priority: number;
  readonly attempts: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** How often what may pass is tried when nobody waits for it. */
export const UNATTENDED_ATTEMPTS = 5;

/** The request for one recipe's variants. */
export async function requestFor(chosen: Chosen, wish: BuildWish): Promise<JobRequest> {
  const { recipe, variants } = chosen;
  const own = [...wish.sources.substitutes].filter(([name]) => sourceNames(recipe).includes(name));
  const spec: BuildSpec = {
    references: variants.map(({ name }) => `${recipe.reference}:${name}`),
    mirrors: wish.sources.mirrors.map((path) => resolve(path)),
    substitutes: own.map(([name, path]) => [name, resolve(path)] as const),
    publish: wish.publish,
    channel: wish.channel ?? null,
    rebuild: wish.rebuild,
    compare: wish.compare,
    workshop: wish.workshop,
    requireGates: wish.requireGates,
    reason: wish.reason ?? null,
    by: wish.by ?? userName(),
    epoch: sourceDateEpoch(),
  };
  return {
    key: await keyOf(chosen, spec, wish.labels),
    recipe: recipe.recipe.name,
    variants: variants.map(({ name }) => name),
    spec,
    priority: wish.priority,
    labels: wish.labels,
    attempts: wish.attempts,
  };
}

/**
 * What decides a job's outcome, as far as it is known without fetching or building: a recipe or fragment that was
 * edited since makes another job. The reason that is noted with the flip is no part of it, nor are the mirrors:
 * they have the same bytes. The labels are: who asks for any worker must not have to wait for a certain one.
 */
async function keyOf(
  { recipe, variants }: Chosen,
  spec: BuildSpec,
  labels: BuildWish['labels'],
): Promise<string> {
  const [base, lock, fragments] = await Promise.all([
    readBase(recipe, spec.mirrors),
    readLock(recipe),
    Promise.all(variants.map((variant) => readFragments(recipe, variant))),
  ]);
  const { references, publish, channel, rebuild, compare, requireGates, workshop, epoch } = spec;
  return digestOf({
    asked: { references, publish, channel, rebuild, compare, requireGates, workshop, epoch, labels },
    recipe: recipe.recipe,
    texts: [base, ...fragments.flat()].map((text) => text && sha256(text.text)),
    lock,
    substitutes: spec.substitutes.map(([name, path]) => ({ name, path, state: stateOf(path) })),
  });
}

/** Tells a file from its later self; a directory can't be told, so that no two jobs with one are the same. */
function stateOf(path: string): unknown {
  try {
    const stats = statSync(path, { bigint: true });
    return stats.isDirectory() ? process.hrtime.bigint().toString() : stampOf(stats);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}
