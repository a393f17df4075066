import { type Command, Option } from 'commander';
import { findTools, installCommand, installTools } from '../platform/hosttools.ts';
import type { ToolNeed } from '../platform/tool-list.ts';
import { contextOf } from './context.ts';
import { note, print, printJson, styled, table } from './output.ts';
import { stopSignal } from './signals.ts';

/** Which tools each purpose takes. */
const PURPOSES: Readonly<Record<string, readonly ToolNeed[]>> = {
  build: ['build', 'gate', 'optional'],
  test: ['build', 'gate', 'optional', 'test'],
};

const WORDS: Readonly<Record<ToolNeed, string>> = {
  build: 'needed',
  gate: 'for the boot gate',
  optional: 'optional',
  test: 'for tests',
};

export function registerDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('list the host tools, their versions and what each is for')
    .option('--install-tools', 'install what is missing with apt-get, as root or by sudo')
    .addOption(
      new Option('--for <PURPOSE>', 'what the machine is for').choices(['build', 'test']).default('build'),
    )
    .addHelpText('after', '\nExits with 3 when a tool that builds need is missing.')
    .action(async (options: { installTools?: boolean; for: string }) => {
      process.exitCode = await runDoctor(command, options);
    });
}

async function runDoctor(
  command: Command,
  options: { installTools?: boolean; for: string },
): Promise<number> {
  const { json } = await contextOf(command);
  const needs = PURPOSES[options.for] ?? [];
  if (options.installTools === true) await installTools(needs, note, stopSignal());
  const found = await findTools(needs);
  const missing = found.filter(({ path }) => path === undefined).map(({ tool }) => tool);
  // The machine serves its purpose without what only saves time.
  const ok = missing.every(({ need }) => need === 'optional' || (need === 'gate' && options.for === 'build'));
  if (json) {
    printJson({
      tools: found.map(({ tool, path, version }) => ({
        name: tool.name,
        package: tool.package,
        need: tool.need,
        purpose: tool.purpose,
        path: path ?? null,
        version: version ?? null,
      })),
      ok,
    });
    return ok ? 0 : 3;
  }
  const rows = found.map(({ tool, path, version }) => [
    tool.name,
    path === undefined ? 'missing' : (version ?? 'there'),
    tool.package,
    WORDS[tool.need],
    tool.purpose,
  ]);
  print(
    table(['TOOL', 'VERSION', 'PACKAGE', 'NEED', 'PURPOSE'], rows, (cell, column, row) => {
      if (row === -1) return styled('bold', cell, process.stdout);
      return column === 1 && cell === 'missing' ? styled('red', cell, process.stdout) : cell;
    }),
  );
  if (missing.length > 0) {
    print(
      `\nTo install what is missing: ${installCommand(missing).join(' ')}\n(or kiln doctor --install-tools)`,
    );
  }
  return ok ? 0 : 3;
}
