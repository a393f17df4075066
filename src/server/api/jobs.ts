import { z } from '@hono/zod-openapi';
import { checkSubstitutes } from '../../pipeline/inputs.ts';
import { chooseVariants } from '../../pipeline/recipes.ts';
import { checkTargets } from '../../pipeline/targets.ts';
import { digestOf } from '../../platform/digest.ts';
import { isSettled, type Job, variantStatus } from '../../queue/job.ts';
import type { Ledger } from '../../queue/ledger.ts';
import type { Submitted } from '../../queue/queue.ts';
import { requestFor, UNATTENDED_ATTEMPTS } from '../../queue/request.ts';
import { type Connected, connectedWorkers, missingWorker } from '../../queue/workers.ts';
import { notFound } from '../problem.ts';
import { IDEMPOTENCY_KEY, Keys, keyOf } from './once.ts';
import { type Api, json, nameOf, PAGE, pageOf } from './route.ts';
import { channelName, event, job, jobId, listOf, priority, reason, reference } from './schemas.ts';
import type { Server } from './server.ts';

const order = z.strictObject({
  references: z.array(reference).min(1).max(50),
  priority: priority.default(0),
  publish: z.boolean().default(true),
  channel: channelName.optional().openapi({ description: "instead of the recipe's" }),
  reason: reason.optional().openapi({ description: 'why, for the history of the channel' }),
  rebuild: z.boolean().default(false),
  requireGates: z.boolean().default(false),
});

const STATES = ['waiting', 'running', 'done', 'failed', 'cancelled'] as const;

export function jobRoutes(api: Api, server: Server): void {
  const { ledger, hub } = server;
  const tag = 'jobs';
  api.route(
    {
      method: 'get',
      path: '/jobs',
      kept: true,
      summary: 'Jobs, the newest first, or those first that are next in the queue',
      tag,
      role: 'viewer',
      query: {
        ...PAGE,
        state: z.enum(STATES).optional(),
        order: z.enum(['newest', 'next']).default('newest').openapi({
          description: 'next: the highest priority first, then the oldest, as they are run',
        }),
      },
      answers: z.object({ jobs: listOf(job), next: z.string().nullable() }),
    },
    ({ query }) => {
      const wanted = hub.jobs().filter(({ state }) => query.state === undefined || state === query.state);
      const inOrder =
        query.order === 'next' ? wanted.toSorted((a, b) => b.priority - a.priority) : wanted.toReversed();
      const { items, next } = pageOf(inOrder, ({ id }) => id, query);
      const connected = connectedWorkers(ledger);
      return { jobs: items.map((one) => describeJob(one, connected)), next };
    },
  );
  api.route(
    {
      method: 'post',
      path: '/jobs',
      summary: 'Queue builds: a job for each recipe; one that waits or runs for the same inputs is joined',
      tag,
      role: 'builder',
      headers: IDEMPOTENCY_KEY,
      body: order,
      status: 201,
      answers: z.object({ jobs: listOf(job.extend({ joined: z.boolean() })) }),
    },
    async ({ body, context, who }) => {
      const key = keyOf(context);
      const requests = await requestsFor(server, body);
      const submit = () => ledger.submit(requests);
      const submitted =
        key === undefined ? submit() : submitOnce(ledger, `${who?.id ?? ''} ${key}`, digestOf(body), submit);
      const connected = connectedWorkers(ledger);
      const jobs = submitted.map(({ job: one, joined }) => ({ ...describeJob(one, connected), joined }));
      return json(context, { jobs }, 201);
    },
  );
  api.route(
    {
      method: 'get',
      path: '/jobs/{job}',
      summary: 'One job',
      tag,
      role: 'viewer',
      params: { job: jobId },
      answers: job,
    },
    ({ params }) => describeJob(jobOf(ledger, params.job), connectedWorkers(ledger)),
  );
  api.route(
    {
      method: 'get',
      path: '/jobs/{job}/history',
      summary: 'What happened to one job',
      tag,
      role: 'viewer',
      params: { job: jobId },
      query: PAGE,
      answers: z.object({ events: listOf(event), next: z.string().nullable() }),
    },
    ({ params, query }) => {
      jobOf(ledger, params.job);
      const { items, next } = pageOf(ledger.historyOf(params.job), ({ cursor }) => String(cursor), query);
      return { events: items.map((one) => ({ ...one, news: { ...one.news } })), next };
    },
  );
  steerRoutes(api, server);
}

