import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { VariantResult } from '../pipeline/events.ts';
import { chooseVariants } from '../pipeline/recipes.ts';
import { checkTargets } from '../pipeline/targets.ts';
import { formatSeconds } from '../platform/clock.ts';
import { type ErrorKind, EXIT_CODES, KilnError } from '../platform/errors.ts';
import { installTools, requireTools } from '../platform/hosttools.ts';
import { userName } from '../platform/user.ts';
import { buildThroughQueue } from '../queue/build.ts';
import type { Job } from '../queue/job.ts';
import {
  addSourceOptions,
  ccacheOption,
  contextOf,
  mirrorFlag,
  type SourceOptions,
  sandboxOption,
  sourceChoices,
  wholeNumber,
  workshopSettings,
} from './context.ts';
import { formatBytes, note, print, printJson, styled, table } from './output.ts';
import { type ProgressView, paintStatus, progressView } from './progress.ts';
import { numberOf, settingOf } from './settings.ts';
import { stopSignal } from './signals.ts';

interface BuildOptions extends SourceOptions {
  readonly jobs?: number;
  readonly publish: boolean;
  readonly channel?: string;
  readonly rebuild?: boolean;
  readonly compare?: boolean;
  readonly requireGates?: boolean;
  readonly installTools?: boolean;
  readonly sandbox?: string;
  readonly ccache?: string;
  readonly reason?: string;
}

