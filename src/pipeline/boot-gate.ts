import type PQueue from 'p-queue';
import type { Manifest, StoredBundle } from '../bundle/index.ts';
import type { Home } from '../platform/home.ts';
import type { Variant } from '../recipe/variants.ts';
import { bootOnEach, cardsOf, gatesOf, judge, noteLaterGate, requireGates } from './gates.ts';
import type { Reporter } from './report.ts';
import { bootInStaging } from './staging.ts';

/** What the boot gate needs to know. */
export interface GateJob {
  readonly home: Home;
  readonly variant: Variant;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly requireGates: boolean;
  /** Machines that boot at the same time are limited by this. */
  readonly gates: PQueue;
}

/** Boots the bundle as a step with its own place in the log. */
export function gateStep(job: GateJob, bundle: StoredBundle) {
  return job.gates.add(() => bootGate(job, bundle));
}

async function bootGate(job: GateJob, bundle: StoredBundle) {
  const { reporter, variant, home, signal } = job;
  const cards = cardsOf(bundle.manifest);
  const bootOn = async (nic: string) => {
    const consoleLog = reporter.log.replace(/\.log$/, cards.length === 1 ? '.console' : `.${nic}.console`);
    if (cards.length > 1) reporter.write(`## ${nic}`);
    const options = {
      home,
      consoleLog,
      timeoutSeconds: variant.boot.timeout,
      memoryMiB: variant.boot.memory,
      signal,
      onLine: (line: string) => {
        reporter.write(line);
        reporter.progress('gate', cards.length === 1 ? line : `${nic}: ${line}`);
      },
    };
    return judge(await bootInStaging(bundle, options, { nic }), nic, consoleLog);
  };
  const outcome = await reporter.step('gate', async () => {
    const record = await bootOnEach(cards, bootOn);
    return {
      record,
      detail: record.status === 'passed' ? `booted, ${record.detail}` : `skipped: ${record.reason}`,
    };
  });
  if (outcome.record.status === 'skipped') reporter.skipped('gate', outcome.record.reason);
  return outcome.record;
}

/** A stored bundle whose boot gate was skipped is booted as soon as the machine can. */
export async function settleGates(job: GateJob, bundle: StoredBundle): Promise<Manifest['gates']> {
  const gates = await gatesOf(job.home, bundle.manifest);
  if (gates.boot?.status !== 'skipped') return gates;
  const record = await gateStep(job, bundle);
  if (record.status === 'passed') await noteLaterGate(job.home, bundle.manifest, 'boot', record);
  const settled = { ...gates, boot: record };
  if (job.requireGates) requireGates(settled);
  return settled;
}
