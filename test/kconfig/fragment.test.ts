import { expect, test } from 'vitest';
import { parseFragment } from '../../src/kconfig/index.ts';
import { KilnError } from '../../src/platform/errors.ts';

function fault(text: string): KilnError {
  try {
    parseFragment(text, 'kconfig/a.config');
  } catch (error) {
    if (error instanceof KilnError) return error;
  }
  throw new Error('the fragment was accepted');
}

test('a fragment holds y, m, n, text and numbers, and knows its lines', () => {
  const { options } = parseFragment(
    '# head\n\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D="a b"\nCONFIG_E=12\nCONFIG_F=0x1F\n',
    'a.config',
  );
  expect(options.map(({ symbol, want, line }) => [symbol, want, line])).toEqual([
    ['CONFIG_A', 'y', 3],
    ['CONFIG_B', 'm', 4],
    ['CONFIG_C', 'n', 5],
    ['CONFIG_D', '"a b"', 6],
    ['CONFIG_E', '12', 7],
    ['CONFIG_F', '0x1F', 8],
  ]);
});

test('a comment directly above an option stays with it; an empty line parts them', () => {
  const { options } = parseFragment('# far\n\n# near\n# nearer\nCONFIG_A=y\nCONFIG_B=y\n', 'a.config');
  expect(options.map(({ comments }) => comments)).toEqual([['# near', '# nearer'], []]);
});

test('an override comment marks the option below it and no other', () => {
  const { options } = parseFragment('# override: two processors\nCONFIG_SMP=y\nCONFIG_B=y\n', 'a.config');
  expect(options.map(({ override }) => override)).toEqual([true, false]);
});

test('an override comment above no option is refused with its place', () => {
  expect(fault('CONFIG_A=y\n# override: why\n\nCONFIG_B=y\n')).toMatchObject({
    kind: 'invalid',
    place: { file: 'kconfig/a.config', line: 2 },
  });
  expect(fault('# override: why')).toMatchObject({ place: { line: 1 } });
});

test.each([
  ['CONFIG_A=Y'],
  ['CONFIG_A='],
  ['CONFIG_A=yes'],
  ['CONFIG_A="$(reboot)"'],
  ['CONFIG_A="`reboot`"'],
  ['CONFIG_A="a"b"'],
  ['FOO=y'],
  ['A=y'],
  ['touch /tmp/x'],
  ['# CONFIG_A is not needed here'],
  [`CONFIG_A="${'x'.repeat(5000)}"`],
])('%s is refused with file and line', (line) => {
  expect(fault(`\n${line}\n`)).toMatchObject({
    kind: 'invalid',
    place: { file: 'kconfig/a.config', line: 2 },
  });
});

test('lines may end as on Windows', () => {
  expect(parseFragment('CONFIG_A=y\r\n', 'a').options).toMatchObject([{ symbol: 'CONFIG_A', want: 'y' }]);
});
