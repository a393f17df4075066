import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { CHECKOUT } from '../pipeline/recipes.ts';
import { registerBoot } from './boot.ts';
import { registerBuild } from './build.ts';
import { registerBundles } from './bundles.ts';
import { registerChannels, registerHistory } from './channels.ts';
import { registerCompletion } from './completion.ts';
import { registerConfig } from './config.ts';
import { registerDiff } from './diff.ts';
import { registerDoctor } from './doctor.ts';
import { registerExamples } from './examples.ts';
import { registerGc } from './gc.ts';
import { registerHold } from './hold.ts';
import { registerKconfig } from './kconfig.ts';
import { registerKey } from './key.ts';
import { registerLogs } from './logs.ts';
import { registerLtsp } from './ltsp.ts';
import { registerMan } from './man.ts';
import { note, reportError, styled } from './output.ts';

import { registerPatch } from './patch.ts';
import { registerPlan } from './plan.ts';
import { registerPublish } from './publish.ts';
import { registerPxelinux } from './pxelinux.ts';
import { registerQueue } from './queue.ts';
import { registerRecipes } from './recipes.ts';
import { registerServe } from './serve.ts';
import { registerShow } from './show.ts';
import { registerToken } from './token.ts';
import { registerVerify } from './verify.ts';
import { registerWatch } from './watch.ts';
import { registerWebhook } from './webhook.ts';
import { registerWhy } from './why.ts';
import { registerWorker } from './worker.ts';

const EXIT_HELP = `
Exit codes:
  0  done
  1  a build, a gate or a check failed
  2  usage, or a recipe, fragment or patch that is not valid
  3  a host tool is missing
  4  integrity: digest, size, signature, a path that leaves its tree
  5  another process holds the lock
  130, 143  interrupted, terminated

Everything is written below one home: --home, else $KILN_HOME, else artifacts/ in the checkout.`;

/** The whole command line, without running anything. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };
  const program = new Command('kiln')
    .description(
      'Builds kernels from recipes, boots them, and publishes them to the nodes that load them over TFTP.',
    )
    .version(version, '-V, --version', 'print the version')
    .option(
      '--home <DIR>',
      'where everything is written (default: $KILN_HOME, else artifacts/ in the checkout)',
    )
    .option('--json', 'print one JSON document on stdout and nothing else there')
    .option('--progress <MODE>', 'how progress is shown on stderr: auto, tty, plain, json, none')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [COMMAND]', 'print the help of a command')
    .addHelpText('after', EXIT_HELP)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, `${styled(['bold', 'red'], 'error:')} `)),
    })
    .showSuggestionAfterError(true)
    .exitOverride();
  for (const register of [
    registerBuild,
    registerPlan,
    registerWhy,
    registerRecipes,
    registerShow,
    registerBundles,
    registerDiff,
    registerVerify,
    registerBoot,
    registerChannels,
    registerHistory,
    registerPublish,
    registerHold,
    registerPxelinux,
    registerLtsp,
    registerGc,
    registerKey,
    registerQueue,
    registerServe,
    registerToken,
    registerWebhook,
    registerWorker,
    registerWatch,
    registerLogs,
    registerKconfig,
    registerPatch,
    registerDoctor,
    registerConfig,
    registerExamples,
    registerCompletion,
    registerMan,
  ]) {
    register(program);
  }
  for (const command of program.commands) command.exitOverride();
  return program;
}

/** Runs a command line and gives the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said it already; its own exit code for usage is 1.
      if (error.exitCode === 0) return 0;
      if (error.code === 'commander.help') return 2;
      note(
        `${styled('bold', 'hint:')} kiln ${args[0]?.startsWith('-') === false ? `${args[0]} ` : ''}--help`,
      );
      return 2;
    }
    return reportError(error, program.opts<{ json?: boolean }>().json === true || args.includes('--json'));
  }
}
