import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { KilnError } from './errors.ts';
import { baseEnvironment, type RunOptions, run, runOnTerminal } from './process.ts';
import { HOST_TOOLS, type HostTool, type ToolNeed } from './tool-list.ts';

/** A tool as found on this machine. */
export interface FoundTool {
  readonly tool: HostTool;
  /** undefined: not installed. */
  readonly path: string | undefined;
  readonly version: string | undefined;
}

/** Looks for the tools of some needs, with their versions. */
export async function findTools(needs: readonly ToolNeed[]): Promise<FoundTool[]> {
  return Promise.all(
    HOST_TOOLS.filter((tool) => needs.includes(tool.need)).map(async (tool) => {
      const path = await findTool(tool);
      return { tool, path, version: path === undefined ? undefined : await versionOf(tool, path) };
    }),
  );
}

/** The path of a command on the PATH, or undefined. */
export async function findCommand(name: string): Promise<string | undefined> {
  const directories = [...(baseEnvironment().PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  for (const directory of directories) {
    if (directory === '') continue;
    const path = join(directory, name);
    if (await isThere(path, constants.X_OK)) return path;
  }
  return undefined;
}

async function findTool(tool: HostTool): Promise<string | undefined> {
  if (tool.files === undefined) return findCommand(tool.name);
  for (const file of tool.files) if (await isThere(file, constants.R_OK)) return file;
  return undefined;
}

async function isThere(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false;
  }
}

async function versionOf(tool: HostTool, path: string): Promise<string | undefined> {
  if (tool.files !== undefined) return undefined;
  const result = await run(path, tool.version ?? ['--version'], { timeoutMs: 10_000 });
  const line = result.tail.find((text) => /\d/.test(text));
  return line === undefined ? undefined : /\d+(\.\d+)+/.exec(line)?.[0];
}

/**
 * Makes sure that every tool that a build needs is there, before anything is built.
 * @throws KilnError `tool` that names all that are missing and the command that installs them.
 */
export async function requireTools(needs: readonly ToolNeed[]): Promise<void> {
  const missing = await missingOf(HOST_TOOLS.filter(({ need }) => needs.includes(need)));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name).join(', ');
  throw new KilnError('tool', `missing on this machine: ${names}`, {
    lines: missing.map(({ name, purpose }) => `${name}: ${purpose}`),
    hint: `${installCommand(missing).join(' ')} (or add --install-tools)`,
  });
}

/**
 * Makes sure that tools which only some recipes need are there.
 * @param user who needs them, as the sentence's end: `kernels from 2.6 on`
 * @throws KilnError `tool` that names all that are missing and the command that installs them.
 */
export async function requireToolsOf(names: readonly string[], user: string): Promise<void> {
  const missing = await missingOf(HOST_TOOLS.filter(({ name }) => names.includes(name)));
  if (missing.length === 0) return;
  throw new KilnError(
    'tool',
    `missing on this machine: ${missing.map(({ name }) => name).join(', ')}, for ${user}`,
    { hint: installCommand(missing).join(' ') },
  );
}

async function missingOf(tools: readonly HostTool[]): Promise<HostTool[]> {
  const paths = await Promise.all(tools.map(findTool));
  return tools.filter((_tool, index) => paths[index] === undefined);
}

/** The command that installs some tools' packages. */
export function installCommand(tools: readonly HostTool[]): string[] {
  const packages = [...new Set(tools.map((tool) => tool.package))].sort();
  const sudo = process.getuid?.() === 0 ? [] : ['sudo'];
  return [...sudo, 'apt-get', 'install', '-y', '--no-install-recommends', ...packages];
}

/**
 * Installs what is missing with apt-get, as root or by sudo.
 * @param say told what will be installed before it is, and what apt-get prints
 * @returns the tools that were installed
 * @throws KilnError `tool` when apt-get is not there or fails
 */
export async function installTools(
  needs: readonly ToolNeed[],
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<HostTool[]> {
  const missing = (await findTools(needs)).filter(({ path }) => path === undefined).map(({ tool }) => tool);
  if (missing.length === 0) return [];
  const command = installCommand(missing);
  say(`installing ${missing.map((tool) => tool.name).join(', ')}: ${command.join(' ')}`);
  const env = { ...baseEnvironment(), DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, timeoutMs: 900_000, ...(signal === undefined ? {} : { signal }) };
  const [first = '', ...rest] = command;
  const updating = command.slice(0, command.indexOf('install')).concat('update', '-q');
  const [updater = '', ...updateArgs] = updating;
  await aptGet(updater, updateArgs, options);
  await aptGet(first, rest, options);
  return missing;
}

async function aptGet(
  command: string,
  args: readonly string[],
  options: RunOptions & { readonly env: Readonly<Record<string, string>> },
): Promise<void> {
  options.signal?.throwIfAborted();
  // sudo asks for a password on the terminal that it finds itself on.
  const asks = command === 'sudo' && process.stdin.isTTY;
  const { exitCode, tail } = asks
    ? { exitCode: await runOnTerminal(command, args, options.env), tail: [] }
    : await run(command, args, options);
  options.signal?.throwIfAborted();
  if (exitCode === 0) return;
  throw new KilnError('tool', `${[command, ...args].join(' ')} failed (exit ${exitCode})`, {
    lines: tail.slice(-20),
    hint: 'install the packages by hand, then run the command again',
  });
}
