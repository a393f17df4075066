import { type Command, InvalidArgumentError } from 'commander';
import { checkSubstitutes } from '../pipeline/inputs.ts';
import { chooseVariants } from '../pipeline/recipes.ts';
import { checkTargets } from '../pipeline/targets.ts';
import { documentWithoutPasswords } from '../platform/secrets.ts';
import { userName } from '../platform/user.ts';
import { isServed } from '../queue/build.ts';
import type { Job } from '../queue/job.ts';
import { hasLedger, Ledger } from '../queue/ledger.ts';
import { requestFor, UNATTENDED_ATTEMPTS } from '../queue/request.ts';
import { connectedWorkers, formatLabels, missingWorker } from '../queue/workers.ts';
import {
  addSourceOptions,
  type Context,
  collectLabels,
  contextOf,
  mirrorFlag,
  type SourceOptions,
  sourceChoices,
  workshopSettings,
} from './context.ts';
import { note, print, printJson, styled } from './output.ts';
import { describeNews, iso, listTable, rowsOf } from './queue-text.ts';

interface AddOptions extends SourceOptions {
  readonly priority: number;
  readonly publish: boolean;
  readonly channel?: string;
  readonly rebuild?: boolean;
  readonly requireGates?: boolean;
  readonly reason?: string;
  readonly require?: Readonly<Record<string, string>>;
}

export function registerQueue(program: Command): void {
  const queue = program
    .command('queue')
    .description('queue builds, and see and steer what is queued; kiln serve runs them')
    .addHelpText(
      'after',
      `
Examples:
  kiln queue add linux-2.4.37.11 --priority 5     all variants, before what has a lower priority
  kiln queue list                                 what waits, runs and was done
  kiln queue show j0123456789                     one job, with its history
  kiln queue cancel j0123456789

A job that waits or runs already for the same inputs is joined. kiln build submits and follows; kiln queue add
submits and leaves it to kiln serve, or to the next process that serves this home.`,
    );
  registerAdd(queue);
  registerLook(queue);
  registerSteer(queue);
  for (const command of queue.commands) command.exitOverride();
}

function registerAdd(queue: Command): void {
  const command = queue
    .command('add')
    .description('queue variants of recipes: a job for each recipe')
    .argument('[RECIPE[:VARIANT]...]', 'recipes under recipes/ or paths of YAML files (default: sample)')
    .option('--priority <N>', 'higher runs first', priority, 0)
    .option('--no-publish', 'leave the channels as they are')
    .option('--channel <NAME>', "publish to NAME instead of the recipe's channel; {variant} is filled in")
    .option('--reason <TEXT>', 'why, for the history of the channel')
    .option('--rebuild', 'build anew what is there already')
    .option('--require-gates', 'fail when a gate can not run where it is built')
    .option('--require <LABEL=VALUE,...>', 'give it only to a worker with these labels', collectLabels);
  addSourceOptions(command).action(async (references: string[], options: AddOptions) => {
    const context = await contextOf(command, mirrorFlag(options));
    const chosen = await chooseVariants(references.length === 0 ? ['sample'] : references);
    checkTargets(chosen, options);
    const sources = sourceChoices(context, options);
    checkSubstitutes(
      chosen.map(({ recipe }) => recipe),
      sources,
    );
    const wish = {
      sources,
      publish: options.publish,
      channel: options.channel,
      rebuild: options.rebuild === true,
      compare: false,
      workshop: workshopSettings(context.settings),
      requireGates: options.requireGates === true,
      reason: options.reason,
      by: userName(),
      priority: options.priority,
      attempts: UNATTENDED_ATTEMPTS,
      labels: options.require ?? {},
    };
    const requests = await Promise.all(chosen.map((one) => requestFor(one, wish)));
    const { submitted, connected } = withLedger(context, (ledger) => ({
      submitted: ledger.submit(requests),
      connected: connectedWorkers(ledger),
    }));
    if (context.json) return printJson({ jobs: submitted.flatMap(({ job }) => rowsOf(job)) });
    for (const { job, joined } of submitted) {
      const names = job.variants.map((variant) => `${job.recipe}:${variant}`).join(', ');
      print(`${job.id}  ${joined ? 'joined' : 'queued'}  ${names}`);
    }
    if (!isServed(context.home)) return note(NOBODY_SERVES);
    for (const { job } of submitted) {
      const missing = missingWorker(job, connected);
      if (missing !== undefined) note(`${job.id} ${missing}`);
    }
  });
}

const PAUSED = 'The queue is paused: kiln queue resume lets it go on.';
const NOBODY_SERVES = 'Nobody serves this queue now: kiln serve does.';

