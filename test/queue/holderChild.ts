import { EmbeddedHand } from '../../src/queue/embedded.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import { request } from './requests.ts';

/** Takes a job, says which, and goes on holding it. */
const ledger = new Ledger(process.argv[2] ?? '');
ledger.submit([request('held')]);
const [lease] = await new EmbeddedHand(ledger).take(1);
process.stdout.write(`${lease?.job.id}\n`);
setInterval(() => undefined, 1 << 30);
