import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { homedir, setPriority, tmpdir } from 'node:os';
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

/**
 * Builds two kernels at once with `kiln serve`, with 200 clients on its event stream and 50 reads a second, and
 * without. Clients run on the same machine, with the lowest priority: theirs is not the cost that is measured.
 */
export async function bench(): Promise<void> {
  const work = whatToBuild();
  const home = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  const server = await startServer(home);
  // From here on: what the server starts keeps its own.
  setPriority(19);
  const took: Took = { alone: [], watched: [] };
  const loads: Load[] = [];
  try {
    // The first time fetches and unpacks.
    await build(server, work);
    for (let round = 0; round < ROUNDS; round += 1) {
      // In turns, so that what changes on the machine meanwhile counts for both.
      for (const watched of round % 2 === 0 ? [false, true] : [true, false]) {
        const load = watched ? await startLoad(server.url) : undefined;
        const before = ownSeconds(server);
        const seconds = await build(server, work);
        const own = ownSeconds(server) - before;
        load?.stop();
        if (load !== undefined) loads.push(load);
        took[watched ? 'watched' : 'alone'].push({ seconds, own });
        const name = watched ? 'watched' : 'alone  ';
        process.stdout.write(`${name} ${seconds.toFixed(1)} s, the server's own ${own.toFixed(1)} s\n`);
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
  /** Processor time of the server itself, without the builds. */
  readonly own: number;
}

interface Took {
  readonly alone: Build[];
  readonly watched: Build[];
}

function report(work: Work, took: Took, loads: readonly Load[]): void {
  const middle = (builds: readonly Build[], what: keyof Build) => median(builds.map((one) => one[what]));
  const [alone, watched] = [middle(took.alone, 'seconds'), middle(took.watched, 'seconds')];
  const own = [middle(took.alone, 'own'), middle(took.watched, 'own')].map(
    (seconds) => `${seconds.toFixed(1)} s`,
  );
  const latencies = loads.flatMap((load) => load.latencies).sort((a, b) => a - b);
  const at = (part: number) => `${(latencies[Math.floor(part * (latencies.length - 1))] ?? 0).toFixed(1)} ms`;
  const failures = loads.reduce((sum, load) => sum + load.failures, 0);
  const streamed = loads.reduce((sum, load) => sum + load.streamed, 0);
  const rows = [
    ['', 'alone', `${STREAMS} streams and ${READS_PER_SECOND} reads/s`, 'ratio'],
    ['two builds, median', `${alone.toFixed(1)} s`, `${watched.toFixed(1)} s`, (watched / alone).toFixed(3)],
    ['processor time of the server', ...own, ''],
    ['reads: p50, p99', '', `${at(0.5)}, ${at(0.99)}`, ''],
    ['reads: done, failed', '', `${latencies.length}, ${failures}`, ''],
    ['sent on streams', '', `${(streamed / 2 ** 20).toFixed(1)} MiB`, ''],
  ];
  for (const row of rows)
    process.stdout.write(
      `${row
        .map((cell) => cell.padEnd(34))
        .join('')
        .trimEnd()}\n`,
    );
  if (ROUNDS >= 3) {
    publishFigures('serve', `Clients of kiln serve, while it builds ${work.name} at once`, rows);
  }
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
}

async function startServer(home: string): Promise<Serving> {
  const args = ['serve', '--listen', '127.0.0.1:0', '--jobs', '2', '--no-watch', '--home', home];
  const child = spawn(KILN, args, {
    env: { ...process.env, KILN_CCACHE: 'off' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface({ input: child.stderr })) {
    const url = /^serving .* on (http\S+)$/.exec(line)?.[1];
    if (url === undefined) continue;
    child.stderr.resume();
    return { child, home, url };
  }
  throw new Error('kiln serve ended');
}

/** Processor time of the server's process alone: utime and stime of proc(5), of a hundred ticks a second. */
function ownSeconds({ child }: Serving): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const [, ...fields] = stat.slice(stat.lastIndexOf(')') + 1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Seconds from the submission of the jobs until all have ended, as the server has it on record. */
async function build({ home, url }: Serving, { jobs }: Work): Promise<number> {
  const ids: string[] = [];
  for (const job of jobs) {
    const added = await kiln(['queue', 'add', ...job, '--rebuild', '--no-publish', '--home', home]);
    ids.push(...(added.match(/^j[0-9a-f]{10}/gm) ?? []));
  }
  for (;;) {
    const own = await Promise.all(ids.map(async (id) => jobOf(await fetch(`${url}/api/v1/jobs/${id}`))));
    const bad = own.find(({ state }) => state === 'failed' || state === 'cancelled');
    if (bad !== undefined) throw new Error(`job ${bad.id}: ${bad.why}`);
    if (own.every(({ state }) => state === 'done')) {
      const submitted = own.map((job) => Date.parse(job.submitted));
      const ended = own.map((job) => Date.parse(job.ended ?? ''));
      return (Math.max(...ended) - Math.min(...submitted)) / 1000;
    }
    await pause(250);
  }
}

interface JobDocument {
  readonly id: string;
  readonly state: string;
  readonly why: string | null;
  readonly submitted: string;
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
  let count = 0;
  const timer = setInterval(() => {
    const path = READS[count % READS.length];
    count += 1;
    read(`${url}/api/v1${path}`, agent, load, signal);
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
