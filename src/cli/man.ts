import type { Command } from 'commander';
import { print, printJson } from './output.ts';
import { SETTINGS } from './settings.ts';
import { allCommands, type CommandNode, describeTree } from './tree.ts';

export function registerMan(program: Command): void {
  const command = program
    .command('man')
    .description('print the manual page kiln(1)')
    .addHelpText(
      'after',
      `
Examples:
  kiln man | man -l -
  kiln man > /usr/local/share/man/man1/kiln.1`,
    )
    .action(() => {
      const page = manualPage(describeTree(program), program.version() ?? '');
      if (command.optsWithGlobals<{ json?: boolean }>().json === true) printJson({ page });
      else print(page);
    });
}

/** Pure: kiln(1) in the macros of man(7). */
export function manualPage(root: CommandNode, version: string): string {
  const commands = allCommands(root).slice(1);
  return [
    `.TH KILN 1 "" "Kiln ${version}" "Kiln"`,
    '.SH NAME',
    'kiln \\- kernel build pipeline and artifact factory',
    '.SH SYNOPSIS',
    `.B kiln\n${roff(root.usage.replace(/^kiln /, ''))}`,
    '.SH DESCRIPTION',
    roff(root.description),
    '.SH OPTIONS',
    'These count for every command.',
    ...root.options.map(({ flags, description }) => item(flags, description)),
    item('-h, --help', 'print help'),
    '.SH COMMANDS',
    ...commands.map(section),
    '.SH NOTES',
    verbatim(root.after),
    '.SH ENVIRONMENT',
    'A flag counts more, kiln.yaml in the home less.',
    item('KILN_HOME', 'where everything is written'),
    ...SETTINGS.map(({ variable, describe }) => item(variable, describe)),
    item('NO_COLOR', 'no colours'),
    item('SOURCE_DATE_EPOCH', 'the date in every artifact'),
    '.SH FILES',
    item('artifacts/', 'the home unless told otherwise'),
    item('HOME/kiln.yaml', 'settings, one a line: `jobs: 2`'),
    item('HOME/tftp/', 'what the TFTP server serves'),
    '',
  ].join('\n');
}

function section(node: CommandNode): string {
  return [
    `.SS "${roff(node.usage).replaceAll('"', '\\(dq')}"`,
    roff(sentence(node.description)),
    ...node.arguments.map(({ name, description }) => item(name, description)),
    ...node.options.map(({ flags, description }) => item(flags, description)),
    ...(node.after === '' ? [] : ['.PP', verbatim(node.after)]),
  ].join('\n');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function item(term: string, text: string): string {
  return `.TP\n.B ${roff(term)}\n${roff(text === '' ? '\u00a0' : text)}`;
}

/** Lines that stay as they are. */
function verbatim(text: string): string {
  return `.nf\n${text.split('\n').map(roff).join('\n')}\n.fi`;
}

/** Text in roff: a backslash and a hyphen are written out; a dot or a quote at the start of a line is no request. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('\u00a0', '\\ ')
    .replace(/^([.'])/gm, '\\&$1');
}
