import { isStillAlive, ownIdentity, type ProcessIdentity } from '../platform/identity.ts';
import { type Job, type Labels, suits } from './job.ts';
import type { Ledger } from './ledger.ts';

/** A worker that takes jobs. */
export interface Connected {
  /** `host/pid`, as the record names who has a job. */
  readonly worker: string;
  readonly labels: Labels;
}

/** In the record: the workers that are connected, and the coordinator that says so. */
const FACT = 'workers';

interface Noted {
  readonly by: ProcessIdentity;
  readonly workers: readonly Connected[];
}

/** How a worker is named: `host/pid`. */
export function workerName({ host, pid }: ProcessIdentity): string {
  return `${host}/${pid}`;
}

/** Notes who is connected, for those who ask the record; it counts for as long as this process lives. */
export function noteWorkers(ledger: Ledger, workers: readonly Connected[]): void {
  const noted: Noted = { by: ownIdentity(), workers };
  const text = JSON.stringify(noted);
  if (ledger.fact(FACT) !== text) ledger.write(() => ledger.setFact(FACT, text));
}

/** The workers that are connected now; none where nobody serves. */
export function connectedWorkers(ledger: Ledger): readonly Connected[] {
  const text = ledger.fact(FACT);
  if (text === undefined) return [];
  const { by, workers } = JSON.parse(text) as Noted;
  return isStillAlive(by) === false ? [] : workers;
}

/**
 * That a waiting job waits for a worker that there is not, as a sentence.
 * @returns `waits for a worker with arch=arm: none is connected`; undefined when it is not that which it waits for
 */
export function missingWorker(job: Job, connected: readonly Connected[]): string | undefined {
  if (job.state !== 'waiting' || connected.some(({ labels }) => suits(job, labels))) return undefined;
  const wanted = Object.keys(job.labels).length === 0 ? '' : ` with ${formatLabels(job.labels)}`;
  return `waits for a worker${wanted}: none is connected`;
}

/** `arch=i386, kvm=no` */
export function formatLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
}
