import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { limitHere, openCrowd } from './crowd.ts';
import { hasErrno, KilnError } from './errors.ts';
import { temporaryBeside } from './files.ts';
import { baseEnvironment, type RunOptions, type RunResult, run } from './process.ts';

/**
 * How steps are kept from the machine: by bubblewrap, by a container, not at all because it can't be had, or not at all
 * on demand.
 */
export type SandboxKind = 'bubblewrap' | 'container' | 'none' | 'off';

/** A place that programs of a kernel tree run in. */
export interface Sandbox {
  readonly kind: SandboxKind;
  /** Where a program sees `directory`, the directory that the sandbox was opened on. */
  readonly seenAs: string;
  /** The program that /bin/sh is there, where the sandbox has seen to it. */
  readonly sh?: string;
  /** The path that a program sees for a path below `directory`. */
  inside(path: string): string;
  /** As `run` of process.ts; `cwd` and arguments are as seen inside. */
  run(command: string, args: readonly string[], options?: SandboxRunOptions): Promise<RunResult>;
}

export interface SandboxRunOptions extends RunOptions {
  /** Files and directories besides `directory` that are seen inside, under their own names. */
  readonly writable?: readonly string[];
}

/** Where every tree is built: one path on every machine, so that what holds a path is the same everywhere. */
export const BUILD_ROOT = '/build';

/** Far above what a make with many jobs needs, far below what brings a machine down. */
const MOST_PROCESSES = 256 + 16 * availableParallelism();
/** The kernel's limit is a little higher: who reaches it is seen to have more than it needs. */
const ROOM = MOST_PROCESSES + 64;
const GUARD_MS = 100;
/** Where a program is looked for inside: nobody's own directories are there. */
const INSIDE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where steps find programs, in a sandbox or without: the system's come first, whatever else a user has put before them. */
export function stepPath(): string {
  return [INSIDE_PATH, baseEnvironment().PATH].join(':');
}

/** System directories that compilers and scripts need, read-only. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt'];
/** The little of /etc that programs are found by. */
const SETTINGS = ['/etc/alternatives', '/etc/ld.so.cache', '/etc/ld.so.conf', '/etc/ld.so.conf.d'];

export interface BubblewrapOptions {
  /** Where the directory is seen; /build by default. */
  readonly root?: string;
  /** Further directories that are seen inside, read-only (a compiler outside /usr). */
  readonly visible?: readonly string[];
  /** Names in the directory that can be written to; all of it by default. */
  readonly writable?: readonly string[];
  /** A shell of this machine's that is to be /bin/sh inside, where that can be had. */
  readonly sh?: string;
  /** The root of another system whose /usr, /bin, /lib ... are seen in the place of this machine's. */
  readonly system?: string;
}

/** A sandbox that is none: programs run as they are, in the directory itself. */
export function openAir(kind: 'none' | 'off', directory: string): Sandbox {
  return {
    kind,
    seenAs: directory,
    inside: (path) => path,
    run: (command, args, options) => run(command, args, options),
  };
}

/**
 * A sandbox by bubblewrap: no network, the system read-only, `directory` at /build the one thing that can be
 * written to besides a /tmp of its own, processes of its own that end with the first of them, and nobody's
 * environment. A program that starts far more processes than a build needs is stopped.
 * @param directory its real path
 */
export function bubblewrap(directory: string, options: BubblewrapOptions = {}): Sandbox {
  const { root = BUILD_ROOT, visible = [], writable: parts, system = '/' } = options;
  const sh = system === '/' && options.sh !== undefined ? shAs(options.sh) : undefined;
  const inside = (path: string) => {
    if (path === directory) return root;
    if (!path.startsWith(`${directory}/`)) throw new Error(`${path} is not seen in the sandbox`);
    return root + path.slice(directory.length);
  };
  return {
    kind: 'bubblewrap',
    seenAs: root,
    ...(sh === undefined ? {} : { sh: sh.program }),
    inside,
    run: (command, args, given = {}) => {
      const { env, cwd, writable = [], ...rest } = given;
      const wrapped = [
        ...walls(system, directory, root, visible, parts, writable, sh?.binds),
        ...Object.entries({ ...(env ?? baseEnvironment()), PATH: INSIDE_PATH }).flatMap(([name, value]) => [
          '--setenv',
          name,
          value,
        ]),
        '--chdir',
        cwd ?? root,
        '--',
        '/bin/sh',
        '-c',
        `${limitHere(ROOM)}; exec "$0" "$@"`,
        command,
        ...args,
      ];
      return runGuarded(directory, wrapped, rest);
    },
  };
}

/**
 * Whether bubblewrap is there and can do its work; if not, why.
 * @param directory one to look into: root in a sandbox gets at nothing that another user keeps to himself
 */
