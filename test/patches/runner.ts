import { Command, CommanderError } from 'commander';
import { reportError } from '../../src/cli/output.ts';
import { registerPatch } from '../../src/cli/patch.ts';

/** `kiln patch ...` alone, as a process of its own. */
const program = new Command('kiln').option('--home <DIR>').option('--json').exitOverride();
registerPatch(program);
try {
  await program.parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = reportError(error, program.opts<{ json?: boolean }>().json === true);
}
