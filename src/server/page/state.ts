import { ApiError, events, get } from './api.ts';
import type {
  Canary,
  Cell,
  Channel,
  Job,
  Progress,
  QueueEvent,
  QueueState,
  Recipe,
  WatchState,
} from './types.ts';

export type Link =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'lost'; readonly since: Date }
  | { readonly state: 'refused'; readonly why: string };

export interface StepState {
  readonly step: string;
  readonly status: 'running' | 'hit' | 'done' | 'skipped' | 'failed';
  readonly seconds?: number;
  readonly detail: string;
}

/** What the page knows; views are drawn from it again whenever something in it has changed. */
export const known = {
  link: { state: 'connecting' } as Link,
  queue: undefined as QueueState | undefined,
  /** Those that run, those that are next, and the newest. */
  jobs: undefined as readonly Job[] | undefined,
  recipes: undefined as readonly Recipe[] | undefined,
  cells: undefined as readonly Cell[] | undefined,
  channels: undefined as readonly Channel[] | undefined,
  canaries: undefined as readonly Canary[] | undefined,
  watch: undefined as WatchState | undefined,
  /** By job and `recipe:variant`. */
  steps: new Map<string, Map<string, StepState[]>>(),
  /** By `recipe:variant`: what a running step says of itself. */
  progress: new Map<string, Progress>(),
  /** Grows with every change to a channel: histories are to be read again. */
  flips: 0,
  /** Grows with everything that happens to jobs, but for their steps. */
  moves: 0,
  /** Grows with every job that ends: plans are to be made again. */
  settled: 0,
};

const listeners = new Set<() => void>();
let planned = false;

/** Calls a function after each change, once for all that come together. */
export function onChange(listener: () => void): void {
  listeners.add(listener);
}

export function changed(): void {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    for (const listener of listeners) listener();
  });
}

const pending = new Map<string, ReturnType<typeof setTimeout>>();

/** Reads something again soon, once for many events. */
function soon(name: string, read: () => Promise<void>, ms = 200): void {
  if (pending.has(name)) return;
  pending.set(
    name,
    setTimeout(() => {
      pending.delete(name);
      // Out of reach: the event stream says so, and all is read again when it is back.
      read().then(changed, () => undefined);
    }, ms),
  );
}

const readers = {
  async jobs() {
    const asked = ['state=running', 'state=waiting&order=next', 'order=newest'].map((which) =>
      get<{ jobs: Job[] }>(`/jobs?limit=200&${which}`),
    );
    const jobs = (await Promise.all(asked)).flatMap((one) => one.jobs);
    known.jobs = [...new Map(jobs.map((job) => [job.id, job])).values()];
  },
  async queue() {
    known.queue = await get<QueueState>('/queue');
  },
  async matrix() {
    known.cells = (await get<{ cells: Cell[] }>('/matrix')).cells;
  },
  async recipes() {
    known.recipes = (await get<{ recipes: Recipe[] }>('/recipes')).recipes;
  },
  async channels() {
    const [{ channels }, { nodes }] = await Promise.all([
      get<{ channels: Channel[] }>('/channels?limit=200'),
      get<{ nodes: Canary[] }>('/canaries'),
    ]);
    known.channels = channels;
    known.canaries = nodes;
    known.flips += 1;
  },
  async watch() {
    known.watch = await get<WatchState>('/watch');
  },
};

/** Reads everything, and again whenever the stream of events was cut off. */
export async function live(): Promise<never> {
  let last: string | undefined;
  for (let pause = 500; ; pause = Math.min(pause * 2, 8000)) {
    try {
      for await (const { event, id, data } of events('/events', last, new AbortController().signal)) {
        if (event === 'open') {
          await Promise.all(Object.values(readers).map((read) => read()));
          known.link = { state: 'live' };
          known.moves += 1;
          pause = 500;
          changed();
        }
        last = id ?? last;
        if (id !== undefined) take(JSON.parse(data) as QueueEvent);
        else if (event === 'progress') takeProgress(JSON.parse(data) as Progress);
        else if (event === 'channels') soon('channels', readers.channels);
        else if (event === 'watch') soon('watch', readers.watch);
      }
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
        known.link = { state: 'refused', why: error.message };
        changed();
      }
    }
    if (known.link.state !== 'refused' && known.link.state !== 'lost') {
      known.link = { state: 'lost', since: new Date() };
      changed();
    }
    await new Promise((done) => setTimeout(done, pause));
  }
}

function takeProgress(progress: Progress): void {
  known.progress.set(progress.variant, progress);
  changed();
}

function take(event: QueueEvent): void {
  soon('queue', readers.queue);
  if (event.news.type === 'settled') known.settled += 1;
  if (event.news.type !== 'build') {
    known.moves += 1;
    soon('jobs', readers.jobs);
  }
  if (event.news.type === 'settled' || event.news.type === 'submitted') soon('matrix', readers.matrix, 400);
  takeBuild(event);
  changed();
}

/** Notes what a build's event says of its steps. */
export function takeBuild({ job, news }: QueueEvent): void {
  const build = news.event;
  if (job === null || build === undefined || build.variant === null) return;
  const ofJob = known.steps.get(job) ?? new Map<string, StepState[]>();
  known.steps.set(job, ofJob);
  const steps = build.type === 'started' ? [] : (ofJob.get(build.variant) ?? []);
  const put = (step: StepState) => {
    const at = steps.findIndex((one) => one.step === step.step);
    if (at < 0) steps.push(step);
    else steps[at] = step;
  };
  switch (build.type) {
    case 'step-started':
      known.progress.delete(build.variant);
      put({ step: build.step, status: 'running', detail: '' });
      break;
    case 'step-hit':
      put({ step: build.step, status: 'hit', detail: build.detail });
      break;
    case 'step-done':
      put({ step: build.step, status: 'done', seconds: build.seconds, detail: build.detail });
      break;
    case 'step-skipped':
      put({ step: build.step, status: 'skipped', detail: build.reason });
      break;
    case 'step-failed':
      put({ step: build.step, status: 'failed', detail: build.reason });
      break;
    case 'finished':
      known.progress.delete(build.variant);
      soon('jobs', readers.jobs);
      soon('matrix', readers.matrix, 400);
      break;
    default:
  }
  ofJob.set(build.variant, steps);
}

const asked = new Set<string>();

/** The steps of a job: from its history the first time, from events after that. */
export function stepsOf(job: string): ReadonlyMap<string, readonly StepState[]> {
  if (!asked.has(job)) {
    asked.add(job);
    readHistory(job).then(changed, () => asked.delete(job));
  }
  return known.steps.get(job) ?? new Map();
}

async function readHistory(job: string): Promise<void> {
  const all: QueueEvent[] = [];
  let after = '';
  for (;;) {
    const page = await get<{ events: QueueEvent[]; next: string | null }>(
      `/jobs/${job}/history?limit=200${after}`,
    );
    all.push(...page.events);
    if (page.next === null) break;
    after = `&after=${page.next}`;
  }
  known.steps.delete(job);
  for (const event of all) takeBuild(event);
}
