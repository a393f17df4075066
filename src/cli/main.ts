import { enableCompileCache } from 'node:module';

// Loading the sources costs more than most commands do; V8's cache of them halves that.
enableCompileCache();
const { main } = await import('./program.ts');
process.exitCode = await main(process.argv.slice(2));