export async function bubblewrapFault(directory = '/usr'): Promise<string | undefined> {
  const folders = (baseEnvironment().PATH ?? '').split(':');
  if (!folders.some((folder) => existsSync(join(folder, 'bwrap')))) return 'bubblewrap is not installed';
  const result = await run('bwrap', [...walls('/', directory, BUILD_ROOT, [], [], []), '--', 'true'], {
    timeoutMs: 10_000,
  });
  if (result.exitCode === 0) return undefined;
  return `bubblewrap does not work here: ${result.tail.at(-1) ?? `exit ${result.exitCode}`}`;
}

function walls(
  system: string,
  directory: string,
  root: string,
  visible: readonly string[],
  parts: readonly string[] | undefined,
  writable: readonly string[],
  shell: readonly string[] = [],
): string[] {
  const binds = (paths: readonly string[]) =>
    paths.filter((path) => existsSync(path)).flatMap((path) => ['--ro-bind', path, path]);
  return [
    '--unshare-all',
    '--unshare-user',
    '--uid',
    '1000',
    '--gid',
    '1000',
    '--hostname',
    'kiln',
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    '--clearenv',
    ...[...SYSTEM, ...SETTINGS].flatMap((path) => seen(system, path)),
    ...shell,
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--tmpfs',
    '/tmp',
    // After /tmp, which they may be below.
    ...binds(visible),
    ...(parts === undefined
      ? ['--bind', directory, root]
      : [
          '--ro-bind',
          directory,
          root,
          ...parts.flatMap((part) => ['--bind', join(directory, part), join(root, part)]),
        ]),
    ...writable.flatMap((path) => ['--bind', path, path]),
    '--remount-ro',
    '/',
  ];
}

/**
 * How a program gets the place of /bin/sh: of the file itself, or of the one in /bin that it is a link to. Any other
 * place is another system's way of having a shell, and stays as it is.
 */
function shAs(program: string): { readonly program: string; readonly binds: readonly string[] } | undefined {
  const stats = lstatSync('/bin/sh', { throwIfNoEntry: false });
  if (stats === undefined || !existsSync(program)) return undefined;
  const place = stats.isSymbolicLink() ? resolve('/bin', readlinkSync('/bin/sh')) : '/bin/sh';
  if (place === program) return { program, binds: [] };
  if (dirname(place) !== '/bin' || lstatSync(place).isSymbolicLink()) return undefined;
  return { program, binds: ['--ro-bind', program, place] };
}

/** How a path of a system is seen inside. In another system a link stays one, and leads to where it does there. */
function seen(system: string, path: string): string[] {
  const real = join(system, path);
  const stats = lstatSync(real, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  return system !== '/' && stats.isSymbolicLink()
    ? ['--symlink', readlinkSync(real), path]
    : ['--ro-bind', real, path];
}

/**
 * Runs bubblewrap and counts what runs in it. The kernel stops what grows too fast to be counted, as far as it can: a
 * control group for root, RLIMIT_NPROC for everybody else.
 */
async function runGuarded(
  directory: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const crowd = new AbortController();
  const signal =
    options.signal === undefined ? crowd.signal : AbortSignal.any([options.signal, crowd.signal]);
  const told = temporaryBeside(join(directory, 'info'));
  const group = openCrowd(ROOM);
  const guard = setInterval(() => {
    if (countProcesses(told) > MOST_PROCESSES) crowd.abort();
  }, GUARD_MS);
  try {
    const enter = 'echo $$ >"$1" && shift && exec bwrap --info-fd 9 "$@" 9>"$0"';
    const result = await run('/bin/sh', ['-c', enter, told, group?.procs ?? '/dev/null', ...args], {
      ...options,
      signal,
      // Whoever is in the sandbox can't ignore the end of it: there is nothing to wait for.
      graceMs: 0,
    });
    if (!crowd.signal.aborted && group?.wasFull() !== true) return result;
    throw new KilnError('failed', `a step of the build started more than ${MOST_PROCESSES} processes`, {
      lines: result.tail.slice(-20),
      hint: 'it was stopped with all that it had started; look for a rule in its Makefiles that calls itself',
      ...(options.log === undefined ? {} : { log: options.log }),
    });
  } finally {
    clearInterval(guard);
    group?.close();
    rmSync(told, { force: true });
  }
}

/** Processes in the sandbox whose first process bubblewrap has written to the file `told` (bwrap(1), --info-fd). */
function countProcesses(told: string): number {
  try {
    const pid = /"child-pid": (\d+)/.exec(readFileSync(told, 'latin1'))?.[1];
    if (pid === undefined) return 0;
    return readdirSync(`/proc/${pid}/root/proc`).filter((name) => /^\d+$/.test(name)).length;
  } catch (error) {
    // It has ended meanwhile.
    if (hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) return 0;
    throw error;
  }
}
