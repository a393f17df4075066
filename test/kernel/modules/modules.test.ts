import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { familyFor, indexModules } from '../../../src/kernel/index.ts';
import { claimsOfAliases } from '../../../src/kernel/modules/aliases.ts';
import { parseElf } from '../../../src/kernel/modules/elf.ts';
import { KilnError } from '../../../src/platform/errors.ts';
import { baseEnvironment, output } from '../../../src/platform/process.ts';
import { discard, scratch } from '../../initrd/fixture.ts';
import { module, RELEASE, systemMap } from './fixture.ts';

const NET = 'kernel/drivers/net';
const MII = 'int mii_check(void) { return 1; }\nEXPORT(mii_check);\nINFO(license, "GPL");';
const CARD = (name: string, ids: string) => `
int printk(const char *); int mii_check(void);
static const pci ids[] = { ${ids} {0} };
TABLE(pci_device, pci, ids);
INFO(license, "GPL");
int ${name}_init(void) { return printk("${name}") + mii_check(); }`;

let root = '';
beforeEach(async () => {
  root = await scratch();
});
afterEach(() => discard(root));

async function index(symbols: readonly string[] = ['printk']) {
  const map = await systemMap(root, symbols);
  return indexModules({ root, release: RELEASE, family: familyFor('2.4.37'), systemMap: map });
}

function mapFile(name: string): Promise<string> {
  return readFile(join(root, 'lib/modules', RELEASE, name), 'latin1');
}

test('modules.dep has absolute paths and what each module needs directly, as modutils wrote it', async () => {
  await module(root, `${NET}/mii.o`, MII);
  await module(root, `${NET}/card.o`, CARD('card', '{0x10ec, 0x8139, -1, -1, 0, 0, 3},'));
  expect(await index()).toMatchObject({ count: 2, tainting: [] });
  const at = `/lib/modules/${RELEASE}/${NET}`;
  expect(await mapFile('modules.dep')).toBe(`${at}/card.o:\t${at}/mii.o\n\n${at}/mii.o:\n\n`);
});

test('modules.pcimap has a line for each id, in the columns of depmod', async () => {
  await module(root, `${NET}/mii.o`, MII);
  await module(
    root,
    `${NET}/card.o`,
    CARD('card', '{0x10ec, 0x8139, -1, -1, 0, 0, 3}, {0x1113, 0x1211, 0x10b7, 5, 0x20000, 0xff0000, 4},'),
  );
  await index();
  expect((await mapFile('modules.pcimap')).split('\n')).toEqual([
    '# pci module         vendor     device     subvendor  subdevice  class      class_mask driver_data',
    'card                 0x000010ec 0x00008139 0xffffffff 0xffffffff 0x00000000 0x00000000 0x00000003',
    'card                 0x00001113 0x00001211 0x000010b7 0x00000005 0x00020000 0x00ff0000 0x00000004',
    '',
  ]);
});

test('ISA PnP, USB, parallel port and FireWire ids go to the maps of their own', async () => {
  await module(
    root,
    'kernel/drivers/misc/all.o',
    `typedef struct { unsigned short card_vendor, card_device, vendor, function; unsigned long data; } isapnp;
     typedef struct { unsigned short flags, vendor, product, low, high; unsigned char bytes[6]; unsigned long info; } usb;
     typedef struct { const char *pattern; } parport;
     typedef struct { unsigned flags, vendor, model, specifier, version; void *data; } firewire;
     static const isapnp pnp[] = { {0xffff, 0xffff, 0x8914, 0x1602, 7}, {0} };
     static const usb sticks[] = { {3, 0x057c, 0x2200, 0, 0x9999, {1, 2, 3, 4, 5, 6}, 8}, {0} };
     static const parport ports[] = { {"printer"}, {0} };
     static const firewire wires[] = { {0xc, 0, 0, 0xa02d, 0x100, 0}, {0} };
     TABLE(isapnp_device, isapnp, pnp); TABLE(usb_device, usb, sticks);
     TABLE(parport_device, parport, ports); TABLE(ieee1394_device, firewire, wires);
     static const char string[] __attribute__((used, section(".modstring"))) = "input=mouse";
     INFO(license, "GPL");`,
  );
  await index();
  const second = async (name: string) => (await mapFile(name)).split('\n')[1];
  expect(await second('modules.isapnpmap')).toBe(
    'all                  0xffff     0xffff     0x00000007  0x8914     0x1602',
  );
  expect(await second('modules.usbmap')).toBe(
    'all                  0x0003      0x057c   0x2200    0x0000       0x9999       0x01         0x02            0x03            0x04            0x05               0x06               0x00000008',
  );
  expect(await second('modules.parportmap')).toBe('all                  printer');
  expect(await second('modules.ieee1394map')).toBe(
    'all                  0x0000000c  0x000000  0x000000 0x00a02d     0x000100',
  );
  expect(await second('modules.generic_string')).toBe('all                  input=mouse');
});

test('maps without an entry are the headers that modutils left, to the byte', async () => {
  await module(root, `${NET}/mii.o`, MII);
  await index();
  const sizes: Record<string, number> = {};
  for (const name of await readdir(join(root, 'lib/modules', RELEASE))) {
    if (name.startsWith('modules.') && name !== 'modules.dep') sizes[name] = (await mapFile(name)).length;
  }
  // As listed in /lib/modules/2.4.16 and 2.4.3 of their day.
  expect(sizes).toMatchObject({
    'modules.generic_string': 31,
    'modules.parportmap': 29,
    'modules.pnpbiosmap': 24,
    'modules.ieee1394map': 73,
    'modules.isapnpmap': 81,
  });
});

