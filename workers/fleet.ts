import { main } from '../src/cli/program.ts';

/** Takes jobs of a coordinator: `kiln worker` as a program of its own, for service managers. Same arguments. */
process.exitCode = await main(['worker', ...process.argv.slice(2)]);
