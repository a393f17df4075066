import { open } from 'node:fs/promises';
import type { BuildEvent, EventSink } from '../pipeline/events.ts';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { ownIdentity } from '../platform/identity.ts';
import { BullmqHand } from './bullmq.ts';
import { sendBundles } from './delivery.ts';
import type { Exchange } from './exchange.ts';
import { executeIn } from './execute.ts';
import type { Job, Lease, Outcome } from './job.ts';
import { type Parcel, unpackParcel } from './parcel.ts';
import { connectRedis } from './redis.ts';
import { Runner } from './runner.ts';
import { kilnVersion, notOneVersion } from './version.ts';

export interface FleetOptions {
  readonly home: Home;
  readonly redisUrl: string;
  readonly exchange: Exchange;
  readonly slots: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly leave: AbortSignal;
  readonly graceMs: number;
  readonly leaseMs?: number;
  readonly onReady?: () => void;
  /** Told when it begins to leave, with how many jobs run. */
  readonly onLeaving?: (running: number) => void;
  readonly onTaken?: (lease: Lease) => void;
  readonly onTrouble?: (sentence: string) => void;
  readonly onEnded?: (job: Job, outcome: Outcome, used: boolean) => void;
}

/**
 * Takes jobs from Redis until it has to leave, builds each in a process of its own, and sends what came of it to the
 * coordinator.
 * @throws KilnError for a coordinator of another version, at first or later, and for a Redis or store that can't be reached at first
 */
export async function workForFleet(options: FleetOptions): Promise<void> {
  const { home, exchange, labels, leaseMs } = options;
  const version = kilnVersion();
  const coordinator = await exchange.version();
  if (coordinator !== version) throw notOneVersion(coordinator, version);
  const redis = await connectRedis(options.redisUrl);
  const opening = BullmqHand.open({ redis, labels, ...(leaseMs === undefined ? {} : { leaseMs }) });
  const hand = await opening.catch((error: unknown) => {
    redis.disconnect();
    throw error;
  });
  const execute = executeIn({ home: home.root, jobs: 1 });
  const leaving = new AbortController();
  let refused: unknown;
  const runner = new Runner({
    ...options,
    hand,
    leave: AbortSignal.any([options.leave, leaving.signal]),
    async execute(lease, signal, sink) {
      const logs = new LogShipper(exchange, `${lease.job.id}-${lease.token}`, signal);
      const tell: EventSink = (event) => sink(logs.watch(event));
      try {
        const parcel = hand.payloadOf(lease) as unknown as Parcel;
        if (parcel.version !== version) {
          const now = await exchange.version();
          if (now === version) {
            const why = `it was sent by Kiln ${parcel.version}, before the coordinator was of this version`;
            return { type: 'returned', why, results: [] };
          }
          // The coordinator was brought up to date since: the job is for those workers that were as well.
          leaving.abort();
          const why = `worker ${ownIdentity().host} is not of the coordinator's version`;
          refused = notOneVersion(now, version);
          return { type: 'returned', why, results: [] };
        }
        const spec = await unpackParcel(lease.job, parcel, home, exchange, signal);
        const outcome = await execute({ ...lease, job: { ...lease.job, spec } }, signal, tell);
        // What was built and can't be sent any more is nothing that the coordinator could count as built.
        signal.throwIfAborted();
        hand.attach(lease, { bundles: await sendBundles(home, outcome.results, exchange, signal) });
        return outcome;
      } catch (error) {
        if (signal.aborted) return { type: 'returned', why: (signal.reason as Error).message, results: [] };
        if (!(error instanceof KilnError)) throw error;
        const type = error.transient ? 'retryable' : 'permanent';
        return { type, why: error.message, results: [] };
      } finally {
        await logs.end();
      }
    },
  });
  options.leave.addEventListener('abort', () => options.onLeaving?.(runner.running.length));
  options.onReady?.();
  try {
    await runner.run();
  } finally {
    await hand.close();
    redis.disconnect();
  }
  if (refused !== undefined) throw refused;
}

const SHIP_EVERY_MS = 1000;
const CHUNK = 1 << 20;

/** Ships the logs of a job's variants to the coordinator while they grow, as byte ranges. */
class LogShipper {
  readonly #exchange: Exchange;
  readonly #delivery: string;
  readonly #signal: AbortSignal;
  readonly #logs = new Map<string, { readonly name: string; sent: number }>();
  readonly #timer: NodeJS.Timeout;
  #shipping: Promise<void> = Promise.resolve();

  constructor(exchange: Exchange, delivery: string, signal: AbortSignal) {
    this.#exchange = exchange;
    this.#delivery = delivery;
    this.#signal = signal;
    this.#timer = setInterval(() => void this.#ship(), SHIP_EVERY_MS);
  }

  /** Notes the logs that events tell of. What the coordinator hears names the log as the exchange has it. */
  watch(event: BuildEvent): BuildEvent {
    if (event.type !== 'started') return event;
    const name = `${this.#delivery}/${event.variant.slice(event.variant.lastIndexOf(':') + 1)}.log`;
    this.#logs.set(event.log, { name, sent: 0 });
    return { ...event, log: name };
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#ship();
  }

  /** A log that can't be shipped fails no build: it stays on this machine. */
  #ship(): Promise<void> {
    this.#shipping = this.#shipping.then(() => this.#shipAll()).catch(() => undefined);
    return this.#shipping;
  }

  async #shipAll(): Promise<void> {
    for (const [path, log] of this.#logs) {
      const file = await open(path, 'r');
      try {
        for (;;) {
          const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK), 0, CHUNK, log.sent);
          if (bytesRead === 0) break;
          const signal = this.#signal.aborted ? AbortSignal.timeout(SHIP_EVERY_MS) : this.#signal;
          await this.#exchange.appendLog(log.name, log.sent, buffer.subarray(0, bytesRead), signal);
          log.sent += bytesRead;
        }
      } finally {
        await file.close();
      }
    }
  }
}
