import type { Job, Lease, Outcome } from '../queue/job.ts';
import type { Log } from '../server/log.ts';

/** Says which jobs a server or a worker takes, and how they end. */
export function jobLog(log: Log) {
  return {
    onTaken({ job, token }: Lease): void {
      const message = `${job.id}: started: ${job.recipe} (${job.variants.join(', ')})`;
      const fields = { job: job.id, recipe: job.recipe, variants: job.variants.join(','), attempt: token };
      log({ level: 'info', event: 'job-started', message, fields });
    },
    onTrouble(message: string): void {
      log({ level: 'warning', event: 'record', message });
    },
    onEnded(job: Job, { type, why }: Outcome, used: boolean): void {
      const message = `${job.id}: ${type}: ${why}${used ? '' : ' (not used: another worker has it)'}`;
      const fields = { job: job.id, recipe: job.recipe, outcome: type, used };
      log({ level: 'info', event: 'job-ended', message, fields });
    },
  };
}

/** Says that a server or a worker was told to stop. */
export function logLeaving(log: Log, running: number, graceSeconds: number): void {
  const message =
    running === 0 ? 'stopping' : `stopping: ${running} running, given ${graceSeconds} s to finish`;
  log({ level: 'info', event: 'stopping', message, fields: { running } });
}
