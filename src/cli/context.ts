import { statSync } from 'node:fs';
import { delimiter } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseRemotes } from '../ccache/remote.ts';
import type { SourceChoices } from '../pipeline/inputs.ts';
import type { BuildRequest } from '../pipeline/run.ts';
import { KilnError } from '../platform/errors.ts';
import { type Home, refuseImpossible } from '../platform/home.ts';
import { type Flags, homeFrom, readSettings, type Setting, settingOf } from './settings.ts';

/** What every command gets from the options that all commands have. */
export interface Context {
  readonly home: Home;
  readonly json: boolean;
  readonly settings: readonly Setting[];
}

/** Settles the options that all commands have. */
export async function contextOf(command: Command, flags: Flags = {}): Promise<Context> {
  const options = command.optsWithGlobals<{ home?: string; json?: boolean; progress?: string }>();
  const { home } = homeFrom(options.home);
  await refuseImpossible(home);
  if (statSync(home.root, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw new KilnError('usage', `the home ${home.root} is not a directory`, {
      hint: 'name another with --home',
    });
  }
  const settings = await readSettings(home, { progress: options.progress, ...flags });
  return { home, json: options.json === true, settings };
}

/** Options `--mirror DIR` and `--source NAME=PATH`, each as often as wanted. */
export function addSourceOptions(command: Command): Command {
  return command
    .option(
      '--mirror <DIR>',
      'search DIR for every source by file name before the network is (default: $KILN_MIRROR)',
      collect,
    )
    .option(
      '--source <NAME=PATH>',
      "use a tarball, a file or a directory in a source's place; NAME is kernel or a patch's name",
      collectSource,
    );
}

/** What the options of `addSourceOptions` said. */
export interface SourceOptions {
  readonly mirror?: readonly string[];
  readonly source?: ReadonlyMap<string, string>;
}

export function sourceChoices(context: Context, options: SourceOptions): SourceChoices {
  return {
    mirrors: settingOf(context.settings, 'mirror')
      .split(delimiter)
      .filter((path) => path !== ''),
    substitutes: options.source ?? new Map(),
  };
}

/** The mirrors as one setting, the way $KILN_MIRROR has them. */
export function mirrorFlag(options: SourceOptions): Flags {
  return { mirror: options.mirror?.join(delimiter) };
}

/** `--sandbox=auto|off` */
export function sandboxOption(): Option {
  return new Option('--sandbox <MODE>', 'off: run steps without bubblewrap; the manifest says so').choices([
    'auto',
    'off',
  ]);
}

/** `--ccache=auto|off` */
export function ccacheOption(): Option {
  return new Option('--ccache <MODE>', 'off: compile without ccache').choices(['auto', 'off']);
}

/** How steps are to be run. @throws KilnError `usage` for a setting with another value than those there are */
export function workshopSettings(settings: readonly Setting[]): BuildRequest['workshop'] {
  return {
    sandbox: autoOrOff(settings, 'sandbox'),
    ccache: {
      use: autoOrOff(settings, 'ccache'),
      size: settingOf(settings, 'ccache-size'),
      remote: validRemotes(settingOf(settings, 'ccache-remote')),
    },
    clean: false,
  };
}

function validRemotes(value: string): string {
  parseRemotes(value, 'ccache-remote');
  return value;
}

function autoOrOff(settings: readonly Setting[], name: string): 'auto' | 'off' {
  const value = settingOf(settings, name);
  if (value === 'auto' || value === 'off') return value;
  throw new KilnError('usage', `${name} is ${JSON.stringify(value)}`, { hint: 'expected auto or off' });
}

/** A whole number from an option. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number from 1 on');
  return value;
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function collectSource(value: string, before: ReadonlyMap<string, string> | undefined): Map<string, string> {
  const equals = value.indexOf('=');
  if (equals <= 0 || equals === value.length - 1) {
    throw new InvalidArgumentError('expected NAME=PATH, e.g. kernel=linux-2.4.37.11.tar');
  }
  const name = value.slice(0, equals);
  if (before?.has(name) === true) {
    throw new KilnError('usage', `--source ${name}=... is given twice`, { hint: 'give it once' });
  }
  return new Map([...(before ?? []), [name, value.slice(equals + 1)]]);
}

/** Labels from an option: `arch=i386,kvm=no`. */
export function collectLabels(
  text: string,
  before: Readonly<Record<string, string>> | undefined,
): Record<string, string> {
  const labels: Record<string, string> = { ...before };
  for (const part of text.split(',')) {
    const [, name, value] = /^([\w.-]+)=([\w.+-]+)$/.exec(part) ?? [];
    if (name === undefined || value === undefined) {
      throw new InvalidArgumentError('expected LABEL=VALUE, e.g. arch=i386');
    }
    labels[name] = value;
  }
  return labels;
}
