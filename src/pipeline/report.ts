import { appendFileSync, mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { uniqueStamp } from '../platform/clock.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { describeSourceEvent, type SourceEvent } from '../sources/index.ts';
import type { BuildEvent, EventSink, StepName } from './events.ts';

/** Tells what happens to one variant, times its steps, counts hits and runs, and keeps its log. */
export interface Reporter {
  readonly variant: string;
  readonly log: string;
  readonly counts: { hit: number; run: number };
  /**
   * Runs a step between its events. What it gives back says in `detail` what came of it, and in `hit` that
   * it found everything done.
   */
  step<T extends StepOutcome>(step: StepName, action: () => Promise<T>): Promise<T>;
  hit(step: StepName, detail: string): void;
  skipped(step: StepName, reason: string): void;
  progress(step: StepName, text: string): void;
  source(event: SourceEvent): void;
  warning(sentence: string): void;
  /** Lines for the log alone. */
  write(...lines: string[]): void;
  /** The log's last line: how it ended. */
  close(status: string): void;
}

export interface StepOutcome {
  readonly detail: string;
  readonly hit?: boolean;
}

/** Starts a variant's log and its reporter. */
export function startReporter(home: Home, recipe: string, variant: string, sink: EventSink): Reporter {
  const fullName = `${recipe}:${variant}`;
  const log = newLogPath(home, recipe, variant);
  mkdirSync(dirname(log), { recursive: true });
  const write = (...lines: string[]) => appendFileSync(log, `${lines.join('\n')}\n`);
  const tell = (event: BuildEvent) => sink(event);
  write(`# ${fullName}`);
  tell({ type: 'started', variant: fullName, log });
  const counts = { hit: 0, run: 0 };
  return {
    variant: fullName,
    log,
    counts,
    async step(step, action) {
      const started = Date.now();
      write('', `# ${step}`);
      tell({ type: 'step-started', variant: fullName, step });
      try {
        const outcome = await action();
        if (outcome.hit === true) {
          this.hit(step, outcome.detail);
          return outcome;
        }
        const seconds = (Date.now() - started) / 1000;
        counts.run += 1;
        write(`# ${step}: ${outcome.detail} (${seconds.toFixed(1)} s)`);
        tell({ type: 'step-done', variant: fullName, step, seconds, detail: outcome.detail });
        return outcome;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        write(`# ${step} failed: ${reason}`, ...(error instanceof KilnError ? error.lines : []));
        tell({ type: 'step-failed', variant: fullName, step, reason });
        throw error;
      }
    },
    hit(step, detail) {
      counts.hit += 1;
      write(`# ${step}: ${detail} (cached)`);
      tell({ type: 'step-hit', variant: fullName, step, detail });
    },
    skipped(step, reason) {
      write(`# ${step} skipped: ${reason}`);
      tell({ type: 'step-skipped', variant: fullName, step, reason });
    },
    progress(step, text) {
      tell({ type: 'progress', variant: fullName, step, text });
    },
    source(event) {
      if (event.status !== 'downloading') write(describeSourceEvent(event));
      tell({ type: 'source', variant: fullName, source: event });
    },
    warning(sentence) {
      write(`# warning: ${sentence}`);
      tell({ type: 'warning', variant: fullName, sentence });
    },
    write,
    close(status) {
      write(`${LAST_LINE}${status}`);
    },
  };
}

/** What the last line of a finished log begins with. */
export const LAST_LINE = '# finished: ';

const KEPT_LOGS = 20;

/** Logs sort by name in the order of time. */
function newLogPath(home: Home, recipe: string, variant: string): string {
  return join(logDirectory(home, recipe, variant), `${uniqueStamp()}.log`);
}

function logDirectory(home: Home, recipe: string, variant: string): string {
  return join(home.logs, recipe, variant);
}

/** Logs of a variant, newest first. */
export async function logsOf(home: Home, recipe: string, variant: string): Promise<string[]> {
  const directory = logDirectory(home, recipe, variant);
  try {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.log'));
    return names
      .sort()
      .reverse()
      .map((name) => join(directory, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Removes all but a variant's newest logs, and consoles that are older than those; stored bundles keep their own logs. */
export async function trimLogs(home: Home, recipe: string, variant: string): Promise<void> {
  const oldest = (await logsOf(home, recipe, variant))[KEPT_LOGS - 1];
  if (oldest === undefined) return;
  const directory = logDirectory(home, recipe, variant);
  const older = (await readdir(directory)).filter((name) => name < basename(oldest, '.log'));
  for (const name of older) await removeTree(join(directory, name));
}
