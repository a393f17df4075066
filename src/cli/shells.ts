import { allCommands, type CommandNode, type OptionNode, type WordKind } from './tree.ts';

/**
 * Completion scripts by shell. All three work alike: they walk the words typed so far to the command that is
 * being typed (skipping the values of options), then offer what may come there: a value of the option before,
 * a command, an option, or an argument.
 */
export const SHELLS: Readonly<Record<string, (root: CommandNode) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

const HEAD = '# Made by `kiln completion` from the command tree.\n';

/** `kiln build --home` -> what follows it; the top's options are known everywhere. */
function valuedOptions(root: CommandNode): { at: string; kind: WordKind }[] {
  return allCommands(root).flatMap((command) =>
    command.options.flatMap(({ names, value }) =>
      value === undefined
        ? []
        : names.map((name) => ({ at: `${command === root ? '*' : command.path} ${name}`, kind: value })),
    ),
  );
}

/** Patterns of a shell's `case`: quoted, but for the star of the options that are known everywhere. */
function pattern(at: string): string {
  return at.startsWith('* ') ? `*${quote(at.slice(1))}` : quote(at);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function optionsOf(command: CommandNode, root: CommandNode): readonly OptionNode[] {
  return command === root ? root.options : [...command.options, ...root.options];
}

/** Walks `words` (an array of the shell) to the command; sets `at`, the last word `prev`, and `count` of arguments. */
function walk(root: CommandNode): string {
  const steps = allCommands(root).flatMap((command) => command.commands.map(({ path }) => quote(path)));
  const skips = valuedOptions(root).map(({ at }) => pattern(at));
  return `  local at=kiln prev= skip= count=0 word
  for word in "\${words[@]}"; do
    if [[ -n $skip ]]; then skip=; prev=; continue; fi
    case "$at $word" in
      ${steps.join('|')}) at="$at $word"; count=0 ;;
      ${skips.join('|')}) skip=1; prev=$word; continue ;;
      *' -'*) ;;
      *) count=$((count + 1)) ;;
    esac
    prev=
  done`;
}

/** Sets `kind` to what may be typed: after an option that takes a value, or as the command's next argument. */
function kinds(root: CommandNode): string {
  const values = valuedOptions(root).map(
    ({ at, kind }) => `    ${pattern(at)}) kind=${quote(spell(kind))} ;;`,
  );
  const given = allCommands(root).flatMap((command) =>
    command.arguments.map(({ kind, variadic }, index) => {
      const count = variadic ? '*' : `' ${index}'`;
      return `    ${quote(command.path)}${variadic ? `' '${count}` : count}) kind=${quote(spell(kind))} ;;`;
    }),
  );
  return `  local kind=
  if [[ -n $prev ]]; then case "$at $prev" in
${values.join('\n')}
  esac; else case "$at $count" in
${given.join('\n')}
  esac; fi`;
}

function spell(kind: WordKind): string {
  if (kind.type === 'choices') return kind.choices.join(' ');
  if (kind.type === 'names') return `@${kind.names}`;
  return kind.type === 'anything' ? '' : `@${kind.type}`;
}

function bashCompletion(root: CommandNode): string {
  const offers = allCommands(root).map((command) => {
    const commands = command.commands.map(({ name }) => name).join(' ');
    const options = optionsOf(command, root)
      .flatMap(({ names }) => names)
      .join(' ');
    return `    ${quote(command.path)}) commands=${quote(commands)} options=${quote(`${options} --help`)} ;;`;
  });
  return `${HEAD}_kiln() {
  # Taken from the line itself: bash would break words at ":" and "=".
  local line=\${COMP_LINE:0:COMP_POINT} words cur=
  read -ra words <<<"$line"
  if [[ $line != *[[:space:]] ]]; then cur=\${words[-1]}; unset 'words[-1]'; fi
  local program=\${words[0]}
  words=("\${words[@]:1}")
${walk(root)}
${kinds(root)}
  local commands= options= offer=
  case "$at" in
${offers.join('\n')}
  esac
  local before=
  [[ $cur == *[:=]* ]] && before=\${cur%"\${cur##*[:=]}"}
  local homes=() i
  for ((i = 0; i + 1 < \${#words[@]}; i++)); do [[ \${words[i]} == --home ]] && homes=(--home "\${words[i + 1]}"); done
  case "$kind" in
    @directory) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
    @file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    @*) offer=$("$program" "\${homes[@]}" completion --words "\${kind#@}" 2>/dev/null) ;;
    *) offer=$kind ;;
  esac
  if [[ -z $prev ]]; then
    offer="$offer $commands"
    [[ $cur == -* ]] && offer=$options
  fi
  mapfile -t COMPREPLY < <(compgen -W "$offer" -- "$cur")
  COMPREPLY=("\${COMPREPLY[@]#"$before"}")
}
complete -F _kiln kiln ./kiln
`;
}

function zshCompletion(root: CommandNode): string {
  const describe = (name: string, description: string) =>
    quote(`${name.replaceAll(':', '\\:')}:${description}`);
  const offers = allCommands(root).map((command) => {
    const commands = command.commands.map(({ name, description }) => describe(name, description));
    const options = optionsOf(command, root).flatMap(({ names, description }) =>
      names.map((name) => describe(name, description)),
    );
    return `    ${quote(command.path)}) commands=(${commands.join(' ')}) options=(${options.join(' ')}) ;;`;
  });
  return `#compdef kiln
${HEAD}_kiln() {
  local program=$words[1] cur=$words[CURRENT]
  local -a typed=("\${(@)words[2,CURRENT-1]}") homes
  local i=\${typed[(I)--home]}
  ((i > 0 && i < $#typed)) && homes=(--home "$typed[i+1]")
  local -a words=("\${typed[@]}")
${walk(root)}
${kinds(root)}
  local -a commands options names
  case "$at" in
${offers.join('\n')}
  esac
  if [[ -z $prev && $cur == -* ]]; then _describe -o option options; return; fi
  case "$kind" in
    @directory) _files -/ ;;
    @file) _files ;;
    @*) names=("\${(@f)$("$program" "\${homes[@]}" completion --words "\${kind#@}" 2>/dev/null)}"); compadd -a names ;;
    *) names=("\${(@s: :)kind}"); compadd -a names ;;
  esac
  [[ -n $prev ]] || _describe command commands
}
if [[ $funcstack[1] == _kiln ]]; then _kiln "$@"; else compdef _kiln kiln; fi
`;
}

function fishCompletion(root: CommandNode): string {
  const steps = allCommands(root).flatMap((command) => command.commands.map(({ path }) => quote(path)));
  const skips = valuedOptions(root).map(({ at }) => quote(at));
  const offered = (kind: WordKind): string => {
    if (kind.type === 'choices') return `-xa ${quote(kind.choices.join(' '))}`;
    if (kind.type === 'names') return `-xa '(__kiln_words ${kind.names})'`;
    if (kind.type === 'directory') return "-xa '(__fish_complete_directories)'";
    return kind.type === 'file' ? '-rF' : '-x';
  };
  const lines = allCommands(root).flatMap((command) => {
    const here = command === root ? '' : ` -n "__kiln_at ${quote(command.path)}"`;
    return [
      ...command.commands.map(
        ({ name, description }) =>
          `complete -c kiln -n "__kiln_at ${quote(command.path)}" -a ${quote(name)} -d ${quote(description)}`,
      ),
      ...command.options.map(({ names, value, description }) => {
        const [long, short] = names;
        const flags = `-l ${long?.slice(2)}${short === undefined ? '' : ` -s ${short.slice(1)}`}`;
        return `complete -c kiln${here} ${flags}${value === undefined ? '' : ` ${offered(value)}`} -d ${quote(description)}`;
      }),
      ...command.arguments.flatMap(({ kind, variadic }, index) => {
        const when = variadic ? '' : ` ${index}`;
        const how = offered(kind);
        if (how === '-x') return [];
        return `complete -c kiln -n "__kiln_at ${quote(command.path)}${when}" ${how === '-rF' ? '-F' : how.replace('-xa', '-a')}`;
      }),
    ];
  });
  return `${HEAD}function __kiln_at
    # True at this command, and before this argument where a number is given.
    set -l words (commandline -opc)[2..]
    set -l at kiln
    set -l skip
    set -l count 0
    for word in $words
        if test -n "$skip"
            set skip
            continue
        end
        switch "$at $word"
            case ${steps.join(' ')}
                set at "$at $word"
                set count 0
            case ${skips.join(' ')}
                set skip 1
            case '* -*'
            case '*'
                set count (math $count + 1)
        end
    end
    test "$at" = "$argv[1]"; and begin
        test (count $argv) -eq 1; or test $count -eq $argv[2]
    end
end
function __kiln_words
    set -l words (commandline -opc)
    set -l home
    if set -l i (contains -i -- --home $words); and test $i -lt (count $words)
        set home --home $words[(math $i + 1)]
    end
    $words[1] $home completion --words $argv[1] 2>/dev/null
end
complete -c kiln -f
${lines.join('\n')}
`;
}
