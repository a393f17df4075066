import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import PQueue from 'p-queue';
import { findCommand } from '../src/platform/hosttools.ts';
import { BullmqHand } from '../src/queue/bullmq.ts';
import { Dispatcher } from '../src/queue/dispatcher.ts';
import { EmbeddedHand } from '../src/queue/embedded.ts';
import type { Job, JobRequest } from '../src/queue/job.ts';
import { Ledger } from '../src/queue/ledger.ts';
import type { Hand } from '../src/queue/queue.ts';
import { connectRedis } from '../src/queue/redis.ts';
import { Runner } from '../src/queue/runner.ts';
import { publishFigures } from './figures.ts';

const JOBS = Number(process.env.KILN_BENCH_JOBS ?? 10_000);
const SLOTS = 16;

/** Jobs that are queued at once, as `kiln queue add` with many recipes does. */
const BATCH = 100;
/** Jobs that come alone, each when the one before has ended. */
const ALONE = Math.min(500, Math.ceil(JOBS / 10));

/** What is measured: a queue that takes jobs and runs them, once it is started, until it is closed. */
interface Contender {
  readonly name: string;
  /** Returns when the jobs are queued, as surely as this queue can say. */
  enqueue(indices: readonly number[]): Promise<void>;
  /** Starts to run jobs. @param ended called with a job's index when its end is on record */
  start(ended: (index: number) => void): Promise<void>;
  /** Milliseconds of processor time that Redis has taken; where there is one. */
  redisCpu?(): Promise<number>;
  close(): Promise<void>;
}

interface Figures {
  readonly name: string;
  /** Seconds until all were queued, and until all were run. */
  readonly enqueue: number;
  readonly run: number;
  /** Milliseconds of processor time that running all has taken: here, and in Redis. */
  readonly cpu: number;
  readonly redisCpu: number;
  /** Milliseconds from a job's being asked for to its end: in the midst of all others, and alone. */
  readonly together: readonly number[];
  readonly alone: readonly number[];
  /** MiB of resident memory that it took at most. */
  readonly memory: number;
}

/**
 * Enqueues and runs jobs that do nothing, on both adapters and on what they are made of. Kiln's own keep a durable
 * record of each job, which plain p-queue does not at all and plain BullMQ only as far as Redis does.
 */
export async function bench(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const figures = [await measure(plainPQueue()), await measure(embedded(directory))];
  if ((await findCommand('redis-server')) === undefined) {
    process.stdout.write('skipped: Redis (apt-get install redis-server)\n');
  } else {
    const redis = await startRedis(directory);
    figures.push(
      await measure(await plainBullmq(redis.url)),
      await measure(await fleet(directory, redis.url)),
    );
    redis.child.kill('SIGKILL');
  }
  await rm(directory, { recursive: true });
  process.stdout.write(`${JOBS} jobs that do nothing, queued ${BATCH} at once, in ${SLOTS} slots;\n`);
  process.stdout.write(
    `latency from being asked for to the end: of these, and of ${ALONE} that came alone\n`,
  );
  for (const each of figures) process.stdout.write(`${describe(each)}\n`);
  publishFigures('queue', `${JOBS} jobs that do nothing, in ${SLOTS} slots`, [
    [
      '',
      'queued /s',
      'run /s',
      'CPU µs a job',
      'of Redis',
      'p50 ms',
      'p99 ms',
      'alone p50 ms',
      'alone p99 ms',
      'MiB',
    ],
    ...figures.map(({ name, enqueue, run, cpu, redisCpu, together, alone, memory }) => [
      name,
      String(Math.round(JOBS / enqueue)),
      String(Math.round(JOBS / run)),
      perJob(cpu),
      perJob(redisCpu),
      ...[at(together, 0.5), at(together, 0.99), at(alone, 0.5), at(alone, 0.99)],
      String(Math.round(memory)),
    ]),
  ]);
}

function perJob(milliseconds: number): string {
  return String(Math.round((1000 * milliseconds) / JOBS));
}

function describe({ name, enqueue, run, cpu, redisCpu, together, alone, memory }: Figures): string {
  const rate = (seconds: number) => `${Math.round(JOBS / seconds)}/s`.padStart(8);
  return [
    name.padEnd(22),
    `enqueue ${rate(enqueue)}  run ${rate(run)}`,
    `CPU ${perJob(cpu)} + ${perJob(redisCpu)} µs a job`,
    `p50 ${at(together, 0.5)} p99 ${at(together, 0.99)} ms`,
    `alone p50 ${at(alone, 0.5)} p99 ${at(alone, 0.99)} ms`,
    `${Math.round(memory)} MiB`,
  ].join('  ');
}

function at(latencies: readonly number[], part: number): string {
  const sorted = [...latencies].sort((a, b) => a - b);
  const value = sorted[Math.floor(part * (sorted.length - 1))] ?? 0;
  return value.toFixed(value < 10 ? 2 : 0);
}

async function measure(contender: Contender): Promise<Figures> {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let peak = before;
  const asked: number[] = [];
  const together: number[] = [];
  const alone: number[] = [];
  const all = Promise.withResolvers<void>();
  let next: () => void = () => undefined;
  const start = performance.now();
  for (let first = 0; first < JOBS; first += BATCH) {
    const indices = Array.from({ length: Math.min(BATCH, JOBS - first) }, (_, index) => first + index);
    for (const index of indices) asked[index] = performance.now();
    await contender.enqueue(indices);
  }
  const queued = performance.now();
  const cpuBefore = process.cpuUsage();
  const redisBefore = (await contender.redisCpu?.()) ?? 0;
  await contender.start((index) => {
    const latency = performance.now() - (asked[index] ?? 0);
    (index < JOBS ? together : alone).push(latency);
    if (together.length % 256 === 0) peak = Math.max(peak, process.memoryUsage.rss());
    if (index >= JOBS) next();
    else if (together.length === JOBS) all.resolve();
  });
  await all.promise;
  const done = performance.now();
  const { user, system } = process.cpuUsage(cpuBefore);
  const redisCpu = ((await contender.redisCpu?.()) ?? 0) - redisBefore;
  for (let index = JOBS; index < JOBS + ALONE; index++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    next = resolve;
    asked[index] = performance.now();
    await contender.enqueue([index]);
    await promise;
  }
  await contender.close();
  return {
    name: contender.name,
    enqueue: (queued - start) / 1000,
    run: (done - queued) / 1000,
    cpu: (user + system) / 1000,
    redisCpu,
    together,
    alone,
    memory: (peak - before) / (1 << 20),
  };
}

