import { z } from '@hono/zod-openapi';
import type { StoredBundle } from '../../bundle/index.ts';
import { gatesOf } from '../../pipeline/gates.ts';
import type { Job } from '../../queue/job.ts';
import { variantStatus } from '../../queue/job.ts';
import { bundlesOf } from '../shelf.ts';
import { builtAt, sizesOf } from './bundles.ts';
import type { Api } from './route.ts';
import { listOf, sizes } from './schemas.ts';
import type { Server } from './server.ts';

const queue = z.object({
  paused: z.boolean(),
  waiting: z.int(),
  running: z.int(),
  slots: z.int().openapi({ description: 'jobs that are run here at once; 0 where other machines run them' }),
  cursor: z.int().openapi({ description: 'of the newest event: where a stream of events may go on' }),
});

const cell = z.object({
  recipe: z.string(),
  variant: z.string(),
  status: z.string().openapi({ description: 'of the newest job for it, else built where there is a bundle' }),
  job: z.string().nullable().openapi({ description: 'the newest' }),
  last: z
    .object({ status: z.string(), job: z.string().nullable(), at: z.string() })
    .nullable()
    .openapi({ description: 'how the last build ended' }),
  bundle: z.string().nullable(),
  sizes: sizes.nullable(),
  booted: z.boolean(),
});

export function aboutRoutes(api: Api, server: Server): void {
  api.route(
    {
      method: 'get',
      path: '/version',
      summary: 'Which Kiln this is',
      tag: 'server',
      role: 'open',
      answers: z.object({ name: z.literal('kiln'), version: z.string() }),
    },
    () => ({ name: 'kiln' as const, version: server.version }),
  );
  api.route(
    {
      method: 'get',
      path: '/health',
      summary: 'Whether the server answers and can read its record',
      tag: 'server',
      role: 'open',
      answers: z.object({ status: z.literal('ok'), cursor: z.int() }),
    },
    () => ({ status: 'ok' as const, cursor: server.ledger.cursor }),
  );
  api.route(
    {
      method: 'get',
      path: '/queue',
      kept: true,
      summary: 'How much waits and runs',
      tag: 'jobs',
      role: 'viewer',
      answers: queue,
    },
    () => describeQueue(server),
  );
  for (const verb of ['pause', 'resume'] as const) {
    api.route(
      {
        method: 'post',
        path: `/queue/${verb}`,
        summary: verb === 'pause' ? 'Start nothing more; what runs goes on' : 'Start again what waits',
        tag: 'jobs',
        role: 'builder',
        answers: queue,
      },
      () => {
        server.ledger[verb]();
        return describeQueue(server);
      },
    );
  }
  api.route(
    {
      method: 'get',
      path: '/matrix',
      kept: true,
      summary: 'Every variant that was built or queued: how the newest job ended, what there is of it',
      tag: 'recipes',
      role: 'viewer',
      answers: z.object({ cells: listOf(cell) }),
    },
    () => matrix(server),
  );
}

function describeQueue({ ledger, hub, slots }: Server): z.input<typeof queue> {
  const jobs = hub.jobs();
  return {
    paused: ledger.paused,
    waiting: jobs.filter(({ state }) => state === 'waiting').length,
    running: jobs.filter(({ state }) => state === 'running').length,
    slots,
    cursor: hub.cursor,
  };
}

async function matrix({ home, hub }: Server) {
  const newest = new Map<string, Job>();
  const ended = new Map<string, Job>();
  for (const job of hub.jobs()) {
    for (const variant of job.variants) {
      const key = `${job.recipe}:${variant}`;
      const known = newest.get(key);
      if (known === undefined || isNewer(job, known)) newest.set(key, job);
      if (job.ended !== null && job.ended >= (ended.get(key)?.ended ?? 0)) ended.set(key, job);
    }
  }
  const stored = new Map<string, StoredBundle[]>();
  for (const one of await hub.kept.get('bundles', () => bundlesOf(home))) {
    const key = `${one.manifest.recipe}:${one.manifest.variant}`;
    stored.set(key, [...(stored.get(key) ?? []), one]);
  }
  const cells = [...new Set([...newest.keys(), ...stored.keys()])].sort().map(async (key) => {
    const [recipe = '', variant = ''] = key.split(':');
    const job = newest.get(key);
    const result = job?.results[variant];
    const bundles = stored.get(key) ?? [];
    const bundle = bundles.find(({ manifest }) => manifest.id === result?.bundle) ?? bundles.at(-1);
    return {
      recipe,
      variant,
      status: job === undefined ? 'built' : variantStatus(job, variant),
      job: job?.id ?? null,
      last: await lastOf(ended.get(key), variant, bundle),
      bundle: bundle?.manifest.id ?? null,
      sizes: bundle === undefined ? null : sizesOf(bundle.manifest),
      booted: bundle !== undefined && (await gatesOf(home, bundle.manifest)).boot?.status === 'passed',
    };
  });
  return { cells: await Promise.all(cells) };
}

/** What is to be done says more than what was done, and of that the last. */
function isNewer(job: Job, known: Job): boolean {
  return (job.ended ?? Number.POSITIVE_INFINITY) >= (known.ended ?? Number.POSITIVE_INFINITY);
}

async function lastOf(job: Job | undefined, variant: string, bundle: StoredBundle | undefined) {
  if (job !== undefined && job.ended !== null) {
    return { status: variantStatus(job, variant), job: job.id, at: new Date(job.ended).toISOString() };
  }
  // The queue knows nothing of it: built by kiln build before there was one.
  return bundle === undefined ? null : { status: 'built', job: null, at: await builtAt(bundle) };
}
