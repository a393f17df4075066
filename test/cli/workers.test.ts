import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { WORKER } from '../../src/pipeline/jobs.ts';
import { workerJob } from '../support/job.ts';
import { buildJson, freshDirectory, kiln, processesWith, startKiln } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

/** Another recipe of the sample kernel, under a name of its own. */
function named(name: string, fragment = 'CONFIG_NE2K_PCI=y\n'): string {
  const file = writeRecipe({ fragment });
  writeFileSync(
    file,
    readFileSync(file, 'utf8')
      .replace('name: own', `name: ${name}`)
      .replace('own/{variant}', `${name}/{variant}`),
  );
  return file;
}

describe('several recipes at once', () => {
  it('are built by a worker each; one that fails leaves the others alone', async () => {
    const home = freshDirectory('several');
    const bad = named('bad', 'CONFIG_NOT_HERE=y\n');
    const { ran, jobs } = await buildJson([named('good'), bad, '--home', home, '--jobs', '2']);
    expect(ran.code).toBe(1);
    expect(jobs.map(({ recipe, status }) => [recipe, status])).toEqual([
      ['good', 'published'],
      ['bad', 'failed'],
    ]);
    expect(ran.stderr).toMatch(/good:a: published/);
    expect(ran.stderr).toMatch(/CONFIG_NOT_HERE/);
  });

  it('of which one worker is killed: its variants fail, the others are published', async () => {
    const home = freshDirectory('killed-worker');
    const child = startKiln([
      'build',
      named('one'),
      named('two'),
      '--home',
      home,
      '--json',
      '--progress',
      'json',
      '--jobs',
      '2',
    ]);
    // Its exit may be heard of before all that it has printed.
    const closed = once(child, 'close');
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    let killed = false;
    for await (const line of createInterface({ input: child.stderr })) {
      const event = line.startsWith('{')
        ? (JSON.parse(line) as { type: string; variant?: string; log?: string })
        : undefined;
      if (killed || event?.type !== 'started' || event.variant !== 'two:a') continue;
      // The log's name ends in the process that writes it.
      process.kill(Number(/-(\d+)\.log$/.exec(event.log ?? '')?.[1]), 'SIGKILL');
      killed = true;
    }
    expect(await closed).toEqual([1, null]);
    expect(killed).toBe(true);
    const { jobs } = JSON.parse(stdout) as {
      jobs: { recipe: string; status: string; error?: { message: string } }[];
    };
    expect(jobs).toMatchObject([
      { recipe: 'one', status: 'published' },
      {
        recipe: 'two',
        status: 'failed',
        error: { message: expect.stringMatching(/worker process ended.*SIGKILL/) },
      },
    ]);
  });

  it('with faults in a recipe are refused before any is built', async () => {
    const home = freshDirectory('refused');
    const ran = await kiln([
      'build',
      'sample:ne2k',
      named('x', 'no option\n'),
      '--source',
      'nothing=/x',
      '--home',
      home,
    ]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/there is no source nothing/);
  });
});

describe('a worker', () => {
  it('stops, and leaves no process, when whoever started it dies', async () => {
    const home = freshDirectory('orphan');
    const worker = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const job = workerJob(home, 'sample:ne2k');
    worker.stdin.write(`${JSON.stringify(job)}\n`);
    let compiling = false;
    for await (const line of createInterface({ input: worker.stdout })) {
      const message = JSON.parse(line) as {
        type: string;
        event?: { type: string; step?: string };
        results?: { status: string }[];
      };
      if (message.event?.type === 'step-started' && message.event.step === 'compile') {
        compiling = true;
        worker.stdin.destroy();
      }
      if (message.type === 'results') expect(message.results?.[0]?.status).toBe('cancelled');
    }
    expect(compiling).toBe(true);
    expect(processesWith(join(home, 'cache/work'))).toEqual([]);
  });
});
