import type { SourceChoices } from '../../pipeline/inputs.ts';
import type { BuildRequest } from '../../pipeline/run.ts';
import type { Home } from '../../platform/home.ts';
import type { Ledger } from '../../queue/ledger.ts';
import type { Hub } from '../hub.ts';
import type { Metrics } from '../metrics.ts';
import type { Streams } from '../streams.ts';

/** What the routes work on. */
export interface Server {
  readonly home: Home;
  readonly ledger: Ledger;
  readonly hub: Hub;
  readonly streams: Streams;
  readonly metrics: Metrics;
  /** How jobs that are queued over HTTP are to be run, and where their sources are looked for. */
  readonly workshop: BuildRequest['workshop'];
  readonly sources: SourceChoices;
  /** Jobs that are run here at once; 0 where other machines run them. */
  readonly slots: number;
  /** It looks upstream and at edited files itself. */
  readonly watching: boolean;
  readonly version: string;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}
