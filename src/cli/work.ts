import type { Job, Lease, Outcome } from '../queue/job.ts';
import { note } from './output.ts';

/** What `kiln serve` and `kiln worker` say when they take a job. */
export function noteTaken({ job }: Lease): void {
  note(`${job.id}: started: ${job.recipe} (${job.variants.join(', ')})`);
}

/** What they say when an attempt has ended. */
export function noteEnded(job: Job, outcome: Outcome, used: boolean): void {
  note(`${job.id}: ${outcome.type}: ${outcome.why}${used ? '' : ' (not used: another worker has it)'}`);
}

/** What they say when they are told to stop. */
export function noteLeaving(running: number, graceSeconds: number): void {
  note(running === 0 ? 'stopping' : `stopping: ${running} running, given ${graceSeconds} s to finish`);
}
