import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { chooseVariants } from '../../src/pipeline/recipes.ts';
import { isSettled, type JobRequest } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { requestFor } from '../../src/queue/request.ts';
import { buildJson, freshDirectory, kiln, processesWith } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';
import { Fleet } from './fleet.ts';
import { SPEC } from './requests.ts';

/**
 * `kill -9` of coordinator, workers and Redis at random moments while jobs of the sample kernel run. A few jobs each
 * time; $KILN_FAULT_JOBS says how many (the full count is 200, on 3 workers: hours on 2 cores).
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

/** Jobs that differ in their name alone, so that a clean build of one tells what all have to be. */
async function jobsOf(count: number): Promise<JobRequest[]> {
  const template = writeRecipe({ more: 'gates: [audit, verify]' });
  const text = readFileSync(template, 'utf8');
  const requests: JobRequest[] = [];
  for (let index = 0; index < count; index++) {
    const file = join(dirname(template), `job${index}.yaml`);
    // One in ten can't be built: it has to fail, once.
    const broken = index % 10 === 9 ? text.replace('a: {}', 'a: {fragments: [broken.config]}') : text;
    writeFileSync(join(dirname(template), 'broken.config'), 'CONFIG_NOT_HERE=y\n');
    writeFileSync(
      file,
      broken.replace('name: own', `name: job${index}`).replace('own/{variant}', `job${index}/{variant}`),
    );
    const [chosen] = await chooseVariants([file]);
    if (chosen === undefined) throw new Error('no recipe');
    requests.push(
      await requestFor(chosen, {
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
      }),
    );
  }
  return requests;
}

describe('kill -9 of coordinator, workers and Redis', () => {
  it('at random moments: every job ends once, published or failed, and as a clean build has it', async () => {
    const next = random(SEED);
    fleet = await Fleet.start(WORKERS);
    const requests = await jobsOf(JOBS);
    const ledger = new Ledger(join(fleet.home, 'state.db'));
    ledger.submit(requests);
    const killed: Record<string, number> = {};
    const victims = ['coordinator', 'redis', ...fleet.workers.map((_home, index) => `worker ${index}`)];
    const settled = () => ledger.jobs().filter(isSettled).length;
    // The randomness is the point here: what is between two kills is some real time, not a wait for anything.
    for (let kills = 0; kills < 2 * JOBS && settled() < JOBS; kills++) {
      await pause(300 + 6000 * next());
      // The last jobs are left in peace, or nothing would ever be known to end.
      if (settled() >= JOBS - 1) break;
      const victim = victims[Math.floor(next() * victims.length)] ?? 'redis';
      killed[victim] = (killed[victim] ?? 0) + 1;
      if (victim === 'redis') {
        await fleet.redis.kill();
        await fleet.redis.start();
      } else {
        await fleet.kill(victim);
        if (victim === 'coordinator') await fleet.startCoordinator();
        else await fleet.startWorker(Number(victim.slice('worker '.length)));
      }
    }
    await ledger.drain(new AbortController().signal);

    for (const job of ledger.jobs()) {
      const broken = Number(job.recipe.slice('job'.length)) % 10 === 9;
      expect([job.recipe, job.state, job.why]).toEqual([
        job.recipe,
        broken ? 'failed' : 'done',
        expect.anything(),
      ]);
      expect(job.results.a?.status).toBe(broken ? 'failed' : 'published');
      if (!broken) expect(job.results.a?.generation).toBe(1);
      const ends = ledger.historyOf(job.id).filter(({ news }) => news.type === 'settled');
      expect(ends).toHaveLength(1);
    }
    process.stderr.write(`${JOBS} jobs, ${WORKERS} workers; killed: ${JSON.stringify(killed)}\n`);

    expect((await kiln(['verify', '--home', fleet.home])).code).toBe(0);
    await compareWithClean(ledger, fleet.home, requests);
    ledger.close();
    const { home, workers } = fleet;
    await fleet.stop();
    for (const place of [home, ...workers]) {
      expect(processesWith(join(place, 'cache/'))).toEqual([]);
      expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(place);
    }
  }, 7_200_000);
});

/** Builds some of the recipes anew in a home of their own, and compares every byte of the manifests. */
async function compareWithClean(
  ledger: Ledger,
  home: string,
  requests: readonly JobRequest[],
): Promise<void> {
  const clean = freshDirectory('clean');
  const every = Math.max(1, Math.floor(JOBS / 8));
  for (const [index, { recipe, spec }] of requests.entries()) {
    if (index % every !== 0 || index % 10 === 9) continue;
    const [reference = ''] = spec.references;
    const { jobs } = await buildJson([reference, '--no-publish', '--home', clean]);
    const id = ledger.jobs().find((job) => job.recipe === recipe)?.results.a?.bundle;
    expect(jobs[0]?.bundle).toBe(id);
    const path = `bundles/${recipe}/a/${id}/manifest.json`;
    expect(readFileSync(join(home, path), 'utf8')).toBe(readFileSync(join(clean, path), 'utf8'));
  }
}
