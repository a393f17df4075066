import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { guardStreams } from './streams.ts';

guardStreams();

// The launcher says so: signal(7), "nohup".
if (process.env.KILN_IGNORES_HUP !== undefined) {
  delete process.env.KILN_IGNORES_HUP;
  process.on('SIGHUP', () => undefined);
}

// Loading the sources costs more than most commands do; V8's cache of them halves that. In the checkout: code in /tmp
// could be anybody's.
enableCompileCache(join(import.meta.dirname, '../../node_modules/.compile-cache'));
const { main } = await import('./program.ts');
process.exitCode = await main(process.argv.slice(2));
