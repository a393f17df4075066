import { delimiter, resolve } from 'node:path';
import type { Command } from 'commander';
import { KilnError } from '../platform/errors.ts';
import { parseDuration } from '../platform/units.ts';
import { isServed } from '../queue/build.ts';
import { WATCH_POLICIES } from '../recipe/schema/watch.ts';
import type { WatchPolicy } from '../recipe/schema.ts';
import type { WatchContext } from '../watch/context.ts';
import { lookOnce } from '../watch/pass.ts';
import { type ChangeReport, exitCodeOf, type SourceReport, type WatchReport } from '../watch/report.ts';
import { type RecipeStatus, watchStatus } from '../watch/status.ts';
import { SHORTEST_MS } from '../watch/upstream.ts';
import { watchOn } from '../watch/watcher.ts';
import { type Context, contextOf, mirrorFlag, sourceChoices, workshopSettings } from './context.ts';
import { note, print, printJson, styled, table } from './output.ts';
import { settingOf } from './settings.ts';
import { stopSignal } from './signals.ts';
import { readerLeft } from './streams.ts';

interface WatchOptions {
  readonly once?: boolean;
  readonly status?: boolean;
  readonly policy?: string;
  readonly every?: string;
  readonly mirror?: readonly string[];
}

export function registerWatch(program: Command): void {
  const command = program
    .command('watch')
    .description('look upstream for newer patches and at files that were edited; queue what they affect')
    .argument(
      '[RECIPE...]',
      'recipes by name or path (default: all under recipes/, and those by path queued before)',
    )
    .option('--once', 'look once, at once, and end')
    .option('--status', 'say what was found so far, here and by kiln serve, and look at nothing')
    .option(
      '--policy <POLICY>',
      'where a recipe does not say: notify, build (default), testing (and publish there), publish',
    )
    .option('--every <TIME>', 'how often upstream is asked where a rule does not say (default: 6h)')
    .option(
      '--mirror <DIR>',
      'search DIR for every source by file name before the network is (default: $KILN_MIRROR)',
      (value: string, before: readonly string[] | undefined) => [...(before ?? []), value],
    )
    .addHelpText(
      'after',
      `
Examples:
  kiln watch --once                        one look at everything, as from cron
  kiln watch openmosix-2.4.22              go on watching one recipe; kiln serve watches all by itself
  kiln watch --once --policy notify        say what is newer, and queue nothing
  kiln watch --once --json | jq '.changes[].job'
  kiln watch --status                      what was found and when, and when upstream is asked again

A newer patch makes a revision of the recipe, below revisions/ in the home, with a diff to review; it is built if the
series applies. Exits with 4 when a file has other bytes than its digest says, 1 when a newer patch does not apply,
2 for a recipe with faults. A server that does not answer is said, and asked again later. Without --once, --json
prints a document a line, one for each look. docs/watch.md tells it all.`,
    )
    .action(async (references: string[], options: WatchOptions) => {
      const flags = {
        ...mirrorFlag(options),
        'watch-policy': options.policy,
        'watch-every': options.every,
        watch: references.length === 0 ? undefined : references.join(delimiter),
      };
      const context = await contextOf(command, flags);
      if (options.status === true) return printStatus(context, references);
      const watching = watchContext(context, AbortSignal.any([stopSignal(), readerLeft]));
      if (options.once === true) await watchOnce(context, watching);
      else await watchUntilStopped(context, watching);
    });
}

/** What the watcher needs, from the settings. */
export function watchContext(context: Context, signal: AbortSignal): WatchContext {
  const { home, settings } = context;
  return {
    home,
    references: settingOf(settings, 'watch')
      .split(delimiter)
      .filter((name) => name !== ''),
    mirrors: sourceChoices(context, {}).mirrors,
    workshop: workshopSettings(settings),
    policy: policyOf(settingOf(settings, 'watch-policy')),
    everyMs: Math.max(SHORTEST_MS, parseDuration(settingOf(settings, 'watch-every'), 'watch-every')),
    now: Date.now,
    chance: Math.random,
    signal,
  };
}

function policyOf(text: string): WatchPolicy {
  const policy = WATCH_POLICIES.find((one) => one === text);
  if (policy !== undefined) return policy;
  throw new KilnError('usage', `watch-policy is ${JSON.stringify(text)}`, {
    hint: `expected ${WATCH_POLICIES.join(', ')}`,
  });
}

async function watchOnce(context: Context, watching: WatchContext): Promise<void> {
  const { report } = await lookOnce(watching, 'now');
  process.exitCode = exitCodeOf(report);
  if (context.json) return printJson(report);
  const lines = linesOf(report);
  for (const line of lines) print(line);
  if (lines.length === 0) print('Nothing is newer than what was seen before.');
  noteUnserved(context, report);
}

function noteUnserved({ home }: Context, { changes }: WatchReport): void {
  if (!changes.some(({ job }) => job !== null) || isServed(home)) return;
  note('Nobody serves this queue now: kiln serve does.');
}

async function watchUntilStopped(context: Context, watching: WatchContext): Promise<void> {
  const news = new News();
  await watchOn(watching, {
    first: 'now',
    onReport: (report) => {
      if (context.json) process.stdout.write(`${JSON.stringify(report)}\n`);
      else for (const line of linesOf(news.of(report))) print(line);
      noteUnserved(context, report);
    },
    onError: (error) => note(`${styled('yellow', 'warning:')} ${troubleOf(error)}`),
    onReady: () => note(`watching; state in ${watching.home.root}/watch.json`),
  });
}

