import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { hasErrno, KilnError } from './errors.ts';

/** What a timer of Node's can wait, 24 days: one that is asked for more is due at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment of the process; nothing of Kiln's own leaks in. Default: `baseEnvironment()`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Bytes for standard input; none (an empty input) by default. */
  readonly input?: string | Uint8Array;
  /** File that both output streams are appended to, as they come. */
  readonly log?: string;
  /** Called with each line of either stream, without its line end. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Keep standard output (bytes) in the result. Off by default: a build's output has no bound. */
  readonly capture?: boolean;
  /** Stops the whole process group: SIGTERM, and SIGKILL after `graceMs`. */
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /** Milliseconds between SIGTERM and SIGKILL; 2000 by default. */
  readonly graceMs?: number;
}

export interface RunResult {
  /** Exit code, or undefined when a signal ended the process. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  /** Standard output, when `capture` was asked for; else empty. */
  readonly stdout: Buffer;
  /** The last lines of both streams, at most 200. */
  readonly tail: readonly string[];
  readonly timedOut: boolean;
  readonly aborted: boolean;
}

const TAIL_LINES = 200;
const liveGroups = new Set<number>();

/**
 * The environment that host tools get unless a caller says otherwise: no locale, no user's settings. Without a
 * home directory bash reads no ~/.bashrc, which it else does whenever its input is a socket, as pipes from Node
 * are (bash(1), "Invoked by remote shell daemon"): slow, and not ours to run.
 */
export function baseEnvironment(): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/nonexistent',
    LC_ALL: 'C',
    TZ: 'UTC',
  };
}

/**
 * Runs a program in a process group of its own and waits until the program has ended; ending it early
 * (signal, time-out) ends everything that it started. Never throws for an exit code: the caller judges.
 * @throws KilnError `tool` when there is no such program.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  options.signal?.throwIfAborted();
  // Loaded by the first who runs something: its many files take longer than most commands that run nothing.
  const { execa } = await import('execa');
  options.signal?.throwIfAborted();
  const child = execa(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env ?? baseEnvironment(),
    extendEnv: false,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    buffer: false,
    detached: true,
    reject: false,
    encoding: 'buffer',
    stripFinalNewline: false,
  });
  const pid = child.pid;
  if (pid !== undefined) guardGroup(pid);

  const tail: string[] = [];
  const kept: Buffer[] = [];
  const log = options.log === undefined ? undefined : createWriteStream(options.log, { flags: 'a' });
  const logged = log === undefined ? undefined : finished(log);
  logged?.catch(() => undefined);
  const readers = (['stdout', 'stderr'] as const).map((name) => {
    const lines = lineSplitter((line) => {
      tail.push(line);
      if (tail.length > 2 * TAIL_LINES) tail.splice(0, tail.length - TAIL_LINES);
      options.onLine?.(line, name);
    });
    child[name].on('data', (chunk: Buffer) => {
      log?.write(chunk);
      if (options.capture === true && name === 'stdout') kept.push(chunk);
      lines.push(chunk);
    });
    return lines;
  });

  let timedOut = false;
  let aborted = false;
  let killTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    if (pid === undefined) return;
    signalGroup(pid, 'SIGTERM');
    killTimer ??= setTimeout(() => signalGroup(pid, 'SIGKILL'), options.graceMs ?? 2000);
  };
  const onAbort = () => {
    aborted = true;
    stop();
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(
          () => {
            timedOut = true;
            stop();
          },
          Math.min(options.timeoutMs, LONGEST_TIMER_MS),
        );

  const result = await child;
  clearTimeout(timer);
  options.signal?.removeEventListener('abort', onAbort);
  if (pid !== undefined) {
    // What a stopped program leaves behind in its group must not outlive it.
    if (aborted || timedOut) signalGroup(pid, 'SIGKILL');
    releaseGroup(pid);
  }
  clearTimeout(killTimer);
  for (const reader of readers) reader.end();
  log?.end();
  await logged;
  if (pid === undefined) {
    const code = (result as { code?: string }).code;
    if (code === 'ENOENT') throw notInstalled(command);
    throw new Error(`${command} could not be started: ${String((result as { message?: string }).message)}`);
  }
  return {
    exitCode: result.exitCode,
    signal: result.signal,
    stdout: Buffer.concat(kept),
    tail: tail.slice(-TAIL_LINES),
    timedOut,
    aborted,
  };
}

/** The failure where a program that a host should have is missing. */
export function notInstalled(program: string): KilnError {
  return new KilnError('tool', `${program} is not installed`, {
    hint: 'kiln doctor names the package; kiln doctor --install-tools installs it',
  });
}

