import { send } from './api.ts';
import { lineChart } from './charts.ts';
import { type Child, h } from './dom.ts';
import { age, duration, moment } from './format.ts';
import { liveCard, noJobs } from './overview.ts';
import { action, badge, empty, listTable, loading } from './parts.ts';
import { known } from './state.ts';
import type { Job } from './types.ts';

/** Of jobs that wait: those that are next. */
const SHOWN = 200;

/** The queue: what runs, what waits and in which order, what became of the rest. */
export function builds(): Child {
  const { jobs, queue } = known;
  if (!jobs || !queue) return loading();
  const running = jobs.filter(({ state }) => state === 'running');
  const waits = jobs
    .filter(({ state }) => state === 'waiting')
    .sort((a, b) => b.priority - a.priority || Date.parse(a.submitted) - Date.parse(b.submitted));
  const waiting = waits.slice(0, SHOWN);
  const ended = jobs
    .filter(({ state }) => state !== 'running' && state !== 'waiting')
    .sort((a, b) => Date.parse(b.ended ?? '') - Date.parse(a.ended ?? ''));
  const verb = queue.paused ? 'resume' : 'pause';
  return [
    h(
      'div',
      { class: 'head' },
      h('h1', {}, 'Builds'),
      action(queue.paused ? 'Resume the queue' : 'Pause the queue', {}, async () => {
        known.queue = await send('POST', `/queue/${verb}`);
      }),
    ),
    queue.paused
      ? h('p', { class: 'band' }, 'The queue is paused: nothing is started; what runs goes on.')
      : null,
    h(
      'section',
      {},
      h('h2', {}, 'Running'),
      running.length === 0
        ? empty('Nothing is being built', 'What waits is started as soon as there is a free slot.')
        : running.map(liveCard),
    ),
    h(
      'section',
      {},
      h('h2', {}, 'Waiting'),
      waiting.length === 0
        ? empty('Nothing waits', 'Builds that are queued stand here, the next one first.')
        : waitingTable(waiting),
      queue.waiting > waiting.length
        ? h('p', { class: 'quiet' }, `and ${queue.waiting - waiting.length} more after these`)
        : null,
    ),
    jobs.length < 2
      ? null
      : h(
          'section',
          { class: 'pair' },
          h('div', { class: 'card' }, depthChart(jobs)),
          h('div', { class: 'card' }, timesChart(ended)),
        ),
    h('section', {}, h('h2', {}, 'Done'), ended.length === 0 ? noJobs() : endedTable(ended)),
  ];
}

const NAMED = 3;

function names({ recipe, variants }: Job): string {
  const all = variants.map(({ name }) => name);
  if (all.length === 1) return `${recipe}:${all[0]}`;
  const shown = all.slice(0, NAMED).join(', ');
  return all.length > NAMED ? `${recipe}: ${shown} and ${all.length - NAMED} more` : `${recipe}: ${shown}`;
}

function waitingTable(jobs: readonly Job[]): HTMLElement {
  return listTable(
    ['Job', 'Priority', 'Since', ''],
    jobs.map((job, index) =>
      h(
        'tr',
        { 'data-key': job.id },
        h(
          'td',
          {},
          h('a', { href: `#/jobs/${job.id}` }, names(job)),
          job.why === null ? null : h('div', { class: 'quiet' }, job.why),
        ),
        h('td', { class: 'number' }, job.priority),
        h('td', { title: moment(job.submitted) }, age(job.submitted)),
        h(
          'td',
          { class: 'buttons' },
          step(job, '↑', 'sooner', (jobs[index - 1]?.priority ?? job.priority) + 1),
          step(job, '↓', 'later', (jobs[index + 1]?.priority ?? job.priority) - 1),
          action('Cancel', { class: 'small', 'aria-label': `Cancel ${names(job)}` }, async () => {
            await send('POST', `/jobs/${job.id}/cancel`, {});
          }),
        ),
      ),
    ),
  );
}

/** A place up or down is a priority above or below that of its neighbour. */
function step(job: Job, sign: string, when: string, priority: number): HTMLElement {
  const label = `Build ${names(job)} ${when}`;
  return action(sign, { class: 'small', 'aria-label': label, title: label }, async () => {
    await send('PUT', `/jobs/${job.id}/priority`, { priority: Math.max(-1000, Math.min(1000, priority)) });
  });
}

function endedTable(jobs: readonly Job[]): HTMLElement {
  return listTable(
    ['Job', 'Result', 'Took', 'Ended', ''],
    jobs.slice(0, 60).map((job) => {
      const seconds = job.variants.reduce((sum, { result }) => sum + (result?.seconds ?? 0), 0);
      return h(
        'tr',
        { 'data-key': job.id },
        h('td', {}, h('a', { href: `#/jobs/${job.id}` }, names(job))),
        h('td', {}, resultOf(job)),
        h('td', { class: 'number' }, seconds === 0 ? '' : duration(seconds)),
        h('td', { title: job.ended === null ? undefined : moment(job.ended) }, age(job.ended)),
        h(
          'td',
          { class: 'buttons' },
          job.state === 'done'
            ? null
            : action('Retry', { class: 'small', 'aria-label': `Retry ${names(job)}` }, async () => {
                await send('POST', `/jobs/${job.id}/retry`);
              }),
        ),
      );
    }),
  );
}

/** The worst of a job's variants. */
export function resultOf(job: Job): HTMLElement {
  const statuses = job.variants.map(({ status }) => status);
  const order = ['failed', 'cancelled', 'running', 'waiting', 'built', 'published'] as const;
  return badge(order.find((status) => statuses.includes(status)) ?? 'none');
}

/** Jobs that waited or ran, over time. */
function depthChart(jobs: readonly Job[]): HTMLElement {
  const now = Date.now();
  const moves = jobs
    .flatMap((job) => [
      { at: Date.parse(job.submitted), by: 1 },
      ...(job.ended === null ? [] : [{ at: Date.parse(job.ended), by: -1 }]),
    ])
    .sort((a, b) => a.at - b.at);
  const start = Math.max(moves[0]?.at ?? now, now - 86_400_000);
  const count = 48;
  const times = Array.from({ length: count + 1 }, (_, index) => start + ((now - start) * index) / count);
  const values = times.map((time) =>
    moves.filter(({ at }) => at <= time).reduce((sum, { by }) => sum + by, 0),
  );
  const short = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
  const labels = times.map((time) => short.format(time));
  return lineChart('Queue depth', labels, [{ name: 'waiting or running', style: 'one', values }], String, {
    steps: true,
    whole: true,
  });
}

const SHOWN_TIMES = 40;

/** How long the last builds took that did more than find everything done. */
function timesChart(ended: readonly Job[]): HTMLElement {
  const built = ended
    .flatMap((job) =>
      job.variants.flatMap(({ name, result }) =>
        result !== null && result.bundle !== null && result.steps.run > 2
          ? [{ name: `${job.recipe}:${name}`, seconds: result.seconds }]
          : [],
      ),
    )
    .slice(0, SHOWN_TIMES)
    .toReversed();
  return lineChart(
    `Build time of the last ${built.length} that were built`,
    built.map(({ name }) => name),
    [{ name: 'took', style: 'two', values: built.map(({ seconds }) => seconds) }],
    duration,
    { bars: true, seconds: true },
  );
}
