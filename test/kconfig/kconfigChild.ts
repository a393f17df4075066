import { Command } from 'commander';
import { registerKconfig } from '../../src/cli/kconfig.ts';
import { reportError } from '../../src/cli/output.ts';

/** `kiln kconfig ...` without the other commands. */
const program = new Command('kiln').option('--home <DIR>').option('--json').option('--progress <MODE>');
registerKconfig(program);
try {
  await program.parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  process.exitCode = reportError(error, false);
}