/** Runs a program and gives its standard output as text. @throws Error when it does not exit 0. */
export async function output(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(command, args, { ...options, capture: true });
  if (result.exitCode !== 0) {
    throw new Error(`${command} ${args.join(' ')} exited ${result.exitCode}:\n${result.tail.join('\n')}`);
  }
  return result.stdout.toString('utf8');
}

/**
 * Runs a program in the foreground of the terminal, where it may ask (sudo for a password); what it prints goes to
 * stderr. Ctrl-C is its own affair as well as this process's. Gives its exit code; undefined when a signal ended it.
 */
export async function runOnTerminal(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  const child = spawn(command, args, { env, stdio: ['inherit', 2, 2] });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? undefined;
}

/**
 * Sends a signal to a process group; a group that is gone already is fine, and so is one of another user (sudo's), which
 * nobody else can end.
 */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (!hasErrno(error, 'ESRCH', 'EPERM')) throw error;
  }
}

/** True while there is a process of that number that does something, whoever it belongs to. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  try {
    // Dead and not yet missed by its parent: proc(5), the state behind the name in parentheses.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/**
 * Kills the groups that it was told of and not told to forget when its input ends: when Kiln dies, kill -9
 * included, nothing that it started goes on.
 */
const WATCHDOG = `
groups=
while read -r what group; do
  if [ "$what" = + ]; then groups="$groups $group"; continue; fi
  left=
  for each in $groups; do [ "$each" = "$group" ] || left="$left $each"; done
  groups=$left
done
for group in $groups; do kill -KILL "-$group"; done
`;

let watchdog: ChildProcess | undefined;

function tellWatchdog(line: string): void {
  if (watchdog === undefined) {
    // In a group of its own: Ctrl-C on the terminal is Kiln's affair, and it has to outlive Kiln.
    watchdog = spawn('/bin/sh', ['-c', WATCHDOG], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
    watchdog.unref();
    // Without it builds run as well; what it is for is what no handler here could do.
    watchdog.on('error', () => undefined);
    watchdog.stdin?.on('error', () => undefined);
    (watchdog.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  }
  watchdog.stdin?.write(`${line}\n`);
}

function guardGroup(pid: number): void {
  liveGroups.add(pid);
  tellWatchdog(`+ ${pid}`);
}

function releaseGroup(pid: number): void {
  liveGroups.delete(pid);
  tellWatchdog(`- ${pid}`);
}

/** Kills every process group that is still running; called when Kiln exits, however it does. */
export function killAllGroups(): void {
  for (const pid of liveGroups) signalGroup(pid, 'SIGKILL');
  liveGroups.clear();
}

process.on('exit', killAllGroups);

interface LineSplitter {
  push(chunk: Buffer): void;
  end(): void;
}

/** Cuts a byte stream into lines; a line over 64 KiB is cut there, so that memory stays bounded. */
export function lineSplitter(onLine: (line: string) => void): LineSplitter {
  const limit = 65536;
  let rest = '';
  const decoder = new TextDecoder();
  return {
    push(chunk) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (rest.length > limit) {
        onLine(rest);
        rest = '';
      }
    },
    end() {
      if (rest !== '') onLine(rest);
      rest = '';
    },
  };
}
