import { ApiError, get, send } from './api.ts';
import { resultOf } from './builds.ts';
import { type Child, h } from './dom.ts';
import { age, duration, moment } from './format.ts';
import { LogView } from './log.ts';
import { action, badge, empty, loading, progressLine, stepper } from './parts.ts';
import { changed, known, stepsOf } from './state.ts';
import type { Job } from './types.ts';

let shown: { readonly key: string; readonly view: LogView } | undefined;
const others = new Map<string, { readonly job: Job | null | undefined; readonly moves: number }>();
const reading = new Set<string>();

/** The log that is shown goes with its page. */
export function closeLog(): void {
  shown?.view.close();
  shown = undefined;
}

/** One job: its variants, their steps, and the log of one of them. */
export function jobPage(id: string, chosen: string | undefined): Child {
  const job = known.jobs?.find((one) => one.id === id) ?? older(id);
  if (job === undefined) return loading();
  if (job === null) return empty('There is no such job', 'Jobs that ended long ago are forgotten.');
  const steps = stepsOf(id);
  const running = job.variants.find(({ status }) => status === 'running');
  const failed = job.variants.find(({ status }) => status === 'failed');
  const variant = chosen ?? running?.name ?? failed?.name ?? job.variants[0]?.name ?? '';
  const result = job.variants.find(({ name }) => name === variant)?.result;
  const started = steps.has(`${job.recipe}:${variant}`);
  return [
    h(
      'div',
      { class: 'head' },
      h('h1', {}, job.recipe),
      resultOf(job),
      h(
        'span',
        { class: 'quiet grow', title: moment(job.submitted) },
        `${job.id}, queued ${age(job.submitted)}`,
      ),
      job.state === 'waiting' || job.state === 'running'
        ? action('Cancel', {}, async () => {
            await send('POST', `/jobs/${id}/cancel`, {});
          })
        : job.state === 'done'
          ? null
          : action('Retry', { class: 'primary' }, async () => {
              await send('POST', `/jobs/${id}/retry`);
            }),
    ),
    job.why === null || job.state === 'done' ? null : h('p', { class: 'band' }, job.why),
    job.waitsFor === null ? null : h('p', { class: 'band' }, `It ${job.waitsFor}.`),
    h(
      'ul',
      { class: 'variants' },
      job.variants.map(({ name, status, result: one }) =>
        h(
          'li',
          { class: name === variant ? 'card chosen' : 'card', 'data-key': name },
          h(
            'a',
            { href: `#/jobs/${id}/${name}`, 'aria-current': name === variant ? 'true' : undefined },
            h('span', { class: 'cell-name' }, name),
            badge(status),
            one === null ? null : h('span', { class: 'quiet' }, duration(one.seconds)),
          ),
          stepper(`${job.recipe}:${name}`, steps.get(`${job.recipe}:${name}`) ?? []),
          progressLine(`${job.recipe}:${name}`),
        ),
      ),
    ),
    result?.error === undefined
      ? null
      : h(
          'div',
          { class: 'failure' },
          h('p', {}, result.error.message),
          result.error.lines === undefined || result.error.lines.length === 0
            ? null
            : h('pre', { tabindex: 0 }, result.error.lines.join('\n')),
          result.error.hint === undefined ? null : h('p', { class: 'hint' }, result.error.hint),
        ),
    started
      ? logOf(id, variant)
      : empty('No log yet', 'It is shown as soon as the build of this variant starts.'),
  ];
}

function logOf(job: string, variant: string): Child {
  const key = `${job}/${variant}`;
  if (shown?.key !== key) {
    closeLog();
    shown = { key, view: new LogView(`/jobs/${job}/logs/${variant}`) };
    void shown.view.run();
  }
  return h('div', { 'data-key': key, 'data-keep': key, 'data-log': key });
}

/** Puts the log into its place, once; drawing the page again leaves it as it is. */
export function placeLog(main: Element): void {
  const place = main.querySelector('[data-log]');
  if (place === null || shown === undefined || place.getAttribute('data-log') !== shown.key) return;
  if (shown.view.element.parentElement !== place) place.replaceChildren(shown.view.element);
}

/** A job that is not among the newest: read again when something has happened. */
function older(id: string): Job | null | undefined {
  const { jobs, moves } = known;
  const before = others.get(id);
  if (jobs !== undefined && before?.moves !== moves && !reading.has(id)) {
    reading.add(id);
    void get<Job>(`/jobs/${id}`)
      .then((job) => others.set(id, { job, moves }))
      .catch((error: unknown) => {
        // Out of reach: what it was is shown until it is back.
        const isNone = error instanceof ApiError && (error.status === 404 || error.status === 400);
        others.set(id, { job: isNone ? null : before?.job, moves });
      })
      .finally(() => {
        reading.delete(id);
        changed();
      });
  }
  return before?.job;
}