function plainPQueue(): Contender {
  const queue = new PQueue({ concurrency: SLOTS, autoStart: false });
  let told: (index: number) => void = () => undefined;
  return {
    name: 'plain p-queue',
    async enqueue(indices) {
      for (const index of indices) void queue.add(async () => told(index));
    },
    async start(ended) {
      told = ended;
      queue.start();
    },
    close: () => queue.onIdle(),
  };
}

const REQUEST: Omit<JobRequest, 'key' | 'recipe'> = {
  variants: ['a'],
  spec: {
    references: ['sample:ne2k'],
    mirrors: [],
    substitutes: [],
    publish: false,
    channel: null,
    rebuild: false,
    requireGates: false,
    reason: null,
    by: 'bench',
    compare: false,
    workshop: { sandbox: 'off', ccache: { use: 'off', size: '1G', remote: '' }, clean: false },
    epoch: 0,
  },
  priority: 0,
  labels: {},
  attempts: 1,
};

async function submit(ledger: Ledger, indices: readonly number[]): Promise<void> {
  ledger.submit(indices.map((index) => ({ ...REQUEST, key: String(index), recipe: String(index) })));
  // Others of this process get their turn.
  await new Promise((done) => setImmediate(done));
}

function crew(hand: Hand, onEnded: (job: Job) => void) {
  const leave = new AbortController();
  const runner = new Runner({
    hand,
    slots: SLOTS,
    execute: async () => ({ type: 'done', why: 'nothing to do', results: [] }),
    leave: leave.signal,
    graceMs: 60_000,
    onEnded,
  });
  const running = runner.run();
  return async () => {
    leave.abort();
    await running;
  };
}

function embedded(directory: string): Contender {
  const ledger = new Ledger(join(directory, 'embedded.db'));
  let stop: () => Promise<void> = async () => undefined;
  return {
    name: 'Kiln, one machine',
    enqueue: (indices) => submit(ledger, indices),
    async start(ended) {
      stop = crew(new EmbeddedHand(ledger), ({ recipe }) => ended(Number(recipe)));
    },
    async close() {
      await stop();
      ledger.close();
    },
  };
}

async function plainBullmq(url: string): Promise<Contender> {
  const connection = await connectRedis(url);
  const queue = new Queue('plain', { connection });
  let worker: Worker | undefined;
  return {
    name: 'plain BullMQ',
    async enqueue(indices) {
      const opts = { priority: 1000 };
      await queue.addBulk(indices.map((index) => ({ name: 'job', data: { ...REQUEST, index }, opts })));
    },
    async start(ended) {
      worker = new Worker('plain', async () => undefined, { connection, concurrency: SLOTS });
      worker.on('completed', (job) => ended(job.data.index));
    },
    redisCpu: () => cpuOf(connection),
    async close() {
      await worker?.close();
      await queue.close();
      connection.disconnect();
    },
  };
}

/** A job has ended when the coordinator's record says so, not when its worker does. */
async function fleet(directory: string, url: string): Promise<Contender> {
  const ledger = new Ledger(join(directory, 'fleet.db'));
  const [own, other] = [await connectRedis(url), await connectRedis(url)];
  const stop = new AbortController();
  const dispatching = new Dispatcher({ ledger, redis: own }).run(stop.signal);
  const hand = await BullmqHand.open({ redis: other });
  let leave: () => Promise<void> = async () => undefined;
  let following: Promise<unknown> = Promise.resolve();
  return {
    name: 'Kiln, by way of Redis',
    enqueue: (indices) => submit(ledger, indices),
    async start(ended) {
      const { cursor } = ledger;
      leave = crew(hand, () => undefined);
      following = followEnds(ledger, cursor, stop.signal, ended);
    },
    redisCpu: () => cpuOf(other),
    async close() {
      await leave();
      stop.abort();
      await Promise.all([dispatching, following]);
      await hand.close();
      for (const connection of [own, other]) connection.disconnect();
      ledger.close();
    },
  };
}

/** Milliseconds of processor time that Redis says it has taken. */
async function cpuOf(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const seconds = ['used_cpu_sys', 'used_cpu_user'].map((name) =>
    Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]),
  );
  return 1000 * seconds.reduce((sum, each) => sum + each, 0);
}

async function followEnds(
  ledger: Ledger,
  after: number,
  signal: AbortSignal,
  ended: (index: number) => void,
): Promise<void> {
  let cursor = after;
  while (!signal.aborted) {
    const events = ledger.events(cursor);
    for (const { job, news, cursor: at } of events) {
      cursor = at;
      if (news.type === 'settled' && job !== null) ended(Number(ledger.job(job).recipe));
    }
    if (events.length === 0) await ledger.changed(cursor, signal).catch(() => undefined);
  }
}

async function startRedis(directory: string) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'yes',
    '--dir',
    directory,
  ];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes('Ready to accept connections')) break;
  }
  child.stdout.resume();
  return { child, url: `redis://127.0.0.1:${port}` };
}
