import { expect, test } from 'vitest';
import { FAMILIES, familyFor } from '../../src/kernel/families.ts';

test.each(['2.4.0', '2.4.22', '2.4.37.11', '2.4.99'])('%s is a kernel of the 2.4 family', (version) => {
  expect(familyFor(version).name).toBe('linux-2.4-i386');
});

test.each(['2.6.24', '2.6.39.4', '3.7.10', '6.1.192', '6.1.0-rc3', '10.0.0'])(
  '%s is a kernel of the Kconfig age',
  (version) => {
    expect(familyFor(version)).toMatchObject({ name: 'linux-kbuild-i386', language: 'kconfig' });
  },
);

test.each(['2.3.99', '2.40.1', '2.5.75', '2.6.240', '6.1', ''])(
  '%j is refused, and what there is is named',
  (version) => {
    expect(() => familyFor(version)).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        hint: expect.stringContaining('2.2.x on i386, 2.4.x on i386, 2.6.24 and later on i386'),
      }),
    );
  },
);

test.each(['2.6.0', '2.6.9', '2.6.23'])('%s can be configured and not built', (version) => {
  expect(() => familyFor(version)).toThrow(/can be configured here and not built/);
});

test('another architecture is refused', () => {
  expect(() => familyFor('2.4.22', 'alpha')).toThrow(/2\.4\.22 on alpha/);
});

test('every flag and variable has a reason', () => {
  const all = FAMILIES.flatMap((family) => [
    ...family.compilerFlags,
    ...family.assemblerFlags,
    ...(family.shell === undefined ? [] : [family.shell]),
    ...family.variables,
    ...family.options,
  ]);
  expect(all.filter(({ reason }) => reason.length < 10)).toEqual([]);
});