/** A look that could not be done, in words: said, and not the end of watching. */
export function troubleOf(error: unknown): string {
  if (error instanceof KilnError) return `watch: ${error.message}`;
  return `kiln has a bug: watch: ${error instanceof Error ? error.stack : error}`;
}

/** Tells what a server's watcher has found, a line at a time; nothing where all is as it was. */
export function reportTeller(say: (line: string) => void): (report: WatchReport) => void {
  const news = new News();
  return (report) => {
    for (const line of linesOf(news.of(report))) say(`watch: ${line}`);
  };
}

/** Leaves out what was said before: a server that has been down for a day is said once. */
class News {
  readonly #sources = new Map<string, string>();
  #problems = new Set<string>();

  of({ sources, changes, problems }: WatchReport): WatchReport {
    const freshSources = sources.filter((one) => {
      const [key, text] = [`${one.recipe} ${one.source}`, JSON.stringify(one)];
      if (one.status === 'waiting' || this.#sources.get(key) === text) return false;
      this.#sources.set(key, text);
      return true;
    });
    const freshProblems = problems.filter((one) => !this.#problems.has(JSON.stringify(one)));
    this.#problems = new Set(problems.map((one) => JSON.stringify(one)));
    return { sources: freshSources, changes, problems: freshProblems };
  }
}

/** A report in words: what people should know of, and no more. */
function linesOf({ sources, changes, problems }: WatchReport): string[] {
  return [
    ...problems.flatMap(({ recipe, message, lines }) => [
      `${styled('red', 'error:', process.stdout)} ${recipe}: ${message}`,
      ...lines.map((line) => `  ${line}`),
    ]),
    ...sources.flatMap(describeSource),
    ...changes.flatMap(describeChange),
  ];
}

function describeSource({ recipe, source, status, current, newest, message, lines }: SourceReport): string[] {
  const what = `${recipe}: ${source}`;
  const more = lines.map((line) => `  ${line}`);
  switch (status) {
    case 'current':
    case 'waiting':
      return [];
    case 'newer':
      return [message === null ? `${what}: ${newest} is newer than ${current}` : `${what}: ${message}`];
    case 'refused':
      return [`${styled(['bold', 'red'], 'refused:', process.stdout)} ${what}: ${message}`, ...more];
    case 'does-not-apply': {
      const words = newest === null ? '' : `${newest} `;
      return [`${styled('red', 'does not apply:', process.stdout)} ${what}: ${words}${message}`, ...more];
    }
    case 'untried':
    case 'unreachable':
    case 'no-match':
      return [`${styled('yellow', 'warning:', process.stdout)} ${what}: ${message}`, ...more];
  }
}

function describeChange(change: ChangeReport): string[] {
  const names = change.variants.map((variant) => `${change.recipe}:${variant}`).join(', ');
  const done =
    change.job === null
      ? `not queued (policy ${change.policy}): kiln build ${change.reference}`
      : `${change.job}  ${change.joined ? 'joined' : 'queued'} (policy ${change.policy})`;
  return [
    `${done}  ${names}`,
    ...change.because.map((reason) => `  ${reason}`),
    ...(change.diff === null ? [] : [`  revision ${change.reference}`, `  review  ${change.diff}`]),
    ...change.superseded.map((id) => `  takes the place of ${id}`),
  ];
}

/** What the watchers of this home know. */
async function printStatus({ home, json }: Context, references: readonly string[]): Promise<void> {
  const { recipes } = await watchStatus(home);
  const wanted = references.map((one) => (/\/|\.ya?ml$/.test(one) ? resolve(one) : one));
  const chosen = recipes.filter(({ reference }) => wanted.length === 0 || wanted.includes(reference));
  if (json) return printJson({ recipes: chosen });
  const rows = chosen.flatMap((recipe) =>
    recipe.sources.map(({ source, status, current, newest, looked, next }) => [
      recipe.recipe,
      source,
      status,
      newest === null || newest === current ? (current ?? '-') : `${current ?? '-'} -> ${newest}`,
      shortTime(looked),
      next === null ? '-' : shortTime(next),
    ]),
  );
  if (rows.length > 0) {
    print(table(['RECIPE', 'SOURCE', 'STATUS', 'VERSION', 'LOOKED', 'AGAIN'], rows));
  } else {
    print('No source with a watch rule was looked at yet: kiln watch --once looks.');
  }
  for (const recipe of chosen) for (const line of describeStanding(recipe)) print(line);
}

/** What a recipe's owner has to do something about. */
function describeStanding({ recipe, reference, sources, problem, revision, change }: RecipeStatus): string[] {
  const faults = sources.filter(({ status }) => status === 'refused' || status === 'does-not-apply');
  return [
    ...(problem === null ? [] : linesOf({ sources: [], changes: [], problems: [problem] })),
    ...faults.flatMap(describeSource),
    ...(revision === null
      ? []
      : [`${recipe}: revision ${revision.number} of ${reference}`, `  review  ${revision.diff}`]),
    ...(change === null
      ? []
      : [`${recipe}: last change ${shortTime(change.found)}, ${change.job ?? 'not queued'}`]),
  ];
}

function shortTime(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')}Z`;
}
