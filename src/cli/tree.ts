import type { Argument, Command, Option } from 'commander';

/** What a word of the command line may be, for shells that complete it. */
export type WordKind =
  | { readonly type: 'choices'; readonly choices: readonly string[] }
  /** `kiln completion --words` lists them. */
  | { readonly type: 'names'; readonly names: NameKind }
  | { readonly type: 'directory' | 'file' | 'anything' };

/** Names that a home or the recipes know. */
export const NAME_KINDS = ['recipes', 'bundles', 'channels', 'jobs'] as const;
export type NameKind = (typeof NAME_KINDS)[number];

export interface OptionNode {
  /** `--home`, and `-f` where there is one. */
  readonly names: readonly string[];
  /** As help shows it: `-f, --follow`, `--home <DIR>`. */
  readonly flags: string;
  readonly description: string;
  /** undefined: it takes no value. */
  readonly value: WordKind | undefined;
}

export interface ArgumentNode {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly kind: WordKind;
}

/** A command as its help describes it: what completions and the man page are made of. */
export interface CommandNode {
  readonly name: string;
  /** `kiln queue add` */
  readonly path: string;
  readonly usage: string;
  readonly description: string;
  readonly arguments: readonly ArgumentNode[];
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
  /** What help says after the options: examples, notes. */
  readonly after: string;
}

/** Describes a command and all below it; help itself is the same everywhere and left out. */
export function describeTree(command: Command, above = ''): CommandNode {
  const path = `${above} ${command.name()}`.trim();
  return {
    name: command.name(),
    path,
    usage: `${path} ${command.usage()}`.trim(),
    description: command.description(),
    arguments: command.registeredArguments.map(argumentNode),
    options: command.options.filter(({ hidden }) => !hidden).map(optionNode),
    commands: command
      .createHelp()
      .visibleCommands(command)
      .filter(isOwn)
      .map((one) => describeTree(one, path)),
    after: textAfter(command),
  };
}

/** Every command of a tree, the top first. */
export function allCommands(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(allCommands)];
}

function isOwn(command: Command): boolean {
  return command.name() !== 'help';
}

function argumentNode(argument: Argument): ArgumentNode {
  return {
    name: argument.name(),
    description: argument.description,
    required: argument.required,
    variadic: argument.variadic,
    kind: kindOf(argument.name(), argument.argChoices),
  };
}

function optionNode(option: Option): OptionNode {
  const takesValue = option.required || option.optional;
  return {
    names: [option.long, option.short].filter((name) => name !== undefined && name !== null),
    flags: option.flags,
    description: option.description,
    value: takesValue ? kindOf(/[<[](.*?)[>\]]/.exec(option.flags)?.[1] ?? '', option.argChoices) : undefined,
  };
}

/** Placeholders are written alike in all commands: `RECIPE[:VARIANT]`, `DIR`, `CHANNEL`. */
function kindOf(placeholder: string, choices: readonly string[] | undefined): WordKind {
  if (choices !== undefined) return { type: 'choices', choices };
  const words = placeholder.split(/[^A-Z]+/);
  const has = (...wanted: string[]) => wanted.some((word) => words.includes(word));
  if (has('RECIPE')) return { type: 'names', names: 'recipes' };
  if (has('BUNDLE')) return { type: 'names', names: 'bundles' };
  if (has('CHANNEL', 'FROM', 'TO')) return { type: 'names', names: 'channels' };
  if (has('JOB')) return { type: 'names', names: 'jobs' };
  if (has('DIR')) return { type: 'directory' };
  if (has('FILE', 'PATH', 'PATCH', 'KEY')) return { type: 'file' };
  return { type: 'anything' };
}

/** Commander has no call for the text that `addHelpText` adds: it is what help prints beyond its own part. */
function textAfter(command: Command): string {
  const { writeOut } = command.configureOutput();
  let whole = '';
  command.configureOutput({
    writeOut(part) {
      whole += part;
    },
  });
  command.outputHelp();
  if (writeOut !== undefined) command.configureOutput({ writeOut });
  return whole.slice(command.helpInformation().length).trim();
}
