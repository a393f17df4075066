import { createInterface } from 'node:readline';
import type { WorkerJob, WorkerMessage } from '../src/pipeline/jobs.ts';
import { chooseVariants } from '../src/pipeline/recipes.ts';
import { build } from '../src/pipeline/run.ts';
import { KilnError } from '../src/platform/errors.ts';
import { homeAt } from '../src/platform/home.ts';

/**
 * Runs one job: a line of JSON on standard input (`WorkerJob`), lines of JSON on standard output
 * (`WorkerMessage`). Stops on SIGTERM, on SIGINT, and when its standard input closes, which it does when whoever
 * started it has died.
 */

const stopping = new AbortController();
const stop = (kind: 'interrupted' | 'terminated') => stopping.abort(new KilnError(kind, kind));
process.on('SIGINT', () => stop('interrupted'));
process.on('SIGTERM', () => stop('terminated'));

function say(message: WorkerMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function run(job: WorkerJob): Promise<void> {
  const results = await build({
    home: homeAt(job.home),
    chosen: await chooseVariants(job.references),
    sources: { mirrors: job.mirrors, substitutes: new Map(job.substitutes) },
    jobs: job.jobs,
    publish: job.publish,
    channel: job.channel ?? undefined,
    rebuild: job.rebuild,
    requireGates: job.requireGates,
    reason: job.reason ?? undefined,
    signal: stopping.signal,
    sink: (event) => say({ type: 'event', event }),
  });
  say({ type: 'results', results });
}

const input = createInterface({ input: process.stdin });
input.once('line', (line) => {
  run(JSON.parse(line) as WorkerJob)
    .catch((error: unknown) => {
      if (!(error instanceof KilnError)) throw error;
      const { kind, message, hint, place, lines } = error;
      const details = {
        lines,
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