function registerLook(queue: Command): void {
  const list = queue
    .command('list')
    .description('show jobs, a line for each variant')
    .action(async () => {
      const context = await contextOf(list);
      const { jobs, paused } = withLedger(context, (ledger) => ({
        jobs: ledger.jobs(),
        paused: ledger.paused,
      }));
      const rows = jobs.flatMap(rowsOf);
      if (context.json) return printJson({ jobs: rows });
      if (rows.length === 0) print('Nothing is queued, and nothing was.');
      else print(listTable(rows));
      if (paused) note(PAUSED);
    });
  const show = queue
    .command('show')
    .description('show one job: what it is, how it stands and what happened to it')
    .argument('<JOB>', 'its id, from kiln queue list')
    .action(async (id: string) => {
      const context = await contextOf(show);
      const { job, events, connected, paused } = withLedger(context, (ledger) => ({
        job: ledger.job(id),
        events: ledger.historyOf(id),
        connected: connectedWorkers(ledger),
        paused: ledger.paused,
      }));
      const served = isServed(context.home);
      // Where nobody serves, what needs no certain worker is for whoever runs kiln build or serve.
      const isPicky = Object.keys(job.labels).length > 0;
      const missing = served || isPicky ? missingWorker(job, connected) : undefined;
      if (context.json) {
        const document = { job: { ...job, jobs: rowsOf(job), waitsFor: missing ?? null }, events };
        return printJson(documentWithoutPasswords(document));
      }
      print(
        `${styled('bold', job.id, process.stdout)}  ${job.state}${job.why === null ? '' : `: ${job.why}`}`,
      );
      if (isPicky) print(`requires ${formatLabels(job.labels)}`);
      if (missing !== undefined) print(styled('yellow', missing, process.stdout));
      print('');
      print(`${listTable(rowsOf(job))}\n`);
      for (const event of events) {
        const line = describeNews(event);
        if (line !== undefined) print(`${iso(event.at)}  ${line}`);
      }
      if (isLeftAlone(job) && !served) note(NOBODY_SERVES);
      if (job.state === 'waiting' && paused) note(PAUSED);
    });
}

/** True for a job that waits, and that no kiln build waits for and runs. */
function isLeftAlone(job: Job): boolean {
  return job.state === 'waiting' && job.followers.length === 0;
}

function registerSteer(queue: Command): void {
  const cancel = queue
    .command('cancel')
    .description('take jobs out of the queue; one that runs is stopped')
    .argument('<JOB...>', 'ids, from kiln queue list')
    .option('--reason <TEXT>', 'why', 'cancelled by kiln queue cancel')
    .action((ids: string[], options: { reason: string }) =>
      steer(cancel, ids, (ledger, id) => ledger.cancel(id, options.reason)),
    );
  const retry = queue
    .command('retry')
    .description('try jobs again that failed or were cancelled, or at once what waits to be tried again')
    .argument('<JOB...>', 'ids, from kiln queue list')
    .option('--priority <N>', 'higher runs first', priority)
    .action((ids: string[], options: { priority?: number }) =>
      steer(retry, ids, (ledger, id) => {
        const job = ledger.retry(id);
        return options.priority === undefined ? job : ledger.prioritise(id, options.priority);
      }),
    );
  for (const verb of ['pause', 'resume'] as const) {
    const command = queue
      .command(verb)
      .description(verb === 'pause' ? 'start nothing more; what runs goes on' : 'start again what waits')
      .action(async () => {
        const context = await contextOf(command);
        const paused = withLedger(context, (ledger) => {
          ledger[verb]();
          return ledger.paused;
        });
        if (context.json) printJson({ paused });
        else print(paused ? 'paused' : 'resumed');
      });
  }
}

async function steer(
  command: Command,
  ids: readonly string[],
  action: (ledger: Ledger, id: string) => Job,
): Promise<void> {
  const context = await contextOf(command);
  // All or none: the first id that there is not undoes the others.
  const jobs = withLedger(context, (ledger) => ledger.write(() => ids.map((id) => action(ledger, id))));
  if (context.json) return printJson({ jobs: jobs.flatMap(rowsOf) });
  for (const job of jobs) {
    print(`${job.id}  ${job.state}${job.cancelling === null ? '' : ', is to stop'}`);
  }
}

/** Does something with the record of a home. */
export function withLedger<T>(context: Pick<Context, 'home'>, action: (ledger: Ledger) => T): T {
  const ledger = Ledger.of(context.home);
  try {
    return action(ledger);
  } finally {
    ledger.close();
  }
}

/** The job of an id, where there is one; commands that take other names too ask so. */
export function findJob(context: Pick<Context, 'home'>, id: string): Job | undefined {
  if (!/^j[0-9a-f]{10}$/.test(id) || !hasLedger(context.home)) return undefined;
  return withLedger(context, (ledger) => ledger.find(id));
}

const LIMIT = 1000;

function priority(text: string): number {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || Math.abs(value) > LIMIT) {
    throw new InvalidArgumentError(`expected a whole number from -${LIMIT} to ${LIMIT}`);
  }
  return value;
}
