import { enableCompileCache } from 'node:module';

// Whoever read the output has seen enough (`kiln recipes | head`): that is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

// Loading the sources costs more than most commands do; V8's cache of them halves that.
enableCompileCache();
const { main } = await import('./program.ts');
process.exitCode = await main(process.argv.slice(2));
