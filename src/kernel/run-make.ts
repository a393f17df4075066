import { KilnError } from '../platform/errors.ts';
import type { Jobserver, JobserverClient } from '../platform/jobserver.ts';
import { baseEnvironment } from '../platform/process.ts';
import { openAir, type Sandbox, stepPath } from '../platform/sandbox.ts';
import type { KernelFamily } from './family.ts';
import { caseTwin, type MakeOutput, readMakeOutput } from './make-output.ts';
import { makeVariables } from './make-variables.ts';
import type { Toolchain } from './toolchain.ts';

/** What every run of make in a tree has in common. */
export interface MakeOptions {
  /** What make runs in; its directory holds the tree and all else that make writes. The open air by default. */
  readonly sandbox?: Sandbox;
  /** The pool of jobs that make draws from, in place of a number of its own. */
  readonly jobserver?: Jobserver;
  readonly signal?: AbortSignal;
  /** File that make's whole output is appended to. */
  readonly log?: string;
  readonly onLine?: (line: string) => void;
  /** Added to the environment that make runs in, e.g. ccache's directory. */
  readonly env?: Readonly<Record<string, string>>;
  /** Put before the compiler, e.g. `ccache`. */
  readonly launcher?: string;
  /** Directories outside the sandbox's own that the launcher writes to. */
  readonly writable?: readonly string[];
}

export interface CompileProgress {
  /** Files compiled so far. */
  readonly compiled: number;
  /** The latest of them, relative to the tree. */
  readonly file: string;
}

/** How make builds. */
export interface TreeBuildOptions extends MakeOptions {
  /** Processes at the same time, where there is no jobserver. */
  readonly jobs: number;
  readonly onProgress?: (progress: CompileProgress) => void;
}

/** A tree, as Kiln finds it and as make does. */
export interface Place {
  /** The tree's real path. */
  readonly top: string;
  readonly seenAs: string;
  readonly run: Sandbox['run'];
  readonly inside: (path: string) => string;
}

export function placeOf(top: string, { sandbox }: MakeOptions): Place {
  const { inside, run } = sandbox ?? openAir('none', top);
  return { top, seenAs: inside(top), run, inside };
}

/** Make's arguments for a tree: its directory and every variable of the family. */
export function makeArguments(
  place: Place,
  family: KernelFamily,
  toolchain: Toolchain,
  options: MakeOptions,
): string[] {
  const { launcher, sandbox } = options;
  const given = {
    ...(launcher === undefined ? {} : { launcher }),
    ...(sandbox?.sh === undefined ? {} : { sh: sandbox.sh }),
  };
  return ['-C', place.seenAs, ...makeVariables(place.seenAs, family, toolchain, given)];
}

export function runOptions(place: Place, options: MakeOptions) {
  const { signal, log, onLine, writable } = options;
  return {
    cwd: place.seenAs,
    env: { ...baseEnvironment(), PATH: stepPath(), ...options.env },
    ...(writable === undefined ? {} : { writable }),
    ...(signal === undefined ? {} : { signal }),
    ...(log === undefined ? {} : { log }),
    ...(onLine === undefined ? {} : { onLine }),
  };
}

function withClient<
  T extends { readonly env: Readonly<Record<string, string>>; readonly writable?: readonly string[] },
>(options: T, client: JobserverClient) {
  return {
    ...options,
    env: { ...options.env, ...client.env, KILN_POOL: client.fifo },
    writable: [...(options.writable ?? []), client.fifo],
  };
}

/** Runs make with both of its streams in one, so that an error stays behind the directory it belongs to. */
export const ONE_STREAM: readonly string[] = ['-c', 'exec make "$@" 2>&1', 'make'];

/** The same with a jobserver's pool as descriptor 3. */
const WITH_POOL: readonly string[] = ['-c', 'exec make "$@" 2>&1 3<>"$KILN_POOL"', 'make'];

/** Runs make's targets one after another in one tree, and counts what they compile. */
export class TreeBuild {
  compiled = 0;
  readonly #place: Place;
  readonly #toolchain: Toolchain;
  readonly #release: string;
  readonly #arguments: readonly string[];
  readonly #options: TreeBuildOptions;

  constructor(
    place: Place,
    toolchain: Toolchain,
    release: string,
    options: TreeBuildOptions,
    makeArguments: readonly string[],
  ) {
    this.#place = place;
    this.#toolchain = toolchain;
    this.#release = release;
    this.#options = options;
    this.#arguments = makeArguments;
  }

  /** @param how `alone`: no two commands at the same time */
  async make(targets: readonly string[], how: { readonly alone?: true } = {}): Promise<void> {
    const { signal, onProgress, jobserver, jobs } = this.#options;
    const output = readMakeOutput(this.#place.seenAs, (file) => {
      this.compiled++;
      onProgress?.({ compiled: this.compiled, file });
    });
    const client = await jobserver?.client(signal, this.#toolchain.makeVersion);
    try {
      const common = runOptions(this.#place, this.#options);
      const drawing =
        client === undefined || how.alone === true
          ? { shell: ONE_STREAM, jobs: [`-j${how.alone === true ? 1 : jobs}`], options: common }
          : { shell: WITH_POOL, jobs: [], options: withClient(common, client) };
      const all = [...drawing.shell, ...this.#arguments, ...drawing.jobs, ...targets];
      const result = await this.#place.run('/bin/sh', all, {
        ...drawing.options,
        onLine: (line) => {
          output.push(line);
          this.#options.onLine?.(line);
        },
      });
      signal?.throwIfAborted();
      if (result.exitCode !== 0) throw this.#failure(targets[0] ?? '', output, result.tail);
    } finally {
      client?.release();
    }
  }

  details(lines: readonly string[]): { lines: readonly string[]; log?: string } {
    return { lines, ...(this.#options.log === undefined ? {} : { log: this.#options.log }) };
  }

  #failure(target: string, output: MakeOutput, tail: readonly string[]): KilnError {
    const details = this.details(output.errors.length > 0 ? output.errors : tail.slice(-20));
    const missing = output.missing[0];
    if (missing === undefined) {
      return new KilnError('failed', `make ${target} of Linux ${this.#release} failed`, details);
    }
    const twin = caseTwin(this.#place.top, missing);
    return new KilnError('failed', `${missing} is missing from the tree of Linux ${this.#release}`, {
      ...details,
      hint:
        twin === undefined
          ? 'get the source again from its tarball, or look for the patch that removed the file'
          : `only ${twin} is there: the source went through a file system that folds case; get it from its tarball`,
    });
  }
}

/** Whether the toolchain's make is of that version or later. */
export function isMake({ makeVersion }: Toolchain, major: number, minor: number): boolean {
  const [, has = 0, hasMinor = 0] = /(\d+)\.(\d+)/.exec(makeVersion)?.map(Number) ?? [];
  return has > major || (has === major && hasMinor >= minor);
}
