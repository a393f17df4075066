import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { WorkerJob, WorkerMessage } from '../src/pipeline/jobs.ts';
import { KilnError } from '../src/platform/errors.ts';

/**
 * Runs one job: a line of JSON on standard input (`WorkerJob`), lines of JSON on standard output
 * (`WorkerMessage`). Stops on SIGTERM, on SIGINT, and when its standard input closes, which it does when whoever
 * started it has died.
 */

const stopping = new AbortController();
const stop = (kind: 'interrupted' | 'terminated') => stopping.abort(new KilnError(kind, kind));
process.on('SIGINT', () => stop('interrupted'));
process.on('SIGTERM', () => stop('terminated'));
// Whoever started this has died: what is under way is stopped and cleared away, and there is nobody to tell.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop('terminated'));

function say(message: WorkerMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

// Loaded by way of V8's cache, as the command line's sources are; while whoever started this still looks what is to do.
enableCompileCache(join(import.meta.dirname, '../node_modules/.compile-cache'));
const pipeline = import('../src/pipeline/jobs.ts');
pipeline.catch(() => undefined);

async function run(job: WorkerJob): Promise<void> {
  const { buildHere } = await pipeline;
  process.env.SOURCE_DATE_EPOCH = String(job.epoch);
  const results = await buildHere(job, stopping.signal, (event) => say({ type: 'event', event }));
  say({ type: 'results', results });
}

const input = createInterface({ input: process.stdin });
input.once('line', (line) => {
  run(JSON.parse(line) as WorkerJob)
    .catch((error: unknown) => {
      if (!(error instanceof KilnError)) throw error;
      const { kind, message, hint, place, lines, transient } = error;
      const details = {
        lines,
        transient,
        ...(hint === undefined ? {} : { hint }),
        ...(place === undefined ? {} : { place }),
      };
      say({ type: 'error', kind, message, details });
    })
    .finally(() => {
      // Nothing more is to be heard: an open standard input must not keep the process.
      process.stdin.destroy();
    });
});
input.once('close', () => stop('terminated'));
