import { expect, test } from 'vitest';
import { findNic, findQemu, NICS } from '../../src/boot/index.ts';
import { parseNics } from '../../src/boot/nics.ts';
import { run } from '../../src/platform/process.ts';

const qemu = await findQemu();

test('a card is found by model and by other names', () => {
  expect(findNic('rtl8139')).toMatchObject({ model: 'rtl8139', rom: true });
  expect(findNic('ne2k')).toBe(findNic('ne2k_pci'));
  expect(findNic('eepro100')).toMatchObject({ model: 'i82557b' });
});

test('no two cards share a name', () => {
  const names = NICS.flatMap(({ model, aliases }) => [model, ...aliases]);
  expect(new Set(names).size).toBe(names.length);
});

test('a card that QEMU does not have is a usage error that lists those it has', () => {
  expect(() => findNic('3c509')).toThrow(
    expect.objectContaining({ kind: 'usage', hint: expect.stringMatching(/ne2k_pci, rtl8139.*tulip/) }),
  );
});

test('a line of the table with a column missing is named', () => {
  expect(() => parseNics('rtl8139\t-\trtl8139\n')).toThrow('rtl8139\t-\trtl8139');
});

test.skipIf(qemu === undefined)(
  qemu === undefined ? 'skipped: no QEMU' : 'QEMU knows every card of the table',
  async () => {
    const { stdout } = await run(qemu?.path ?? '', ['-device', 'help'], { capture: true });
    const models = [...stdout.toString().matchAll(/^name "([^"]+)"/gm)].map((match) => match[1]);
    expect(models).toEqual(expect.arrayContaining(NICS.map(({ model }) => model)));
  },
);
