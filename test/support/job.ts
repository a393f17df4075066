import type { WorkerJob } from '../../src/pipeline/jobs.ts';

/** A job as a build process takes it: one variant at a time, nothing published, nothing of the machine's own. */
export function workerJob(home: string, ...references: string[]): WorkerJob {
  return {
    home,
    references,
    mirrors: [],
    substitutes: [],
    jobs: 1,
    publish: false,
    channel: null,
    rebuild: false,
    compare: false,
    requireGates: false,
    workshop: { sandbox: 'auto', ccache: { use: 'off', size: '1G', remote: '' }, clean: false },
    reason: null,
    by: 'somebody',
    pool: null,
    epoch: 0,
  };
}