export function registerBuild(program: Command): void {
  const command = program
    .command('build')
    .description('build, boot and publish variants of recipes')
    .argument('[RECIPE[:VARIANT]...]', 'recipes under recipes/ or paths of YAML files (default: sample)')
    .option('--jobs <N>', 'variants that are built at once (default: one for each core)', wholeNumber)
    .option('--no-publish', 'leave the channels as they are')
    .option('--channel <NAME>', "publish to NAME instead of the recipe's channel; {variant} is filled in")
    .option('--reason <TEXT>', 'why, for the history of the channel')
    .option('--rebuild', 'build anew what is there already')
    .option('--compare', 'with --rebuild: build clean elsewhere and name the first difference; keeps nothing')
    .option('--require-gates', 'fail when a gate can not run on this machine')
    .addOption(sandboxOption())
    .addOption(ccacheOption())
    .option('--install-tools', 'install the host tools that are missing with apt-get first');
  addSourceOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  kiln build                                    the built-in sample, all variants
  kiln build linux-2.4.37.11:rtl8139 --mirror ~/sources
  kiln build linux-2.4.22 --source kernel=linux-2.4.22.tar --no-publish

A variant that is built already costs nothing. A boot gate in QEMU has to pass before a channel flips.`,
    )
    .action(async (references: string[], options: BuildOptions) => {
      process.exitCode = await runBuild(command, references, options);
    });
}

async function runBuild(
  command: Command,
  references: readonly string[],
  options: BuildOptions,
): Promise<number> {
  const { jobs, sandbox, ccache } = options;
  const context = await contextOf(command, {
    jobs: jobs === undefined ? undefined : String(jobs),
    sandbox,
    ccache,
    ...mirrorFlag(options),
  });
  const chosen = await chooseVariants(references.length === 0 ? ['sample'] : references);
  checkTargets(chosen, options);
  const compare = options.compare === true;
  if (compare && options.rebuild !== true) {
    throw new KilnError('usage', '--compare goes with --rebuild', {
      hint: 'kiln build --rebuild --compare RECIPE',
    });
  }
  const signal = stopSignal();
  if (options.installTools === true) await installTools(['build', 'gate', 'optional'], note, signal);
  await requireTools(options.requireGates === true ? ['build', 'gate'] : ['build']);

  const view = await progressView(settingOf(context.settings, 'progress'));
  let results: VariantResult[];
  try {
    const request = {
      home: context.home,
      chosen,
      sources: sourceChoices(context, options),
      jobs: numberOf(context.settings, 'jobs'),
      publish: options.publish && !compare,
      channel: options.channel,
      rebuild: options.rebuild === true,
      compare,
      requireGates: options.requireGates === true,
      workshop: { ...workshopSettings(context.settings), clean: compare },
      reason: options.reason,
      by: userName(),
      signal,
      sink: view.sink,
    };
    results = await buildThroughQueue(request, {
      confirmCancel: (jobs) => confirmCancel(jobs, view),
    });
  } finally {
    view.end();
  }
  if (context.json) printJson({ jobs: results });
  else print(summary(results));
  for (const text of failures(results, command)) note(text);
  return exitCode(results);
}

/** Whether jobs that a server runs are to stop; nobody is asked off a terminal. */
async function confirmCancel(jobs: readonly Job[], view: ProgressView): Promise<boolean> {
  if (jobs.length === 0) return false;
  if (!process.stdin.isTTY || !process.stderr.isTTY) return true;
  // Live lines would be drawn over the question.
  view.end();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const names = jobs.map(({ id }) => id).join(', ');
  // Here Ctrl-C is a key, and no signal.
  terminal.on('SIGINT', () => process.emit('SIGINT'));
  const closed = once(terminal, 'close').then(() => '');
  try {
    const answer = await Promise.race([
      terminal.question(`Cancel ${names} as well? Else the server goes on with it. [y/N] `),
      closed,
    ]);
    return /^y/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

function summary(results: readonly VariantResult[]): string {
  const rows = results.map((result) => [
    `${result.recipe}:${result.variant}`,
    result.status,
    result.bundle ?? '-',
    result.channel === null ? '-' : `${result.channel} (generation ${result.generation})`,
    result.sizes === undefined ? '-' : formatBytes(result.sizes.vmlinuz),
    result.sizes === undefined ? '-' : formatBytes(result.sizes.initrd),
    `${result.steps.hit} hit, ${result.steps.run} run`,
    formatSeconds(result.seconds),
  ]);
  const head = ['VARIANT', 'STATUS', 'BUNDLE', 'CHANNEL', 'VMLINUZ', 'INITRD', 'STEPS', 'TIME'];
  const lines = [
    table(head, rows, (cell, column, row) => {
      const result = results[row];
      if (row === -1) return styled('bold', cell, process.stdout);
      return column === 1 && result !== undefined ? paintStatus(result, process.stdout) : cell;
    }),
  ];
  for (const result of results) {
    const name = `${result.recipe}:${result.variant}`;
    for (const [gate, reason] of Object.entries(result.skippedGates)) {
      lines.push(`${name}: ${gate} gate skipped: ${reason}`);
    }
    if (result.substituted.length > 0) lines.push(`${name}: substituted: ${result.substituted.join(', ')}`);
  }
  if (results.every((result) => result.status === 'published' || result.status === 'built')) {
    if (results.every((result) => result.steps.run === 0)) {
      lines.push('Everything was built already; nothing had to be done.');
    }
  }
  return lines.join('\n');
}

/** One block for each different failure: what happened, the lines that matter, the log, what to run again. */
function failures(results: readonly VariantResult[], command: Command): string[] {
  const blocks = new Map<string, { result: VariantResult; variants: string[] }>();
  for (const result of results) {
    if (result.error === undefined) continue;
    const key = `${result.error.message}\n${result.error.lines.join('\n')}`;
    const block = blocks.get(key) ?? { result, variants: [] };
    block.variants.push(`${result.recipe}:${result.variant}`);
    blocks.set(key, block);
  }
  return [...blocks.values()].map(({ result, variants }) => {
    const { error } = result;
    const place = error?.place === undefined ? '' : `${error.place}: `;
    const lines = [
      '',
      `${styled(['bold', 'red'], 'error:')} ${variants.join(', ')}: ${place}${error?.message}`,
      ...(error?.lines.slice(-20).map((line) => `  ${line}`) ?? []),
      ...(result.log === null ? [] : [`${styled('bold', 'log:')} ${result.log}`]),
    ];
    if (error?.hint !== undefined) lines.push(`${styled('bold', 'hint:')} ${error.hint}`);
    lines.push(`${styled('bold', 'again:')} ${againCommand(variants, command)}`);
    return lines.join('\n');
  });
}

/** The command line that runs the failed variants again, with the options that were given. */
function againCommand(variants: readonly string[], command: Command): string {
  const given = process.argv.slice(2);
  const names = new Set<string>(command.args);
  const options = given.filter((argument) => argument !== 'build' && !names.has(argument));
  return ['kiln', 'build', ...againNames(variants, command.args), ...options].map(quote).join(' ');
}

/** A recipe that was given by its path has to be named so again. */
function againNames(variants: readonly string[], given: readonly string[]): string[] {
  const path = given.find((argument) => argument.includes('/') || /\.ya?ml(:|$)/.test(argument));
  return path === undefined ? [...variants] : [...given];
}

function quote(word: string): string {
  return /^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function exitCode(results: readonly VariantResult[]): number {
  const kinds = results.flatMap((result) =>
    result.error === undefined ? [] : [result.error.kind as ErrorKind],
  );
  const stopped = kinds.find((kind) => kind === 'interrupted' || kind === 'terminated');
  const first = stopped ?? kinds[0];
  return first === undefined ? 0 : EXIT_CODES[first];
}