test('a symbol that nobody exports fails with module and symbol', async () => {
  await module(root, `${NET}/mii.o`, MII);
  await module(root, `${NET}/card.o`, CARD('card', ''));
  await expect(index(['other'])).rejects.toMatchObject({
    kind: 'failed',
    message: `module ${NET}/card.o needs printk, which neither the kernel nor any module exports`,
  });
});

test('a symbol that the kernel has and does not export is not there for modules', async () => {
  await module(
    root,
    `${NET}/x.o`,
    'int not_exported(void); INFO(license, "GPL"); int x(void) { return not_exported(); }',
  );
  await expect(index()).rejects.toThrow(/needs not_exported/);
});

test('symbols with versions are those of the same version, and the kernel is listed without any', async () => {
  const export_ = (name: string) =>
    `int ${name}(void) { return 1; }\nEXPORT(${name});\nINFO(license, "GPL");`;
  const user = 'int printk_R1b7d4074(void), mii_check_Rsmp_0badcafe(void);\nINFO(license, "GPL");';
  const use = 'int use(void) { return printk_R1b7d4074() + mii_check_Rsmp_0badcafe(); }';
  await module(root, `${NET}/mii.o`, export_('mii_check_Rsmp_0badcafe'));
  await module(root, `${NET}/a-mii.o`, export_('mii_check_Rsmp_deadbeef'));
  await module(root, `${NET}/card.o`, `${user}\n${use}`);
  await index();
  const at = `/lib/modules/${RELEASE}/${NET}`;
  expect(await mapFile('modules.dep')).toContain(`${at}/card.o:\t${at}/mii.o\n`);
  await module(root, `${NET}/mii.o`, export_('mii_check_Rsmp_00000000'));
  await expect(index()).rejects.toThrow(/card\.o needs mii_check_Rsmp_0badcafe/);
});

test('a module of another release is refused by name', async () => {
  await module(root, `${NET}/mii.o`, MII, '2.4.36');
  await expect(index()).rejects.toMatchObject({
    kind: 'failed',
    message: `module ${NET}/mii.o is for 2.4.36, the kernel is ${RELEASE}`,
  });
});

test('modules that taint the kernel are listed with their licence', async () => {
  await module(root, `${NET}/free.o`, 'INFO(license, "Dual BSD/GPL");');
  await module(root, `${NET}/owned.o`, 'INFO(license, "Proprietary");');
  await module(root, `${NET}/silent.o`, 'int x;');
  expect((await index()).tainting).toEqual([
    { module: `${NET}/owned.o`, license: 'Proprietary' },
    { module: `${NET}/silent.o`, license: undefined },
  ]);
});

test('the niclist gives a card to one driver by the stated precedence and puts the other after it', async () => {
  await module(root, `${NET}/mii.o`, MII);
  await module(root, `${NET}/8139cp.o`, CARD('cp', '{0x10ec, 0x8139, -1, -1},'));
  await module(
    root,
    `${NET}/8139too.o`,
    CARD('too', '{0x10ec, 0x8139, -1, -1}, {-1, 0x8139, 0x10ec, 0x8139},'),
  );
  await module(root, 'kernel/drivers/sound/card.o', CARD('sound', '{0x1274, 0x5000, -1, -1},'));
  expect((await index()).niclist?.split('\n')).toEqual([
    `# Network cards by PCI id, and the modules of ${RELEASE} for them; the first match wins.`,
    '10ec:8139 8139too',
    expect.stringMatching(/^10ec:8139 8139cp {2}# 8139too has it: /),
    '# What no id can tell:',
    '# 8139too: any:8139, subsystem 10ec:8139',
    '',
  ]);
});

test("later kernels' aliases give the same claims, under the names of the files", () => {
  const aliases = [
    'alias pci:v000010ECd00008029sv*sd*bc*sc*i* ne2k_pci',
    'alias pci:v*d00008139sv000010ECsd00008139bc*sc*i* 8139too',
    'alias usb:v0BDAp8150d*dc*dsc*dp*ic*isc*ip*in* rtl8150',
  ].join('\n');
  const [claims] = claimsOfAliases(aliases, [{ path: `${NET}/ne2k-pci.ko`, name: 'ne2k-pci' }]);
  expect(claims).toMatchObject({ name: 'ne2k-pci', pci: [{ vendor: 0x10ec, device: 0x8029 }] });
});

test("symbols are those that binutils' nm lists", async () => {
  await module(root, `${NET}/card.o`, CARD('card', '{0x10ec, 0x8139, -1, -1},'));
  const file = join(root, 'lib/modules', RELEASE, `${NET}/card.o`);
  const nm = await output('nm', ['--format=posix', '--no-sort', file], { env: baseEnvironment() });
  const listed = nm
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]);
  const { symbols, sections } = parseElf(await readFile(file), file);
  const named = symbols
    .filter(({ name, section }) => name !== '' && section < sections.length)
    .map(({ name }) => name);
  expect(new Set(named)).toEqual(new Set(listed));
});

test('an object that is cut short or damaged anywhere is refused or read, never a crash', async () => {
  await module(root, `${NET}/mii.o`, MII);
  const bytes = await readFile(join(root, 'lib/modules', RELEASE, `${NET}/mii.o`));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(bytes.length - 1), fc.nat(255), (length, at, value) => {
      const damaged = Buffer.from(bytes.subarray(0, length));
      if (at < damaged.length) damaged[at] = value;
      try {
        parseElf(damaged, 'mii.o');
      } catch (error) {
        if (!(error instanceof KilnError)) throw error;
      }
    }),
  );
});
