import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { type Delivered, takeIn } from '../queue/delivery.ts';
import { Dispatcher } from '../queue/dispatcher.ts';
import { DirectoryExchange } from '../queue/exchange.ts';
import type { Ledger } from '../queue/ledger.ts';
import { packParcel } from '../queue/parcel.ts';
import { kilnVersion } from '../queue/version.ts';

/** Where workers' tokens and files are, on the coordinator. */
export function exchangeDirectory(home: Home): string {
  return join(home.cache, 'exchange');
}

/** In the record: which directory the exchange of its last coordinator is. */
export const EXCHANGE_FACT = 'exchange';

/** What requests to the store have to bear: made at the first start, readable by its owner alone. */
export async function storeToken(home: Home): Promise<string> {
  const file = join(home.root, 'store-token');
  const known = (await readTextIfAny(file))?.trim();
  if (known !== undefined && known !== '') return known;
  const token = randomBytes(24).toString('base64url');
  await writeFileAtomic(file, `${token}\n`, 0o600);
  return token;
}

const DAY_MS = 86_400_000;
/** What nobody has asked for in a week leaves the exchange; who still needs it gets it sent again. */
const UNUSED_MS = 7 * DAY_MS;

/** The coordinator of a fleet: its exchange and what carries jobs to it. */
export interface Coordinator {
  readonly exchange: DirectoryExchange;
  readonly dispatcher: Dispatcher;
}

/**
 * Prepares the coordinator of a fleet; `dispatcher.run` then works.
 * @throws KilnError `locked` when Redis has another coordinator
 * @param directory what all machines share; the home's own, served over HTTP, by default
 */
export async function openCoordinator(
  home: Home,
  ledger: Ledger,
  redis: Redis,
  signal: AbortSignal,
  onTrouble: (sentence: string) => void,
  directory = exchangeDirectory(home),
): Promise<Coordinator> {
  const exchange = new DirectoryExchange(directory);
  const version = kilnVersion();
  const dispatcher = new Dispatcher({
    ledger,
    redis,
    onTrouble,
    prepare: async (job) => ({ ...(await packParcel(job, home, exchange, version, signal)) }),
    commit: (job, returned) => takeIn(job, returned as Delivered, home, exchange),
  });
  await dispatcher.claim();
  await exchange.prepare(version);
  ledger.setFact(EXCHANGE_FACT, directory);
  await exchange.trim(UNUSED_MS);
  const daily = setInterval(() => {
    exchange.trim(UNUSED_MS).catch((error: Error) => onTrouble(error.message));
  }, DAY_MS).unref();
  signal.addEventListener('abort', () => clearInterval(daily));
  return { exchange, dispatcher };
}
