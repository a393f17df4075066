import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseConfigIn } from '../../src/kconfig/cml1/parser.ts';
import {
  loadKbuildTree,
  mergeFragments,
  parseBase,
  parseDotConfig,
  parseFragment,
  resolveConfig,
} from '../../src/kconfig/index.ts';
import { KilnError } from '../../src/platform/errors.ts';
import { treeOf } from './cml1/trees.ts';

/** Text made of what the languages are made of, so that it gets past the first word. */
const pieces = fc.constantFrom(
  ...[
    'bool',
    'if',
    'then',
    'else',
    'fi',
    '[',
    ']',
    'choice',
    'source',
    'config',
    'menu',
    'endmenu',
    'depends on',
  ],
  ...[
    "'a b'",
    '"c"',
    '"',
    "'",
    '\\',
    '$',
    '${',
    '$(',
    '`',
    '#',
    ';',
    '&&',
    '||',
    '=',
    '!=',
    '-a',
    '-o',
    '!',
    '(',
    ')',
  ],
  ...[
    'CONFIG_A',
    '$CONFIG_A',
    '"$CONFIG_A"',
    'CONFIG_A=y',
    '# CONFIG_A is not set',
    'y',
    '\n',
    '\n',
    ' ',
    '\t',
    '\r',
  ],
);
const soup = fc
  .array(fc.oneof(pieces, fc.string({ maxLength: 5 })), { maxLength: 60 })
  .map((all) => all.join(' '));

function endsWell(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(KilnError);
    expect((error as KilnError).place?.line).toBeGreaterThan(0);
  }
}

test('any text at all is read, or refused with file and line', () => {
  fc.assert(
    fc.property(soup, (text) => {
      endsWell(() => parseConfigIn(text, 'Config.in'));
      endsWell(() => parseFragment(text, 'a.config'));
      endsWell(() => parseBase(text, '.config'));
      endsWell(() => loadKbuildTree(treeOf({ Kconfig: text }), 'i386'));
    }),
    { numRuns: 3000 },
  );
});

const value = fc.constantFrom('y', 'm', 'n', '12', '0x1f', '"a text"');
const lines = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 30 }), value), { selector: ([number]) => number })
  .map((all) => all.map(([number, want]) => `CONFIG_S${number}=${want}\n`).join(''));

test('what fragments ask for is in the merged text, and the rest of the base is kept', () => {
  fc.assert(
    fc.property(lines, lines, (base, fragment) => {
      const merged = parseDotConfig(mergeFragments(base, [parseFragment(fragment, 'f')]).config);
      expect(merged).toEqual(new Map([...parseDotConfig(base), ...parseDotConfig(fragment)]));
    }),
  );
});

test('a settled configuration is one that resolving again does not change', () => {
  const tree = treeOf({
    'arch/i386/config.in': `bool 'M' CONFIG_MODULES
dep_tristate 'A' CONFIG_A $CONFIG_B $CONFIG_C
dep_bool 'B' CONFIG_B $CONFIG_C
if [ "$CONFIG_D" != "n" ]; then
  tristate 'C' CONFIG_C
fi
dep_mbool 'D' CONFIG_D $CONFIG_A
`,
  });
  const symbols = ['MODULES', 'A', 'B', 'C', 'D'];
  const base = fc
    .tuple(...symbols.map(() => fc.constantFrom('y', 'm', 'n', '')))
    .map((values) =>
      values.map((each, index) => (each === '' ? '' : `CONFIG_${symbols[index]}=${each}\n`)).join(''),
    );
  fc.assert(
    fc.property(base, (text) => {
      const input = { reader: tree, arch: 'i386', requested: [] };
      const settled = resolveConfig({ ...input, base: text, settle: true });
      expect(resolveConfig({ ...input, base: settled.dotConfig }).dotConfig).toBe(settled.dotConfig);
    }),
  );
});
