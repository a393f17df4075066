import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { VariantResult } from '../../src/pipeline/events.ts';
import { lockSoon } from '../../src/platform/lock.ts';

export const CHECKOUT = resolve(import.meta.dirname, '../..');
const KILN = join(CHECKOUT, 'kiln');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the launcher as a user would, without this process's Kiln settings. */
export function kiln(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  return new Promise((done) => {
    execFile(
      KILN,
      args,
      { env: { ...cleanEnvironment(), ...env }, maxBuffer: 1 << 26, encoding: 'utf8' },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        done({ code, stdout, stderr });
      },
    );
  });
}

/** Starts Kiln and leaves it running; the caller ends it. */
export function startKiln(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawn(KILN, args, { env: { ...cleanEnvironment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
}

function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !name.startsWith('KILN_') && name !== 'NODE_OPTIONS',
  );
  return { ...(Object.fromEntries(kept) as Record<string, string>), NO_COLOR: '1', LC_ALL: 'C' };
}

/** Runs `kiln build --json` and gives the results. */
export async function buildJson(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ ran: Ran; jobs: VariantResult[] }> {
  const ran = await kiln(['build', '--json', '--progress', 'plain', ...args], env);
  let jobs: VariantResult[] = [];
  try {
    jobs = (JSON.parse(ran.stdout) as { jobs?: VariantResult[] }).jobs ?? [];
  } catch {
    throw new Error(`no JSON on stdout (exit ${ran.code}):\n${ran.stdout}\n${ran.stderr}`);
  }
  return { ran, jobs };
}

/** A fresh directory below the run's scratch directory. */
export function freshDirectory(name: string): string {
  return mkdtempSync(join(process.env.KILN_TEST_SCRATCH ?? tmpdir(), `${name}-`));
}

/**
 * A home in which the sample was built, booted and published, all three variants. It is made once in a run;
 * each caller gets a copy of its own. Links within a home are relative, so a copy is as good as the original.
 */
export async function sampleHome(): Promise<string> {
  const scratch = process.env.KILN_TEST_SCRATCH ?? freshDirectory('scratch');
  const original = join(scratch, 'sample-home');
  const held = await lockSoon(join(scratch, 'sample-home.lock'), 'building the sample', {
    timeoutMs: 390_000,
  });
  try {
    if (!existsSync(join(original, 'done'))) {
      const { ran, jobs } = await buildJson(['--home', original]);
      if (ran.code !== 0 || jobs.some((job) => job.status !== 'published')) {
        throw new Error(`the sample did not build (exit ${ran.code}):\n${ran.stderr}`);
      }
      mkdirSync(join(original, 'done'));
    }
  } finally {
    held.release();
  }
  const copy = freshDirectory('home');
  cpSync(original, copy, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  return copy;
}

/** A PATH directory with every program of the usual ones but some. */
export function pathWithout(hidden: (name: string) => boolean): string {
  const directory = freshDirectory('bin');
  for (const place of ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/bin', '/sbin']) {
    if (!existsSync(place)) continue;
    for (const name of readdirSync(place)) {
      const link = join(directory, name);
      if (!hidden(name) && !existsSync(link)) {
        try {
          symlinkSync(join(place, name), link);
        } catch {
          // A dangling link of that name is there: as good as hidden.
        }
      }
    }
  }
  return directory;
}

/** Processes whose command line holds a text, e.g. a work directory's path. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => commandLineOf(name))
    .filter((line) => line.includes(text));
}

/**
 * The worker processes that a Kiln has started. They outlive a Kiln that was killed for as long as they need to clear
 * away what they were at.
 */
export function workersOf(kilnProcess: ChildProcess): number[] {
  const { pid } = kilnProcess;
  return readIfThere(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((child) => child !== '' && commandLineOf(child).includes('workers/build.ts'))
    .map(Number);
}

/** Whether a process is there, and runs: one that has ended and that nobody has asked about does not count. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function commandLineOf(pid: string): string {
  return readIfThere(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
}

/** A file below /proc; empty where its process has ended, which it may do between a look at it and the next. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
