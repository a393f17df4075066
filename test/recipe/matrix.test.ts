import { describe, expect, test } from 'vitest';
import { parseRecipe } from '../../src/recipe/load.ts';
import { expandVariant } from '../../src/recipe/variants.ts';

const HEAD = `name: demo
kernel: { version: 2.4.99, source: { urls: [linux.tar] } }
channel: demo/{variant}
config: { fragments: [netboot] }
`;

const AXES = `${HEAD}variants:
  axes:
    nic:
      rtl8139: { fragments: [nic/8139too], boot: { nic: rtl8139 } }
      ne2k: { fragments: [nic/ne2k-pci], boot: { nic: ne2k_pci } }
    cpu:
      586: { fragments: [cpu/586] }
      686: { fragments: [cpu/686], options: { CONFIG_SMP: y } }
    initrd:
      ext2:
      small: { initrd: { size: 1000 } }
  exclude:
    - { nic: ne2k, cpu: 686 }
    - { nic: rtl8139, cpu: [586, 686], initrd: small }
  include:
    - { when: { nic: rtl8139, cpu: 686 }, options: { CONFIG_SMP: n }, boot: { memory: 128 } }
    - { name: all, fragments: [nic/all-modules] }
`;

const names = (text: string) => Object.keys(parseRecipe(text, 'demo.yaml').recipe.variants);

describe('variants', () => {
  test('as axes: every point is one, less what is excluded, plus what is included', () => {
    expect(names(AXES)).toEqual([
      'rtl8139-586-ext2',
      'rtl8139-686-ext2',
      'ne2k-586-ext2',
      'ne2k-586-small',
      'all',
    ]);
  });

  test('a point has what its values bring, in the order of the axes, and what is included for it', () => {
    const variant = expandVariant(parseRecipe(AXES, 'demo.yaml'), 'rtl8139-686-ext2');
    expect(variant.fragments.map(({ name }) => name)).toEqual(['netboot', 'nic/8139too', 'cpu/686']);
    expect(variant.options).toEqual([
      { symbol: 'CONFIG_SMP', value: 'n', path: ['variants', 'include', 0, 'options', 'CONFIG_SMP'] },
    ]);
    expect(variant.boot).toEqual({ nic: 'rtl8139', memory: 128 });
    expect(variant.channel).toBe('demo/rtl8139-686-ext2');
    expect(expandVariant(parseRecipe(AXES, 'demo.yaml'), 'ne2k-586-small').initrd.size).toBe(1000);
  });

  test('a fragment is blamed where it is written, not where it ends up', () => {
    const loaded = parseRecipe(AXES, 'demo.yaml');
    const [, nic] = expandVariant(loaded, 'ne2k-586-ext2').fragments;
    expect(loaded.placeOf(nic?.path ?? [])).toEqual({ file: 'demo.yaml', line: 9, column: 27 });
  });

  test('as a list', () => {
    const list = `${HEAD}variants:\n  - { name: one, fragments: [nic/8139too] }\n  - { name: two }\n`;
    expect(names(list)).toEqual(['one', 'two']);
    const variant = expandVariant(parseRecipe(list, 'demo.yaml'), 'one');
    expect(variant.fragments.map(({ name }) => name)).toEqual(['netboot', 'nic/8139too']);
  });

  test.each([
    [
      'an axis that there is not',
      '    - { nic: ne2k, cpu: 686 }',
      '    - { card: ne2k }',
      'there is no axis card',
      17,
    ],
    [
      'a value that an axis has not',
      'nic: ne2k, cpu: 686',
      'nic: ne2k, cpu: 486',
      'axis cpu has no value 486',
      17,
    ],
    ['an include of neither kind', 'name: all, ', '', 'variants.include.1: expected either name or when', 21],
    [
      'a name that is there twice',
      'name: all',
      'name: ne2k-586-small',
      'variant ne2k-586-small is there twice',
      21,
    ],
    [
      'two axes that decide one option',
      '    initrd:\n',
      '    smp:\n      up: { options: { CONFIG_SMP: n } }\n    initrd:\n',
      'CONFIG_SMP is n here and y in cpu.686',
      14,
    ],
  ])('%s is named with its place', (_what, from, to, sentence, line) => {
    const text = AXES.replace(from, to);
    const attempt = () => parseRecipe(text, 'demo.yaml');
    expect(attempt).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        message: sentence,
        place: expect.objectContaining({ line }),
      }),
    );
  });
});
