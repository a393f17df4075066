import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CardsOfModule, cardsOf22, claimsByName } from '../../../src/kernel/modules/cards-of-2.2.ts';
import { niclist, nicPrecedence } from '../../../src/kernel/modules/niclist.ts';
import { freshDirectory } from '../../support/kiln.ts';

test('every line of the list has ids in the form of a niclist, each once', () => {
  for (const { module, ids, source } of cardsOf22()) {
    expect(
      ids.filter((id) => !/^[0-9a-f]{4}:[0-9a-f]{4}$/.test(id)),
      module,
    ).toEqual([]);
    expect(new Set(ids).size, module).toBe(ids.length);
    expect(source, module).toMatch(/^2\.(?:2\.\d+|4)$/);
  }
});

test('a niclist of 2.2 has the modules of the build alone, and says what it was made from', () => {
  const made = ['net/ne2k-pci.o', 'net/pcnet32.o', 'net/lance.o', 'net/slip.o', 'misc/rtl8139.o'];
  const modules = made.map((path) => ({ path, name: path.replace(/^.*\/|\.o$/g, '') }));
  const lines = niclist(claimsByName(modules, cardsOf22()), '2.2.17', nicPrecedence(), 'by name')?.split(
    '\n',
  );
  expect(lines?.slice(0, 2)).toEqual([
    '# Network cards by PCI id, and the modules of 2.2.17 for them; the first match wins.',
    expect.stringContaining('nic-2.2.tsv'),
  ]);
  expect(lines?.filter((line) => line.startsWith('10'))).toEqual([
    '1022:2000 pcnet32',
    expect.stringMatching(/^1022:2000 lance {2}# pcnet32 has it: /),
    '1022:2001 pcnet32',
    '1050:0940 ne2k-pci',
    '1050:5a5a ne2k-pci',
    '10bd:0e34 ne2k-pci',
    '10ec:8029 ne2k-pci',
  ]);
});

test('a build without modules for network cards on PCI has no niclist', () => {
  const modules = claimsByName([{ path: 'net/3c509.o', name: '3c509' }], cardsOf22());
  expect(niclist(modules, '2.2.17', nicPrecedence(), 'by name')).toBeUndefined();
});

const tarball = join(process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror'), 'linux-2.2.17.tar');
const there = existsSync(tarball);

/** The sources of 2.2.17's network drivers, and the kernel's names for ids. */
function sourcesOf22(): { text: (file: string) => string; remove: () => void } {
  const directory = freshDirectory('drivers-2.2');
  const wanted = ['*/drivers/net/*', '*/include/linux/pci.h'];
  spawnSync('tar', ['xf', tarball, '-C', directory, '--strip-components=1', '--wildcards', ...wanted]);
  const text = (file: string) =>
    existsSync(join(directory, file)) ? readFileSync(join(directory, file), 'latin1') : '';
  return { text, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** The ids of a line that its driver's source does not have, as a number or by a name that the source uses. */
function missingIds({ module, ids }: CardsOfModule, text: (file: string) => string): string[] {
  const own = ['.c', '.h', '_es4h.h'].map((end) => text(`drivers/net/${module}${end}`)).join('');
  const used = new Set(own.match(/\b[A-Z][A-Z0-9_]+(?:x_DID)?\b/g));
  const numbers = new Set((own.match(/\b0x[0-9a-fA-F]+\b/g) ?? []).map(Number));
  for (const [, name = '', value] of text('include/linux/pci.h').matchAll(
    /#define\s+(\w+)\s+(0x[0-9a-fA-F]+)/g,
  )) {
    if (used.has(name)) numbers.add(Number(value));
  }
  const has = (vendor: number, device: number) =>
    // dmfe compares both at once; de4x5's numbers are shifted by a byte.
    numbers.has(device * 0x10000 + vendor) ||
    (numbers.has(vendor) && (numbers.has(device) || numbers.has(device << 8)));
  return ids.filter((id) => {
    const [vendor = 0, device = 0] = id.split(':').map((digits) => Number.parseInt(digits, 16));
    return !has(vendor, device);
  });
}

test.skipIf(!there)(
  there ? 'the ids are those that the drivers of 2.2.17 compare with' : 'skipped: no linux-2.2.17 tarball',
  () => {
    const { text, remove } = sourcesOf22();
    try {
      const lines = cardsOf22().filter(({ source }) => source === '2.2.17');
      expect(lines.map((line) => [line.module, ...missingIds(line, text)])).toEqual(
        lines.map(({ module }) => [module]),
      );
    } finally {
      remove();
    }
  },
);
