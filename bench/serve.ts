import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { publishFigures } from './figures.ts';

const KILN = resolve(import.meta.dirname, '../kiln');
const STREAMS = 200;
const READS_PER_SECOND = 50;
/** Each round builds once with clients and once without. */
const ROUNDS = Number(process.env.KILN_BENCH_ROUNDS ?? 3);
/** As the page reads: lists and states, small and large. */
const READS = ['/matrix', '/jobs', '/queue', '/channels', '/bundles', '/recipes', '/health', '/metrics'];

/** What is built, two jobs at once. */
interface Work {
  readonly name: string;
  readonly jobs: readonly (readonly string[])[];
}

interface Load {
  readonly latencies: number[];
  failures: number;
  streamed: number;
  stop(): void;
}

/** With how long it went on. */
interface DoneLoad extends Load {
  readonly seconds: number;
}

/**
 * Builds two kernels at once with `kiln serve`, with 200 clients on its event stream and 50 reads a second, and
 * without, in turns. Clients run on the same machine and would be elsewhere: they get what nobody else wants of it
 * (SCHED_IDLE), and what they take all the same is in the seconds but not in the processor time, which is that of
 * the server and of everything that it starts.
 */
export async function bench(): Promise<void> {
  const work = whatToBuild();
  const home = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const server = await startServer(home);
  await yieldToOthers();
  const took: Took = { alone: [], watched: [] };
  const loads: DoneLoad[] = [];
  try {
    // The first time fetches and unpacks.
    await build(server, work);
    for (let round = 0; round < ROUNDS; round += 1) {
      // In turns, so that what changes on the machine meanwhile counts for both.
      for (const watched of round % 2 === 0 ? [false, true] : [true, false]) {
        const load = watched ? await startLoad(server.url) : undefined;
        const before = processorTime(server);
        const seconds = await build(server, work);
        const after = processorTime(server);
        load?.stop();
        if (load !== undefined) loads.push({ ...load, seconds });
        const [own, builds] = [after.own - before.own, after.builds - before.builds];
        took[watched ? 'watched' : 'alone'].push({ seconds, own, builds, all: own + builds });
        const name = watched ? 'watched' : 'alone  ';
        process.stdout.write(
          `${name} ${seconds.toFixed(1)} s; processor time: server ${own.toFixed(2)} s, builds ${builds.toFixed(1)} s\n`,
        );
      }
    }
  } finally {
    server.child.kill('SIGTERM');
    server.child.kill('SIGTERM');
    await once(server.child, 'exit');
    await rm(home, { recursive: true, force: true });
  }
  report(work, took, loads);
}

interface Build {
  /** From the submission to the end of both. */
  readonly seconds: number;
  /** Processor time of the server itself, in seconds. */
  readonly own: number;
  /** That of all that it started and that has ended since. */
  readonly builds: number;
  readonly all: number;
}

interface Took {
  readonly alone: Build[];
  readonly watched: Build[];
}

