import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { chooseVariants } from '../../src/pipeline/recipes.ts';
import { isSettled, type JobRequest } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { MAX_LOST } from '../../src/queue/machine.ts';
import { type BuildWish, requestFor } from '../../src/queue/request.ts';
import { buildJson, freshDirectory, kiln, processesWith } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';
import { Fleet } from './fleet.ts';
import { SPEC } from './requests.ts';

/**
 * `kill -9` of coordinator, workers and Redis at random moments while jobs of the sample kernel run. A few jobs each
 * time; $KILN_FAULT_JOBS says how many (docs/fleet.md has what came of 200 on 3 workers), $KILN_FAULT_SEED when.
 */
const JOBS = Number(process.env.KILN_FAULT_JOBS ?? 4);
const WORKERS = JOBS >= 20 ? 3 : 2;
const SEED = Number(process.env.KILN_FAULT_SEED ?? 20030825);

let fleet: Fleet | undefined;
afterEach(() => fleet?.stop());

/** Numbers from 0 to 1 that a seed gives again (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One in ten can't be built: it has to fail, once. */
function isBroken(recipe: string): boolean {
  return Number(recipe.slice('job'.length)) % 10 === 9;
}

/** Jobs that differ in their name and their configuration, so that each is compiled. */
async function jobsOf(count: number): Promise<JobRequest[]> {
  const template = writeRecipe({ more: 'gates: [audit, verify]' });
  const text = readFileSync(template, 'utf8');
  const requests: JobRequest[] = [];
  for (let index = 0; index < count; index++) {
    const name = `job${index}`;
    const symbol = isBroken(name) ? 'CONFIG_NOT_HERE=y' : `CONFIG_BLK_DEV_RAM_SIZE=${4096 + index}`;
    writeFileSync(join(dirname(template), `${name}.config`), `CONFIG_BLK_DEV_RAM=y\n${symbol}\n`);
    const file = join(dirname(template), `${name}.yaml`);
    writeFileSync(
      file,
      text
        .replace('name: own', `name: ${name}`)
        .replace('own/{variant}', `${name}/{variant}`)
        .replace('a: {}', `a: {fragments: [${name}.config]}`),
    );
    const [chosen] = await chooseVariants([file]);
    if (chosen === undefined) throw new Error('no recipe');
    requests.push(await requestFor(chosen, WISH));
  }
  return requests;
}

const WISH: BuildWish = {
  sources: { mirrors: [], substitutes: new Map() },
  publish: true,
  channel: undefined,
  rebuild: false,
  compare: false,
  workshop: SPEC.workshop,
  requireGates: false,
  reason: undefined,
  priority: 0,
  attempts: 5,
  labels: {},
};

describe('kill -9 of coordinator, workers and Redis', () => {
  it('at random moments: every job ends once, published or failed, and as a clean build has it', async () => {
    fleet = await Fleet.start(WORKERS, undefined, 3);
    const requests = await jobsOf(JOBS);
    const ledger = new Ledger(join(fleet.home, 'state.db'));
    ledger.submit(requests);
    const killed = await killWhileTheyRun(fleet, () => ledger.jobs().filter(isSettled).length);
    await ledger.drain(new AbortController().signal);

    for (const job of ledger.jobs()) {
      const ends = ledger.historyOf(job.id).filter(({ news }) => news.type === 'settled');
      expect([job.recipe, job.why, ends.length]).toEqual([job.recipe, expect.anything(), 1]);
      // One that was in the hands of that many who were killed is not given to another.
      if (isBroken(job.recipe) || job.lost > MAX_LOST) expect(job.state, job.why ?? '').toBe('failed');
      else expect(job.results.a, job.why ?? '').toMatchObject({ status: 'published', generation: 1 });
    }
    const lost = ledger.jobs().reduce((sum, job) => sum + job.lost, 0);
    process.stderr.write(
      `${JOBS} jobs, ${WORKERS} workers, seed ${SEED}; killed: ${JSON.stringify(killed)}; `,
    );
    const published = ledger.jobs(['done']).length;
    process.stderr.write(`published: ${published}; deliveries lost with their worker: ${lost}\n`);

    expect((await kiln(['verify', '--home', fleet.home])).code).toBe(0);
    await compareWithClean(ledger, fleet.home, requests);
    ledger.close();
    const { home, workers } = fleet;
    await fleet.stop();
    // A worker that thought it had lost its job may have been at work still: what it ran has to clear away.
    await vi.waitFor(
      () => {
        for (const place of [home, ...workers]) {
          expect(processesWith(join(place, 'cache/'))).toEqual([]);
          expect(mountsOfAll()).not.toContain(place);
        }
      },
      { timeout: 120_000, interval: 500 },
    );
  }, 14_400_000);
});

/** Kills one or the other and starts it again until nearly all jobs have ended. @returns how often each was killed */
async function killWhileTheyRun(running: Fleet, settled: () => number): Promise<Record<string, number>> {
  const next = random(SEED);
  const killed: Record<string, number> = {};
  const workers = running.workers.map((_home, index) => `worker ${index}`);
  const victims = ['coordinator', 'redis', ...workers];
  for (let kills = 0; kills < 2 * JOBS; kills++) {
    // The randomness is the point here: what is between two kills is some real time, not a wait for anything.
    await pause(300 + 6000 * next());
    // The last jobs are left in peace, or nothing would ever be known to end.
    if (settled() >= JOBS - 1) break;
    const victim = victims[Math.floor(next() * victims.length)] ?? 'redis';
    killed[victim] = (killed[victim] ?? 0) + 1;
    if (victim === 'redis') {
      await running.redis.kill();
      await running.redis.start();
    } else {
      await running.kill(victim);
      if (victim === 'coordinator') await running.startCoordinator();
      else await running.startWorker(workers.indexOf(victim));
    }
  }
  return killed;
}

/** What is mounted for any process of this machine. */
function mountsOfAll(): string {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return processes
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/mountinfo`, 'utf8');
      } catch {
        return '';
      }
    })
    .join('');
}

/** Builds the recipes anew in a home where nothing was killed, and compares every file's digest. */
async function compareWithClean(
  ledger: Ledger,
  home: string,
  requests: readonly JobRequest[],
): Promise<void> {
  const clean = freshDirectory('clean');
  const published = new Map(
    ledger
      .jobs()
      .flatMap(({ recipe, state, results }) => (state === 'done' ? [[recipe, results.a?.bundle]] : [])),
  );
  const references = requests
    .filter(({ recipe }) => published.has(recipe))
    .flatMap(({ spec }) => spec.references);
  const { ran, jobs } = await buildJson([...references, '--rebuild', '--no-publish', '--home', clean]);
  expect(ran.code, ran.stderr).toBe(0);
  for (const { recipe, bundle } of jobs) {
    expect([recipe, bundle]).toEqual([recipe, published.get(recipe)]);
    const manifest = `bundles/${recipe}/a/${bundle}/manifest.json`;
    expect(readFileSync(join(home, manifest), 'utf8')).toBe(readFileSync(join(clean, manifest), 'utf8'));
  }
}
