import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { diffBundles, differences, sectionSizes } from '../../src/bundle/diff.ts';
import { type BundleDifference, findBundle } from '../../src/bundle/index.ts';
import { homeAt } from '../../src/platform/home.ts';
import { kiln, sampleHome } from '../support/kiln.ts';

let root: string;
// As a hook: who comes first builds the sample, and the others wait for it, for longer than a test may take.
beforeAll(async () => {
  root = await sampleHome();
});

describe('kiln diff', () => {
  it('names the symbols, fragments and modules that differ between two variants, and nothing that does not', async () => {
    const id = (variant: string) => readdirSync(join(root, 'bundles/sample', variant))[0] ?? '';
    const ran = await kiln(['diff', id('ne2k'), id('all'), '--home', root, '--json']);
    const difference = JSON.parse(ran.stdout) as BundleDifference;
    expect(difference.config).toContainEqual({ symbol: 'CONFIG_8139TOO', from: expect.anything(), to: 'm' });
    expect(difference.toolchain).toEqual([]);
    expect(difference.inputs.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['fragment nic/ne2k-pci', 'fragment sample/all-modules.config']),
    );
    expect(difference.inputs.map(({ name }) => name)).not.toContain('kernel');
    expect(difference.modules).toContainEqual({
      name: 'kernel/drivers/net/8139too.o',
      from: null,
      to: expect.any(Number),
    });
    const text = (await kiln(['diff', id('ne2k'), id('all'), '--home', root])).stdout;
    expect(text).toMatch(/^--- .*\n\+\+\+ .*\n/);
    expect(text).toMatch(/^ {2}\+ kernel\/drivers\/net\/8139too\.o \(\d+ bytes\)$/m);
    const same = await findBundle(homeAt(root), id('all'));
    const { from, to, ...nothing } = await diffBundles(same, same);
    expect(from).toBe(to);
    expect(Object.values(nothing).flat()).toEqual([]);
  });

  it('reads the sizes of the parts of a kernel from its System.map', () => {
    const map = [
      'c0100000 T _text',
      'c0180000 T _etext',
      'c01a0000 D _edata',
      'c01b0000 B __bss_start',
      'c01c0000 A _end',
    ];
    expect([...sectionSizes(`${map.join('\n')}\n`)]).toEqual([
      ['text', 0x80000],
      ['data', 0x20000],
      ['bss', 0x10000],
      ['whole', 0xc0000],
    ]);
  });

  it('leaves out what is the same', () => {
    const one = new Map([
      ['a', 1],
      ['b', 2],
    ]);
    const other = new Map([
      ['b', 3],
      ['c', 4],
    ]);
    expect(differences(one, one)).toEqual([]);
    expect(differences(one, other)).toEqual([
      { name: 'a', from: 1, to: null },
      { name: 'b', from: 2, to: 3 },
      { name: 'c', from: null, to: 4 },
    ]);
  });
});
