import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Queue, Worker } from 'bullmq';
import PQueue from 'p-queue';
import { findCommand } from '../src/platform/hosttools.ts';
import { BullmqHand } from '../src/queue/bullmq.ts';
import { Dispatcher } from '../src/queue/dispatcher.ts';
import { EmbeddedHand } from '../src/queue/embedded.ts';
import type { JobRequest } from '../src/queue/job.ts';
import { Ledger } from '../src/queue/ledger.ts';
import type { Hand } from '../src/queue/queue.ts';
import { connectRedis } from '../src/queue/redis.ts';
import { Runner } from '../src/queue/runner.ts';

const JOBS = Number(process.env.KILN_BENCH_JOBS ?? 10_000);
const SLOTS = 16;

interface Figures {
  readonly name: string;
  /** Seconds until all were queued, and until all were run. */
  readonly enqueue: number;
  readonly run: number;
  /** Milliseconds from one end of a job to the next: how long a free slot waits. */
  readonly gaps: readonly number[];
  /** MiB of resident memory that it took at most. */
  readonly memory: number;
}

/**
 * Enqueues and runs jobs that do nothing, on both adapters and on what they are made of. Kiln's own keep a durable
 * record of each job, which plain p-queue does not at all and plain BullMQ only as far as Redis does.
 */
export async function bench(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const figures = [await plainPQueue(), await embedded(directory)];
  if ((await findCommand('redis-server')) === undefined) {
    process.stdout.write('skipped: Redis (apt-get install redis-server)\n');
  } else {
    const redis = await startRedis(directory);
    figures.push(await plainBullmq(redis.url), await fleet(directory, redis.url));
    redis.child.kill('SIGKILL');
  }
  await rm(directory, { recursive: true });
  process.stdout.write(`${JOBS} jobs that do nothing, ${SLOTS} slots\n`);
  for (const each of figures) process.stdout.write(`${describe(each)}\n`);
}

function describe({ name, enqueue, run, gaps, memory }: Figures): string {
  const sorted = [...gaps].sort((a, b) => a - b);
  const at = (part: number) => (sorted[Math.floor(part * (sorted.length - 1))] ?? 0).toFixed(2);
  const rate = (seconds: number) => Math.round(JOBS / seconds);
  return `${name.padEnd(22)} enqueue ${rate(enqueue)}/s, run ${rate(run)}/s, between ends p50 ${at(0.5)} ms p99 ${at(0.99)} ms, ${Math.round(memory)} MiB`;
}

/** Times `enqueue`, then `run`, which calls back at the end of each job. */
async function measure(
  name: string,
  enqueue: () => Promise<void>,
  run: (ended: () => void) => Promise<void>,
): Promise<Figures> {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let peak = before;
  const start = performance.now();
  await enqueue();
  const queued = performance.now();
  const gaps: number[] = [];
  let last = queued;
  await run(() => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    if (gaps.length % 256 === 0) peak = Math.max(peak, process.memoryUsage.rss());
  });
  const done = performance.now();
  if (gaps.length !== JOBS) throw new Error(`${name} ran ${gaps.length} jobs`);
  return {
    name,
    enqueue: (queued - start) / 1000,
    run: (done - queued) / 1000,
    gaps,
    memory: (peak - before) / (1 << 20),
  };
}

async function plainPQueue(): Promise<Figures> {
  const queue = new PQueue({ concurrency: SLOTS, autoStart: false });
  let told: () => void = () => undefined;
  return measure(
    'plain p-queue',
    async () => {
      for (let index = 0; index < JOBS; index++) void queue.add(async () => told());
    },
    async (ended) => {
      told = ended;
      queue.start();
      await queue.onIdle();
    },
  );
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

/** One job at a time, as people submit them: each is on the disk before the next. */
async function submitAll(ledger: Ledger): Promise<void> {
  for (let index = 0; index < JOBS; index++) {
    ledger.submit([{ ...REQUEST, key: String(index), recipe: `r${index}` }]);
    // Others of this process get their turn.
    if (index % 64 === 0) await new Promise((done) => setImmediate(done));
  }
}

async function runAll(hand: Hand, ended: () => void): Promise<void> {
  const leave = new AbortController();
  let count = 0;
  const runner = new Runner({
    hand,
    slots: SLOTS,
    execute: async () => ({ type: 'done', why: 'nothing to do', results: [] }),
    leave: leave.signal,
    graceMs: 60_000,
    onEnded: () => {
      ended();
      count += 1;
      if (count === JOBS) leave.abort();
    },
  });
  await runner.run();
}

async function embedded(directory: string): Promise<Figures> {
  const ledger = new Ledger(join(directory, 'embedded.db'));
  const figures = await measure(
    'Kiln, one machine',
    () => submitAll(ledger),
    (ended) => runAll(new EmbeddedHand(ledger), ended),
  );
  ledger.close();
  return figures;
}

async function plainBullmq(url: string): Promise<Figures> {
  const connection = await connectRedis(url);
  const queue = new Queue('plain', { connection });
  const figures = await measure(
    'plain BullMQ',
    async () => {
      for (let index = 0; index < JOBS; index++) await queue.add('job', REQUEST, { priority: 1000 });
    },
    async (ended) => {
      const all = Promise.withResolvers<void>();
      let count = 0;
      const worker = new Worker(
        'plain',
        async () => {
          ended();
          count += 1;
          if (count === JOBS) all.resolve();
        },
        { connection, concurrency: SLOTS },
      );
      await all.promise;
      await worker.close();
    },
  );
  await queue.close();
  connection.disconnect();
  return figures;
}

async function fleet(directory: string, url: string): Promise<Figures> {
  const ledger = new Ledger(join(directory, 'fleet.db'));
  const [own, worker] = [await connectRedis(url), await connectRedis(url)];
  const stop = new AbortController();
  const dispatcher = new Dispatcher({ ledger, redis: own });
  const running = dispatcher.run(stop.signal);
  const hand = await BullmqHand.open({ redis: worker });
  const figures = await measure(
    'Kiln, by way of Redis',
    () => submitAll(ledger),
    async (ended) => {
      await runAll(hand, ended);
      await ledger.drain(stop.signal);
    },
  );
  stop.abort();
  await running;
  await hand.close();
  for (const connection of [own, worker]) connection.disconnect();
  ledger.close();
  return figures;
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
