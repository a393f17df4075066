import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { KilnError } from './errors.ts';
import { findCommand } from './hosttools.ts';
import { baseEnvironment, type RunResult, run } from './process.ts';
import { BUILD_ROOT, type BubblewrapOptions, type Sandbox } from './sandbox.ts';

/** A program that runs containers, and an image of its store. */
export interface ContainerImage {
  readonly engine: 'podman' | 'docker';
  /** As the recipe names it. */
  readonly name: string;
  /** The image's own id: what is run is what was looked at, whatever the name points to meanwhile. */
  readonly id: string;
}

/** What engines find their store and their daemon by. */
const PASSED_ON = ['HOME', 'DOCKER_HOST', 'DOCKER_CONTEXT', 'CONTAINER_HOST', 'XDG_RUNTIME_DIR', 'TMPDIR'];

/**
 * Finds an image in the store of podman, else of docker; nothing is ever pulled.
 * @throws KilnError `tool` where neither is installed or one does not answer, `usage` where none has such an image
 */
export async function findImage(name: string): Promise<ContainerImage> {
  const engines: ContainerImage['engine'][] = [];
  for (const engine of ['podman', 'docker'] as const) {
    if ((await findCommand(engine)) !== undefined) engines.push(engine);
  }
  const refusals: { engine: string; absent: boolean; lines: readonly string[] }[] = [];
  for (const engine of engines) {
    const asked = await run(engine, ['image', 'inspect', '--format', '{{.Id}}', name], {
      env: engineEnvironment(),
      capture: true,
      timeoutMs: 60_000,
    });
    const id = asked.stdout.toString('utf8').trim();
    if (asked.exitCode === 0 && id !== '') return { engine, name, id };
    const absent = /no such image|not known/i.test(asked.tail.join('\n'));
    refusals.push({ engine, absent, lines: asked.tail.slice(-3).map((line) => `${engine}: ${line}`) });
  }
  const [first] = refusals;
  if (first === undefined) {
    throw new KilnError(
      'tool',
      `toolchain.container is ${name}, and neither podman nor docker is installed`,
      {
        hint: 'apt-get install podman',
      },
    );
  }
  const { engine, absent } = refusals.find((one) => one.absent) ?? first;
  throw new KilnError(
    absent ? 'usage' : 'tool',
    absent ? `${engine} has no image ${name}` : `${engine} does not answer`,
    {
      lines: refusals.flatMap(({ lines }) => lines),
      hint: absent ? `${engine} pull ${name}; a build fetches no image` : `see what ${engine} info says`,
    },
  );
}

/** Runs a program in a container without network that sees nothing of this machine. */
export function runInImage(image: ContainerImage, args: readonly string[]): Promise<RunResult> {
  return run(image.engine, [...runArguments(image, []), image.id, ...args], {
    env: engineEnvironment(),
    capture: true,
    timeoutMs: 60_000,
  });
}

/**
 * A sandbox by podman or docker: the image is the system, read-only; no network; `directory` at /build the one thing
 * that can be written to. A step that is stopped takes its container with it.
 * @param directory its real path
 */
export function container(
  image: ContainerImage,
  directory: string,
  options: Pick<BubblewrapOptions, 'root' | 'visible'> = {},
): Sandbox {
  const { root = BUILD_ROOT, visible = [] } = options;
  const inside = (path: string) => {
    if (path === directory) return root;
    if (!path.startsWith(`${directory}/`)) throw new Error(`${path} is not seen in the container`);
    return root + path.slice(directory.length);
  };
  return {
    kind: 'container',
    seenAs: root,
    inside,
    run: async (command, args, given = {}) => {
      const { env = baseEnvironment(), cwd = root, writable = [], ...rest } = given;
      const name = `kiln-${process.pid}-${randomBytes(6).toString('hex')}`;
      // Where programs are is the image's affair.
      const { PATH: _hosts, ...passed } = env;
      const wrapped = [
        ...runArguments(image, [
          `--name=${name}`,
          `--volume=${directory}:${root}`,
          ...visible.map((path) => `--volume=${path}:${path}:ro`),
          ...writable.map((path) => `--volume=${path}:${path}`),
          `--workdir=${cwd}`,
          ...(rest.input === undefined ? [] : ['--interactive']),
          ...Object.entries(passed).map(([key, value]) => `--env=${key}=${value}`),
        ]),
        image.id,
        command,
        ...args,
      ];
      const result = await run(image.engine, wrapped, { ...rest, env: engineEnvironment() });
      // Docker's containers are not its client's children, and outlive it.
      if (result.aborted || result.timedOut) await remove(image, name);
      return result;
    },
  };
}

function runArguments({ engine }: ContainerImage, more: readonly string[]): string[] {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  return [
    'run',
    '--rm',
    '--pull=never',
    '--network=none',
    '--read-only',
    '--tmpfs=/tmp',
    '--cap-drop=ALL',
    '--security-opt=no-new-privileges',
    '--entrypoint=',
    // Engines set limits of their own, above what not everybody may have.
    ...LIMITS.map(limit),
    // What is written belongs to who builds.
    `--user=${uid}:${gid}`,
    ...(engine === 'podman' && uid !== 0 ? ['--userns=keep-id'] : []),
    ...more,
  ];
}

/** Far above what a make with many jobs needs; podman asks for no more than the number of process ids. */
const MOST = 16_384;
const LIMITS = [
  ['nofile', 'Max open files'],
  ['nproc', 'Max processes'],
] as const;

/** This process's own limit where that is lower. */
function limit([name, line]: (typeof LIMITS)[number]): string {
  const own = new RegExp(`^${line} +\\S+ +(\\d+)`, 'm').exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  const value = Math.min(MOST, Number(own ?? MOST));
  return `--ulimit=${name}=${value}:${value}`;
}

async function remove(image: ContainerImage, name: string): Promise<void> {
  await run(image.engine, ['rm', '--force', name], { env: engineEnvironment(), timeoutMs: 60_000 });
}

function engineEnvironment(): Record<string, string> {
  const passed = PASSED_ON.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...baseEnvironment(), ...Object.fromEntries(passed) };
}