function steerRoutes(api: Api, { ledger }: Server): void {
  const steer = { tag: 'jobs', role: 'builder', params: { job: jobId }, answers: job } as const;
  api.route(
    {
      ...steer,
      method: 'post',
      path: '/jobs/{job}/cancel',
      summary: 'Take a job out of the queue; one that runs is stopped',
      body: z.strictObject({ reason: reason.optional() }),
    },
    ({ params, body, who }) => {
      jobOf(ledger, params.job);
      const cancelled = ledger.cancel(params.job, body.reason ?? `cancelled by ${nameOf(who)}`);
      return describeJob(cancelled, connectedWorkers(ledger));
    },
  );
  api.route(
    {
      ...steer,
      method: 'post',
      path: '/jobs/{job}/retry',
      summary: 'Try a job again that failed or was cancelled, or at once one that waits to be tried again',
    },
    ({ params }) => {
      jobOf(ledger, params.job);
      return describeJob(ledger.retry(params.job), connectedWorkers(ledger));
    },
  );
  api.route(
    {
      ...steer,
      method: 'put',
      path: '/jobs/{job}/priority',
      summary: "Change a job's place in the queue",
      body: z.strictObject({ priority }),
    },
    ({ params, body }) => {
      jobOf(ledger, params.job);
      return describeJob(ledger.prioritise(params.job, body.priority), connectedWorkers(ledger));
    },
  );
}

async function requestsFor(server: Server, body: z.output<typeof order>) {
  const chosen = await chooseVariants(body.references);
  checkTargets(chosen, body);
  checkSubstitutes(
    chosen.map(({ recipe }) => recipe),
    server.sources,
  );
  return Promise.all(
    chosen.map((one) =>
      requestFor(one, {
        sources: server.sources,
        publish: body.publish,
        channel: body.channel,
        rebuild: body.rebuild,
        compare: false,
        workshop: server.workshop,
        requireGates: body.requireGates,
        reason: body.reason,
        priority: body.priority,
        attempts: UNATTENDED_ATTEMPTS,
        labels: {},
      }),
    ),
  );
}

function jobOf(ledger: Ledger, id: string): Job {
  const found = ledger.find(id);
  if (found === undefined) throw notFound(`there is no job ${id}`);
  return found;
}

/** Submits once for a key: it is noted together with the jobs. */
function submitOnce(ledger: Ledger, key: string, body: string, submit: () => Submitted[]): Submitted[] {
  let first: Submitted[] | undefined;
  const ids = new Keys(ledger, 'jobs').within(key, body, () => {
    first = submit();
    return first.map(({ job: one }) => one.id);
  });
  return first ?? ids.map((id) => ({ job: jobOf(ledger, id), joined: true }));
}

/** A job as the API shows it: without the paths of this machine that its specification has. */
export function describeJob(one: Job, connected: readonly Connected[]): z.input<typeof job> {
  return {
    id: one.id,
    recipe: one.recipe,
    variants: one.variants.map((name) => {
      const result = one.results[name];
      return {
        name,
        status: variantStatus(one, name),
        result: result === undefined ? null : { ...result, log: undefined },
      };
    }),
    state: one.state,
    priority: one.priority,
    submitted: new Date(one.submitted).toISOString(),
    ended: one.ended === null ? null : new Date(one.ended).toISOString(),
    why: one.why,
    cancelling: one.cancelling,
    worker: one.holder === null || isSettled(one) ? null : one.holder.worker,
    labels: one.labels,
    waitsFor: missingWorker(one, connected) ?? null,
  };
}