function report(work: Work, took: Took, loads: readonly DoneLoad[]): void {
  const middle = (builds: readonly Build[], what: keyof Build) => median(builds.map((one) => one[what]));
  const row = (title: string, what: keyof Build, digits: number) => {
    const [alone, watched] = [middle(took.alone, what), middle(took.watched, what)];
    const cells = [alone, watched].map((seconds) => `${seconds.toFixed(digits)} s`);
    return [title, ...cells, what === 'own' ? '' : (watched / alone).toFixed(3)];
  };
  const more = middle(took.watched, 'own') - middle(took.alone, 'own');
  const cores = availableParallelism();
  const asked = loads.reduce((sum, load) => sum + load.latencies.length / load.seconds, 0) / loads.length;
  const latencies = loads.flatMap((load) => load.latencies).sort((a, b) => a - b);
  const at = (part: number) => `${(latencies[Math.floor(part * (latencies.length - 1))] ?? 0).toFixed(1)} ms`;
  const failures = loads.reduce((sum, load) => sum + load.failures, 0);
  const streamed = loads.reduce((sum, load) => sum + load.streamed, 0);
  const rows = [
    ['', 'alone', `${STREAMS} streams and ${READS_PER_SECOND} reads/s`, 'ratio'],
    row('two builds, from first to last', 'seconds', 1),
    row('processor time of server and builds', 'all', 1),
    row('of that, of the server', 'own', 2),
    ['clients: server, of builds', '', percent(more / middle(took.alone, 'builds')), ''],
    ['clients: server, of the machine', '', percent(more / middle(took.watched, 'seconds') / cores), ''],
    ['reads: p50, p99', '', `${at(0.5)}, ${at(0.99)}`, ''],
    ['reads: done, in a second, failed', '', `${latencies.length}, ${asked.toFixed(1)}, ${failures}`, ''],
    ['sent on streams', '', `${(streamed / 2 ** 20).toFixed(1)} MiB`, ''],
  ];
  for (const row of rows)
    process.stdout.write(
      `${row
        .map((cell) => cell.padEnd(38))
        .join('')
        .trimEnd()}\n`,
    );
  if (ROUNDS >= 3) {
    publishFigures('serve', `Clients of kiln serve, while it builds ${work.name} at once`, rows);
  }
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

/** Real kernels where there are tarballs of them. */
function whatToBuild(): Work {
  const mirror = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
  const kernels = ['2.4.37.11', '2.4.22'].map((version) => ({
    recipe: `linux-${version}`,
    tarball: join(mirror, `linux-${version}.tar`),
  }));
  if (kernels.every(({ tarball }) => existsSync(tarball))) {
    const jobs = kernels.map(({ recipe, tarball }) => [`${recipe}:rtl8139`, '--source', `kernel=${tarball}`]);
    return { name: 'linux-2.4.37.11 and linux-2.4.22', jobs };
  }
  process.stdout.write(
    `no linux-2.4.37.11.tar and linux-2.4.22.tar in ${mirror}: the sample is built instead\n`,
  );
  return { name: 'sample and sample-openmosix', jobs: [['sample'], ['sample-openmosix']] };
}

interface Serving {
  readonly child: ChildProcess;
  readonly home: string;
  readonly url: string;
  /** Of a builder. */
  readonly token: string;
}

async function startServer(home: string): Promise<Serving> {
  const token = (await kiln(['token', 'add', '--role', 'builder', '--home', home])).trim();
  const args = ['serve', '--listen', '127.0.0.1:0', '--jobs', '2', '--no-watch', '--home', home];
  const child = spawn(KILN, args, {
    env: { ...process.env, KILN_CCACHE: 'off' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface({ input: child.stderr })) {
    const url = /^serving .* on (http\S+)$/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stderr.resume();
    return { child, home, url, token };
  }
  throw new Error('kiln serve ended');
}

/** utime and stime, cutime and cstime of proc(5), in seconds: a hundred ticks each. */
function processorTime({ child }: Serving): { readonly own: number; readonly builds: number } {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const [, ...fields] = stat.slice(stat.lastIndexOf(')') + 1).split(' ');
  const [own = 0, ownSystem = 0, children = 0, childrenSystem = 0] = fields.slice(11, 15).map(Number);
  return { own: (own + ownSystem) / 100, builds: (children + childrenSystem) / 100 };
}

/** This process, with all its threads, runs when nobody else wants to. What it has started keeps its priority. */
async function yieldToOthers(): Promise<void> {
  await promisify(execFile)('chrt', ['--all-tasks', '--idle', '--pid', '0', String(process.pid)]);
}

/** Seconds from the moment that the queue starts the jobs, all at once, until the last has ended. */
async function build({ home, url, token }: Serving, { jobs }: Work): Promise<number> {
  const ids: string[] = [];
  const steer = async (verb: 'pause' | 'resume') => {
    const headers = { authorization: `Bearer ${token}` };
    const { ok } = await fetch(`${url}/api/v1/queue/${verb}`, { method: 'POST', headers });
    if (!ok) throw new Error(`the queue does not ${verb}`);
  };
  await steer('pause');
  for (const job of jobs) {
    const added = await kiln(['queue', 'add', ...job, '--rebuild', '--no-publish', '--home', home]);
    ids.push(...(added.match(/^j[0-9a-f]{10}/gm) ?? []));
  }
  const start = Date.now();
  await steer('resume');
  for (;;) {
    const own = await Promise.all(ids.map(async (id) => jobOf(await fetch(`${url}/api/v1/jobs/${id}`))));
    const bad = own.find(({ state }) => state === 'failed' || state === 'cancelled');
    if (bad !== undefined) throw new Error(`job ${bad.id}: ${bad.why}`);
    if (own.every(({ state }) => state === 'done')) {
      const ended = own.map((job) => Date.parse(job.ended ?? ''));
      return (Math.max(...ended) - start) / 1000;
    }
    await pause(250);
  }
}

interface JobDocument {
  readonly id: string;
  readonly state: string;
  readonly why: string | null;
  readonly ended: string | null;
}

async function jobOf(response: Response): Promise<JobDocument> {
  return (await response.json()) as JobDocument;
}

async function kiln(args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(KILN, args, { encoding: 'utf8' })).stdout;
}

/** Clients at work, until they are stopped. */
async function startLoad(url: string): Promise<Load> {
  const stop = new AbortController();
  const { signal } = stop;
  const load: Load = { latencies: [], failures: 0, streamed: 0, stop: () => stop.abort() };
  await Promise.all(Array.from({ length: STREAMS }, () => listen(`${url}/api/v1/events`, load, signal)));
  const agent = new Agent({ keepAlive: true, maxSockets: 20 });
  const start = performance.now();
  let count = 0;
  // Who comes late because others wanted the processor makes up for it: as many are asked as were said.
  const timer = setInterval(() => {
    const due = ((performance.now() - start) / 1000) * READS_PER_SECOND;
    for (; count < due; count += 1) {
      read(`${url}/api/v1${READS[count % READS.length]}`, agent, load, signal);
    }
  }, 1000 / READS_PER_SECOND);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    agent.destroy();
  });
  return load;
}

async function listen(url: string, load: Load, signal: AbortSignal): Promise<void> {
  const request = get(url, { agent: false, signal });
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream];
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  response.on('data', (chunk: Buffer) => {
    load.streamed += chunk.length;
  });
}

function read(url: string, agent: Agent, load: Load, signal: AbortSignal): void {
  const start = performance.now();
  const request = get(url, { agent, signal }, (response) => {
    response.on('error', () => undefined);
    response.resume().on('end', () => {
      if (response.statusCode === 200) load.latencies.push(performance.now() - start);
      else load.failures += 1;
    });
  });
  request.on('error', () => {
    if (!signal.aborted) load.failures += 1;
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}
