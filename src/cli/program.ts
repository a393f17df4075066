import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { CHECKOUT } from '../pipeline/recipes.ts';
import { explainDisk, isDiskFailure, isRefusal } from '../platform/diskErrors.ts';
import { KilnError } from '../platform/errors.ts';
import { userName } from '../platform/user.ts';
import { errorDocument, note, printJson, reportError, styled } from './output.ts';
import { homeFrom } from './settings.ts';
import { ReaderLeft } from './streams.ts';

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

type Register = (program: Command) => void;

/**
 * The commands in the order of the help, and what declares them. Each is loaded when it is asked for: loading
 * them all takes longer than most of them run.
 */
const REGISTERS: readonly (readonly [names: readonly string[], load: () => Promise<Register>])[] = [
  [['build'], async () => (await import('./build.ts')).registerBuild],
  [['plan'], async () => (await import('./plan.ts')).registerPlan],
  [['why'], async () => (await import('./why.ts')).registerWhy],
  [['recipes'], async () => (await import('./recipes.ts')).registerRecipes],
  [['show'], async () => (await import('./show.ts')).registerShow],
  [['bundles'], async () => (await import('./bundles.ts')).registerBundles],
  [['diff'], async () => (await import('./diff.ts')).registerDiff],
  [['verify'], async () => (await import('./verify.ts')).registerVerify],
  [['boot'], async () => (await import('./boot.ts')).registerBoot],
  [['channels'], async () => (await import('./channels.ts')).registerChannels],
  [['history'], async () => (await import('./channels.ts')).registerHistory],
  [['publish', 'promote', 'rollback'], async () => (await import('./publish.ts')).registerPublish],
  [['pin', 'unpin', 'canary'], async () => (await import('./hold.ts')).registerHold],
  [['pxelinux'], async () => (await import('./pxelinux.ts')).registerPxelinux],
  [['ltsp'], async () => (await import('./ltsp.ts')).registerLtsp],
  [['gc'], async () => (await import('./gc.ts')).registerGc],
  [['key'], async () => (await import('./key.ts')).registerKey],
  [['queue'], async () => (await import('./queue.ts')).registerQueue],
  [['serve'], async () => (await import('./serve.ts')).registerServe],
  [['token'], async () => (await import('./token.ts')).registerToken],
  [['webhook'], async () => (await import('./webhook.ts')).registerWebhook],
  [['worker'], async () => (await import('./worker.ts')).registerWorker],
  [['watch'], async () => (await import('./watch.ts')).registerWatch],
  [['logs'], async () => (await import('./logs.ts')).registerLogs],
  [['kconfig'], async () => (await import('./kconfig.ts')).registerKconfig],
  [['patch'], async () => (await import('./patch.ts')).registerPatch],
  [['doctor'], async () => (await import('./doctor.ts')).registerDoctor],
  [['config'], async () => (await import('./config.ts')).registerConfig],
  [['examples'], async () => (await import('./examples.ts')).registerExamples],
  // These two tell of all the others.
  [[], async () => (await import('./completion.ts')).registerCompletion],
  [[], async () => (await import('./man.ts')).registerMan],
];

/**
 * The command line, without running anything: all of it, or as much as a line needs whose first word is `first`.
 */
export async function createProgram(first?: string): Promise<Command> {
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
  const chosen = REGISTERS.filter(([names]) => first !== undefined && names.includes(first));
  const none = first === '--version' || first === '-V';
  const registers = chosen.length > 0 || none ? chosen : REGISTERS;
  for (const register of await Promise.all(registers.map(([, load]) => load()))) register(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}

/** Runs a command line and gives the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const program = await createProgram(args[0]);
  const json = () => program.opts<{ json?: boolean }>().json === true || args.includes('--json');
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said it already; its own exit code for usage is 1.
      if (error.exitCode === 0) return 0;
      const wrong = wrongUsage(error, ['kiln', ...commandWords(program, program.args)].join(' '));
      if (json()) printJson(errorDocument(wrong));
      if (error.code !== 'commander.help') note(`${styled('bold', 'hint:')} ${wrong.hint}`);
      return 2;
    }
    if (error instanceof ReaderLeft) return Number(process.exitCode ?? 0);
    return reportError(explained(error, program), json());
  }
}

/** What a full disk, or another user's files, have to do with: no bug, and something can be done about it. */
function explained(error: unknown, program: Command): unknown {
  if (!isDiskFailure(error) && !isRefusal(error)) return error;
  const { root } = homeFrom(program.opts<{ home?: string }>().home).home;
  return explainDisk(['kiln', ...commandWords(program, program.args)].join(' '), error, {
    full: `make room for ${root}; kiln gc --dry-run --home ${root} says what can be freed`,
    other: `everything that Kiln writes is below ${root}: all of it has to be there for ${userName()} to write to (chown), or choose another with --home`,
  });
}

/** What Commander found wrong with the arguments, as the error that it is. */
function wrongUsage({ code, message }: CommanderError, command: string): KilnError {
  const sentence =
    code === 'commander.help' ? `${command} is no command by itself` : message.replace(/^error: /, '');
  return new KilnError('usage', sentence, { hint: `${command} --help` });
}

/** The arguments as far as they name a command, and a command of that, whatever options are before: `ltsp install`. */
function commandWords(program: Command, args: readonly string[]): string[] {
  const named = (arg: string | undefined) => program.commands.find((one) => one.name() === arg);
  const at = args.findIndex((arg) => named(arg) !== undefined);
  const command = named(args[at]);
  return command === undefined ? [] : [command.name(), ...commandWords(command, args.slice(at + 1))];
}
