import type { ServerResponse } from 'node:http';
import type { BuildEvent } from '../pipeline/events.ts';
import type { QueueEvent } from '../queue/job.ts';

/** Values of a metric's labels, in the order of their names. */
type Labels = readonly (string | number)[];

interface Family {
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
}

/** One number as a scrape shows it. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** Bounds in seconds: a hit takes milliseconds, a kernel with all its modules an hour. */
const SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600];

/** Counts something by labels. */
class Counter implements Family {
  readonly type = 'counter';
  readonly help: string;
  readonly labels: readonly string[];
  readonly #values = new Map<string, { readonly labels: Labels; value: number }>();

  constructor(help: string, labels: readonly string[]) {
    this.help = help;
    this.labels = labels;
  }

  add(labels: Labels, by = 1): void {
    const key = labels.join('\0');
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, { labels, value: by });
    else known.value += by;
  }

  get samples(): Iterable<Sample> {
    return this.#values.values();
  }
}

/** How long something took, by labels. */
class Histogram implements Family {
  readonly type = 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly #values = new Map<string, { readonly labels: Labels; readonly buckets: number[]; sum: number }>();

  constructor(help: string, labels: readonly string[]) {
    this.help = help;
    this.labels = labels;
  }

  observe(labels: Labels, seconds: number): void {
    const key = labels.join('\0');
    const known = this.#values.get(key) ?? { labels, buckets: [...SECONDS, 0].map(() => 0), sum: 0 };
    this.#values.set(key, known);
    const bucket = SECONDS.findIndex((bound) => seconds <= bound);
    const at = bucket < 0 ? SECONDS.length : bucket;
    known.buckets[at] = (known.buckets[at] ?? 0) + 1;
    known.sum += seconds;
  }

  *lines(name: string): Generator<string> {
    for (const { labels, buckets, sum } of this.#values.values()) {
      let count = 0;
      for (const [index, own] of buckets.entries()) {
        count += own;
        const le = SECONDS[index] ?? '+Inf';
        yield line(`${name}_bucket`, [...this.labels, 'le'], [...labels, le], count);
      }
      yield line(`${name}_sum`, this.labels, labels, sum);
      yield line(`${name}_count`, this.labels, labels, count);
    }
  }
}

/** What is only known when somebody asks. */
export interface Gauge extends Family {
  readonly name: string;
  readonly samples: Iterable<Sample>;
}

/** What has been counted since the server started; Prometheus makes rates of it. */
export class Metrics {
  readonly #requests = new Counter('HTTP requests that were answered', ['method', 'route', 'status']);
  readonly #sent = new Counter('Bytes of HTTP answers, heads included', ['route']);
  readonly hooks = new Counter('Messages to webhooks: delivered, failed (and tried again), given up', [
    'outcome',
  ]);
  readonly #jobs = new Counter('Jobs that came to an end, by how', ['state']);
  readonly #builds = new Counter("Variants' builds that came to an end, by how", ['recipe', 'status']);
  readonly #buildSeconds = new Histogram("How long variants' builds took", ['recipe']);
  readonly #steps = new Counter('Steps of builds; a hit was found in the cache', ['step', 'outcome']);
  readonly #stepSeconds = new Histogram('How long steps took that ran', ['step']);
  readonly #answers = new Set<() => void>();
  readonly #retries = new Counter(
    'Jobs that went back to those that wait: a lost worker, a passing failure',
    [],
  );

  /** Counts what an event of the queue tells. */
  take({ news }: QueueEvent): void {
    if (news.type === 'settled') this.#jobs.add([news.state]);
    else if (news.type === 'waiting') this.#retries.add([]);
    else if (news.type === 'build') this.#takeBuild(news.event);
  }

  #takeBuild(event: BuildEvent): void {
    switch (event.type) {
      case 'step-hit':
      case 'step-skipped':
      case 'step-failed':
        this.#steps.add([event.step, event.type.slice('step-'.length)]);
        break;
      case 'step-done':
        this.#stepSeconds.observe([event.step], event.seconds);
        this.#steps.add([event.step, 'done']);
        break;
      case 'finished':
        this.#buildSeconds.observe([event.result.recipe], event.result.seconds);
        this.#builds.add([event.result.recipe, event.result.status]);
        break;
      default:
    }
  }

  /**
   * Counts an answer, and what goes through its connection until it has been sent: streams take their time.
   * @param from how much had gone through the connection before it
   */
  answer(method: string, route: string, status: number, response: ServerResponse, from: number): void {
    this.#requests.add([method, route, status]);
    const { socket } = response;
    if (socket === null) return;
    let counted = from;
    const count = () => {
      this.#sent.add([route], socket.bytesWritten - counted);
      counted = socket.bytesWritten;
    };
    this.#answers.add(count);
    response.once('close', () => {
      count();
      this.#answers.delete(count);
    });
  }

  /** Everything as Prometheus reads it (text format 0.0.4). */
  text(gauges: readonly Gauge[]): string {
    for (const count of this.#answers) count();
    const counters: readonly (readonly [string, Counter | Histogram])[] = [
      ['kiln_jobs_total', this.#jobs],
      ['kiln_jobs_put_back_total', this.#retries],
      ['kiln_builds_total', this.#builds],
      ['kiln_build_seconds', this.#buildSeconds],
      ['kiln_steps_total', this.#steps],
      ['kiln_step_seconds', this.#stepSeconds],
      ['kiln_http_requests_total', this.#requests],
      ['kiln_http_sent_bytes_total', this.#sent],
      ['kiln_webhook_messages_total', this.hooks],
    ];
    return [
      ...gauges.flatMap((gauge) => [
        ...head(gauge.name, gauge),
        ...samples(gauge.name, gauge, gauge.samples),
      ]),
      ...counters.flatMap(([name, one]) => [
        ...head(name, one),
        ...(one instanceof Histogram ? one.lines(name) : samples(name, one, one.samples)),
      ]),
      '',
    ].join('\n');
  }
}

function head(name: string, { help, type }: Family): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function samples(name: string, { labels }: Family, all: Iterable<Sample>): string[] {
  return [...all].map((sample) => line(name, labels, sample.labels, sample.value));
}

function line(name: string, names: readonly string[], values: Labels, value: number): string {
  const pairs = names.map((label, index) => `${label}="${escaped(String(values[index] ?? ''))}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
}

/** Prometheus' text format: a label's backslashes, quotes and ends of lines. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
