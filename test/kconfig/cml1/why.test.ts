import { expect, test } from 'vitest';
import {
  describeSymbol,
  investigate,
  loadTree,
  parseBase,
  parseFragment,
  resolveConfig,
  showAssignment,
  solve,
} from '../../../src/kconfig/index.ts';
import { treeOf } from './trees.ts';

const reader = treeOf({
  Makefile: 'VERSION = 2\nPATCHLEVEL = 4\nSUBLEVEL = 26\n',
  'arch/i386/config.in': `mainmenu_option next_comment
comment 'General'
bool 'Modules' CONFIG_MODULES
bool 'Unfinished things' CONFIG_EXPERIMENTAL
choice 'Processor' "Old CONFIG_OLD New CONFIG_NEW" Old
endmenu
source drivers/Config.in
`,
  'drivers/Config.in': `mainmenu_option next_comment
comment 'Drivers'
tristate 'RAM disk' CONFIG_RAM
dep_bool '  Initial RAM disk' CONFIG_INITRD $CONFIG_RAM
dep_tristate 'Half done' CONFIG_HALF $CONFIG_EXPERIMENTAL
if [ "$CONFIG_EXPERIMENTAL" = "y" ]; then
   bool 'Deep' CONFIG_DEEP
   if [ "$CONFIG_DEEP" = "y" ]; then
      bool 'Deeper' CONFIG_DEEPER
   fi
fi
if [ "$CONFIG_NEW" = "y" ]; then
   define_bool CONFIG_FAST y
else
   define_bool CONFIG_FAST n
fi
define_bool CONFIG_SHADOW $CONFIG_RAM
endmenu
`,
  'Documentation/Configure.help':
    'Initial RAM disk\nCONFIG_INITRD\n  Loaded by the\n  boot loader.\n\nNext\nCONFIG_NEXT\n  No.\n',
});
const tree = loadTree(reader, 'i386');
const base = 'CONFIG_MODULES=y\nCONFIG_OLD=y\n';

function why(fragment: string, symbol: string): string | undefined {
  const { options } = parseFragment(fragment, 'f.config');
  const { audit } = resolveConfig({ tree, base, requested: options });
  return audit.requested.find((entry) => entry.symbol === symbol)?.why;
}

function solved(fragment: string): string[] | undefined {
  const { options } = parseFragment(fragment, 'f.config');
  return solve({ tree, base: parseBase(base, 'base'), requested: options })?.options.map(showAssignment);
}

test('an unmet dependency is named with its statement, its value, and who asked for that', () => {
  expect(why('CONFIG_RAM=m\nCONFIG_INITRD=y\n', 'CONFIG_INITRD')).toBe(
    'dep_bool at drivers/Config.in:4 needs CONFIG_RAM=y, which is m from f.config:1',
  );
});

test('a question that was not reached is named with the condition that failed', () => {
  expect(why('CONFIG_DEEPER=y\n', 'CONFIG_DEEPER')).toBe(
    'bool at drivers/Config.in:9 is reached only if CONFIG_EXPERIMENTAL=y (drivers/Config.in:6); CONFIG_EXPERIMENTAL is n (nothing asks for it)',
  );
});

test('a definition is named with its condition', () => {
  expect(why('CONFIG_FAST=y\n', 'CONFIG_FAST')).toBe(
    'define_bool at drivers/Config.in:15 sets it to n unless CONFIG_NEW=y (drivers/Config.in:12)',
  );
  expect(why('CONFIG_SHADOW=y\n', 'CONFIG_SHADOW')).toBe(
    'define_bool at drivers/Config.in:17 sets it to CONFIG_RAM, which is n (nothing asks for it)',
  );
});

test('a choice is named with the member that won', () => {
  expect(why('CONFIG_OLD=y\nCONFIG_NEW=y\n', 'CONFIG_OLD')).toBe(
    "choice 'Processor' at arch/i386/config.in:5 takes one of its members, and took CONFIG_NEW, which is y from f.config:2",
  );
});

test('m is explained where only y and n are known, and where there are no modules', () => {
  expect(why('CONFIG_EXPERIMENTAL=m\n', 'CONFIG_EXPERIMENTAL')).toContain('knows y and n only');
  expect(why('CONFIG_RAM=m\n# CONFIG_MODULES is not set\n', 'CONFIG_RAM')).toContain(
    'needs CONFIG_MODULES'.replace('needs', 'takes m only with'),
  );
});

test('an unknown symbol suggests the nearest ones, or the patch that would bring it', () => {
  expect(why('CONFIG_INTRD=y\n', 'CONFIG_INTRD')).toContain('did you mean CONFIG_INITRD?');
  expect(why('CONFIG_MOSIX=y\n', 'CONFIG_MOSIX')).toContain('the patch openMosix');
  expect(why('CONFIG_MOSIX_FS=y\n', 'CONFIG_MOSIX_FS')).toContain('dropped MFS and DFSA with 2.4.26');
});

test('explain tells prompt, place, menus, dependencies with their values, dependents and help', () => {
  const known = investigate(tree, parseBase(base, 'base'), []);
  expect(describeSymbol(known, 'CONFIG_INITRD', reader)).toEqual({
    symbol: 'CONFIG_INITRD',
    value: 'n',
    standing: 'n: dep_bool at drivers/Config.in:4 needs CONFIG_RAM=y, which is n (nothing asks for it)',
    statements: [
      {
        at: 'dep_bool at drivers/Config.in:4',
        prompt: 'Initial RAM disk',
        menus: ['Drivers'],
        dependsOn: [
          { needs: 'CONFIG_RAM', at: 'drivers/Config.in:4', symbols: [{ symbol: 'CONFIG_RAM', value: 'n' }] },
        ],
      },
    ],
    dependents: [],
    selectedBy: [],
    help: 'Loaded by the\nboot loader.',
  });
  expect(describeSymbol(known, 'CONFIG_EXPERIMENTAL', reader).dependents).toEqual([
    'CONFIG_DEEP',
    'CONFIG_DEEPER',
    'CONFIG_HALF',
  ]);
});

test('solve finds the fewest further options, through several levels', () => {
  expect(solved('CONFIG_INITRD=y\n')).toEqual(['CONFIG_RAM=y']);
  expect(solved('CONFIG_DEEPER=y\n')).toEqual(['CONFIG_EXPERIMENTAL=y', 'CONFIG_DEEP=y']);
  expect(solved('CONFIG_FAST=y\n')).toEqual(expect.arrayContaining(['CONFIG_NEW=y']));
  expect(solved('CONFIG_RAM=y\n')).toEqual([]);
});

test('solve never contradicts what is asked for, and says when there is no way', () => {
  expect(solved('CONFIG_INITRD=y\nCONFIG_RAM=m\n')).toBeUndefined();
  expect(solved('CONFIG_GONE=y\n')).toBeUndefined();
});
