import { describe, expect, test } from 'vitest';
import { resolve } from '../../../src/kconfig/cml1/resolve.ts';
import { loadTree, parseBase, resolveConfig } from '../../../src/kconfig/index.ts';
import { KilnError } from '../../../src/platform/errors.ts';
import { treeOf } from './trees.ts';

function resolveText(configIn: string, base = ''): string {
  const { dotConfig } = resolve(
    loadTree(treeOf({ 'arch/i386/config.in': configIn }), 'i386'),
    parseBase(base, 'base'),
  );
  return dotConfig.replace(/^#\n# Automatically.*\n#\n/, '');
}

function fault(files: Record<string, string>, base = ''): KilnError {
  try {
    resolveConfig({ reader: treeOf(files), arch: 'i386', base, requested: [] });
  } catch (error) {
    if (error instanceof KilnError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const MODULES = "bool 'Modules' CONFIG_MODULES\n";

describe('questions', () => {
  test('an option nobody asked for is n', () => {
    expect(resolveText("bool 'A' CONFIG_A\n")).toBe('# CONFIG_A is not set\n');
  });

  test('bool makes y of m', () => {
    expect(resolveText("bool 'A' CONFIG_A\n", 'CONFIG_A=m\n')).toBe('CONFIG_A=y\n');
  });

  test('tristate is a bool while there are no modules', () => {
    expect(resolveText("tristate 'A' CONFIG_A\n", 'CONFIG_A=m\n')).toBe('CONFIG_A=y\n');
    expect(resolveText(`${MODULES}tristate 'A' CONFIG_A\n`, 'CONFIG_A=m\nCONFIG_MODULES=y\n')).toContain(
      'CONFIG_A=m\n',
    );
  });

  test('dep_tristate gives m at most below a module, dep_bool n, dep_mbool y', () => {
    const text = resolveText(
      `${MODULES}tristate 'A' CONFIG_A\ndep_tristate 'B' CONFIG_B $CONFIG_A\ndep_bool 'C' CONFIG_C $CONFIG_A\ndep_mbool 'D' CONFIG_D $CONFIG_A\n`,
      'CONFIG_MODULES=y\nCONFIG_A=m\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\n',
    );
    expect(text).toBe('CONFIG_MODULES=y\nCONFIG_A=m\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=y\n');
  });

  test('a dependency that was never set does not count', () => {
    expect(resolveText("dep_bool 'A' CONFIG_A $CONFIG_NOWHERE\n", 'CONFIG_A=y\n')).toBe('CONFIG_A=y\n');
  });

  test('int, hex and string take the old value, else their default', () => {
    const configIn = "int 'A' CONFIG_A 5\nhex 'B' CONFIG_B 300\nstring 'C' CONFIG_C \"a  b\"\n";
    expect(resolveText(configIn)).toBe('CONFIG_A=5\nCONFIG_B=0x300\nCONFIG_C="a  b"\n');
    expect(resolveText(configIn, 'CONFIG_A=7\nCONFIG_B=0x1f\nCONFIG_C="x"\n')).toBe(
      'CONFIG_A=7\nCONFIG_B=0x1f\nCONFIG_C="x"\n',
    );
  });

  test('exactly one member of a choice is y: the last that was, else the default', () => {
    const choice = 'choice \'Which\' \\\n\t"One CONFIG_ONE \\\n\t Two/Deux CONFIG_TWO" Deux\n';
    expect(resolveText(choice)).toBe('# CONFIG_ONE is not set\nCONFIG_TWO=y\n');
    expect(resolveText(choice, 'CONFIG_ONE=y\n')).toBe('CONFIG_ONE=y\n# CONFIG_TWO is not set\n');
    expect(resolveText(choice, 'CONFIG_ONE=y\nCONFIG_TWO=y\n')).toContain('CONFIG_TWO=y\n');
  });

  test('unset forgets a value', () => {
    const configIn =
      'bool \'A\' CONFIG_A\nunset CONFIG_A\nif [ "$CONFIG_A" = "y" ]; then\ndefine_bool CONFIG_B y\nfi\n';
    expect(resolveText(configIn, 'CONFIG_A=y\n')).toBe('CONFIG_A=y\n');
  });

  test('a value that the question never accepts is refused, where oldconfig would ask for ever', () => {
    const error = fault({ 'arch/i386/config.in': "\nint 'A' CONFIG_A 5\n" }, 'CONFIG_A=y\n');
    expect(error).toMatchObject({ kind: 'invalid', place: { file: 'arch/i386/config.in', line: 2 } });
  });
});

describe('conditions', () => {
  test.each([
    ['"$CONFIG_A" = "y"', true],
    ['"$CONFIG_A" != "y"', false],
    ['! "$CONFIG_A" = "y"', false],
    ['"$CONFIG_A" = "n" -o "$CONFIG_B" = "m"', true],
    ['"$CONFIG_A" = "y" -a "$CONFIG_B" = "y"', false],
    ['"$CONFIG_A" = "y" -o "$CONFIG_A" = "n" -a "$CONFIG_B" = "n"', true],
    ['-n "$CONFIG_A"', true],
    ['-z "$CONFIG_C"', true],
    ['"$CONFIG_C"', false],
    ['"$ARCH" = "i386"', true],
    ['"$CONFIG_A" == "$CONFIG_D"', true],
  ])('[ %s ] is %s', (words, outcome) => {
    const text = resolveText(
      `if [ ${words} ]; then\n  define_bool CONFIG_X y\nelse\n  define_bool CONFIG_X n\nfi\n`,
      'CONFIG_A=y\nCONFIG_B=m\nCONFIG_D=y\n',
    );
    expect(text).toBe(outcome ? 'CONFIG_X=y\n' : '# CONFIG_X is not set\n');
  });

  test('continuation lines, then on a line of its own, comments behind words, && and elif', () => {
    const text = resolveText(
      'if [ "$CONFIG_A" = "n" -o \\\n     "$CONFIG_B" = "y" ] && \\\n   [ "$CONFIG_A" = "y" ]\nthen # a remark\n  define_bool CONFIG_X y\nelif [ "$CONFIG_A" = "y" ]; then\n  define_bool CONFIG_X n\nfi # the end\n',
      'CONFIG_A=y\n',
    );
    expect(text).toBe('# CONFIG_X is not set\n');
  });
});

describe('hostile input ends in a sentence with file and line', () => {
  const arch = 'arch/i386/config.in';

  test.each([
    ['a command', "bool 'A' CONFIG_A\ntouch /tmp/kiln-was-here\n", 2],
    ['a backquote in a prompt', 'bool "`reboot`" CONFIG_A\n', 1],
    ['$( ) in a prompt', 'bool "$(reboot)" CONFIG_A\n', 1],
    ['$( ) outside quotes', 'define_bool CONFIG_A $(reboot)\n', 1],
    ['a pipe', "comment 'x' | sh\n", 1],
    ['a redirection', "comment 'x' > /etc/passwd\n", 1],
    ['a background job', "\ncomment 'x' & reboot\n", 2],
    ['a file test', 'if [ -f /etc/passwd ]; then\nfi\n', 1],
    ['a quote that is not closed', "\ncomment 'x\n", 2],
    ['an if without fi', 'if [ "$A" = "y" ]; then\n', 2],
    ['a fi without if', '\n\nfi\n', 3],
    ['a symbol that is none', "bool 'A' CONFIG_A-B\n", 1],
    ['a line of a million characters', `\n${`comment '${'x'.repeat(1_000_000)}'`}\n`, 2],
    ['ifs 1000 deep', `${'if [ "$A" = "y" ]; then\n'.repeat(1000)}${'fi\n'.repeat(1000)}`, 101],
    ['a source that leaves the tree', 'source ../../etc/passwd\n', 1],
    ['an absolute source', 'source /etc/passwd\n', 1],
    ['a file that sources itself', `\nsource ${arch}\n`, 2],
  ])('%s', (_name, text, line) => {
    expect(fault({ [arch]: text })).toMatchObject({ kind: 'invalid', place: { file: arch, line } });
  });

  test('a circle of files', () => {
    const error = fault({
      [arch]: 'source a/Config.in\n',
      'a/Config.in': 'source b/Config.in\n',
      'b/Config.in': '\nsource a/Config.in\n',
    });
    expect(error).toMatchObject({ kind: 'invalid', place: { file: 'b/Config.in', line: 2 } });
    expect(error.message).toContain('a/Config.in -> b/Config.in -> a/Config.in');
  });

  test('files that source each other twice, forty deep', () => {
    const files: Record<string, string> = { [arch]: 'source d0/Config.in\n' };
    for (let depth = 0; depth < 30; depth += 1) {
      files[`d${depth}/Config.in`] = `source d${depth + 1}/Config.in\nsource d${depth + 1}/Config.in\n`;
    }
    files['d30/Config.in'] = "bool 'A' CONFIG_A\n";
    expect(fault(files)).toMatchObject({ kind: 'invalid' });
  });

  test('a file of 100 MB', () => {
    expect(fault({ [arch]: 'x'.repeat(100 << 20) })).toMatchObject({
      kind: 'invalid',
      place: { file: arch },
    });
  });

  test('shell code in a base configuration', () => {
    expect(fault({ [arch]: '' }, 'CONFIG_A=y\nrm -rf /\n')).toMatchObject({ place: { line: 2 } });
    expect(fault({ [arch]: '' }, 'CONFIG_A="$(reboot)"\n')).toMatchObject({ place: { line: 1 } });
  });

  test('a default that would be expanded by the shell', () => {
    expect(fault({ [arch]: "string 'A' CONFIG_A 'a$HOME'\n" })).toMatchObject({ place: { line: 1 } });
  });
});

test('a sourced file that is missing is passed over, as oldconfig does, and listed', () => {
  const tree = loadTree(treeOf({ 'arch/i386/config.in': 'source drivers/gone/Config.in\n' }), 'i386');
  expect(tree.missing).toMatchObject([{ path: 'drivers/gone/Config.in', line: 1 }]);
});

test('behind an if without a statement the file is passed over, as by the shell, and that is told', () => {
  const configIn = `bool 'A' CONFIG_A
if [ "$CONFIG_A" = "y" ]; then
  bool 'B' CONFIG_B
  if [ "$CONFIG_B" = "y" ]; then
    # nothing
  fi
fi
bool 'C' CONFIG_C
`;
  const reader = treeOf({
    'arch/i386/config.in': "source x/Config.in\nbool 'D' CONFIG_D\n",
    'x/Config.in': configIn,
  });
  const tree = loadTree(reader, 'i386');
  expect(tree.broken).toEqual([{ kind: 'broken', file: 'x/Config.in', line: 6 }]);
  const { dotConfig } = resolve(tree, parseBase('CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\n', 'base'));
  expect(dotConfig.match(/CONFIG_\w+/g)).toEqual(['CONFIG_A', 'CONFIG_D']);
});

test('a configuration that each pass changes again does not settle', () => {
  const configIn =
    'if [ "$CONFIG_A" = "y" ]; then\ndefine_bool CONFIG_A n\nelse\ndefine_bool CONFIG_A y\nfi\n';
  const input = {
    reader: treeOf({ 'arch/i386/config.in': configIn }),
    arch: 'i386',
    base: '',
    requested: [],
  };
  expect(() => resolveConfig({ ...input, settle: true })).toThrow('CONFIG_A');
});
