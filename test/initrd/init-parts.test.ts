import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { INIT_SOURCE_DIRECTORY } from '../../src/initrd/index.ts';
import { run } from '../../src/platform/process.ts';
import { discard, scratch } from './fixture.ts';

const BASE = 0x48000000;
const PURE = ['link', 'object', 'parameters', 'dhcp', 'rpc', 'rootpath', 'cards', 'depends', 'text'];
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

let home = '';
let harness = '';

/** Runs the harness; its output, or what it says is wrong. */
async function parts(
  ...words: string[]
): Promise<{ code: number | undefined; out: Buffer; lines: string[] }> {
  const result = await run(harness, words, { capture: true });
  return { code: result.exitCode, out: result.stdout, lines: [...result.tail] };
}

async function compile(args: readonly string[]): Promise<void> {
  const result = await run('gcc', args);
  if (result.exitCode !== 0) throw new Error(result.tail.join('\n'));
}

/** Compiles the probe module; `name` is its file. */
async function probe(name: string, ...flags: string[]): Promise<string> {
  const output = join(home, name);
  const licence = flags.some((flag) => flag.startsWith('-DLICENCE')) ? [] : ['-DLICENCE="GPL"'];
  await compile([
    ...['-m32', '-march=i386', '-ffreestanding', '-fno-builtin', '-fno-pic', '-O2', '-fno-toplevel-reorder'],
    ...['-fcf-protection=none', '-fno-asynchronous-unwind-tables', ...licence, ...flags],
    ...['-c', join(import.meta.dirname, 'init/probe.c'), '-o', output],
  ]);
  return output;
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(home, name);
  await writeFile(path, content);
  return path;
}

beforeAll(async () => {
  home = await scratch();
  harness = join(home, 'harness');
  await compile([
    ...['-std=gnu11', '-g', '-O1', '-Wall', '-Wextra', '-Werror', '-fno-builtin', ...SANITIZERS],
    ...['-I', INIT_SOURCE_DIRECTORY, '-o', harness, join(import.meta.dirname, 'init/harness.c')],
    ...PURE.map((name) => join(INIT_SOURCE_DIRECTORY, `${name}.c`)),
  ]);
});
afterAll(() => discard(home));

describe('a module of 2.4, linked', () => {
  const linked = async (parameters: string) => {
    const { out, lines } = await parts('link', await probe('probe.o'), parameters);
    expect(lines.join('\n')).not.toContain('ERROR');
    return out;
  };
  /** The words from a mark on. */
  const wordsAfter = (image: Buffer, mark: number) => {
    const at = Array.from({ length: image.length / 4 }, (_, index) => 4 * index).find(
      (offset) => offset + 4 <= image.length && image.readUInt32LE(offset) === mark,
    );
    if (at === undefined) throw new Error('no such mark in the image');
    return Array.from({ length: 4 }, (_, index) => image.readUInt32LE(at + 4 + 4 * index));
  };
  const text = (image: Buffer, address: number) => {
    const start = address - BASE;
    return image.toString('latin1', start, image.indexOf(0, start));
  };

  test('has a struct module that the kernel takes: its size, name, init and cleanup within the image', async () => {
    const image = await linked('');
    expect(image.readUInt32LE(0)).toBe(96);
    expect(text(image, image.readUInt32LE(8))).toBe('probe');
    expect(image.readUInt32LE(12)).toBe(image.length);
    for (const field of [44, 48]) {
      expect(image.readUInt32LE(field)).toBeGreaterThan(BASE);
      expect(image.readUInt32LE(field)).toBeLessThan(BASE + image.length);
    }
  });

  test('finds what the kernel, another module and it itself export, and its own common symbols', async () => {
    const image = await linked('');
    const [printk, helper, self, common = 0] = wordsAfter(image, 0x600df00d);
    expect([printk, helper, self]).toEqual([0x40100000, 0x47000100, BASE]);
    expect(image.readUInt32LE(common - BASE)).toBe(0);
  });

  test('depends on the module whose symbol it uses, once', async () => {
    const image = await linked('');
    expect(image.readUInt32LE(28)).toBe(1);
    const references = image.readUInt32LE(36) - BASE;
    expect([image.readUInt32LE(references), image.readUInt32LE(references + 4)]).toEqual([0x47000000, BASE]);
  });

  test('exports what its __ksymtab lists', async () => {
    const image = await linked('');
    expect(image.readUInt32LE(24)).toBe(1);
    const table = image.readUInt32LE(32) - BASE;
    expect(text(image, image.readUInt32LE(table + 4))).toBe('words');
  });

  test('gets its parameters: numbers, lists, strings, arrays of characters', async () => {
    const image = await linked('io=0x300,5 mode=fast name=abc irq=-2');
    const [io = 0, mode = 0, name = 0, irq = 0] = wordsAfter(image, 0x10c0ffee);
    expect([0, 4, 8].map((offset) => image.readUInt32LE(io - BASE + offset))).toEqual([0x300, 5, 3]);
    expect(text(image, image.readUInt32LE(mode - BASE))).toBe('fast');
    expect(text(image, name)).toBe('abc');
    expect(image.readInt16LE(irq - BASE)).toBe(-2);
  });

  test.each([
    ['speed=1', 'parameter speed: the module has none of that name'],
    ['io=1,2,3,4,5', 'parameter io: too many values'],
    ['io=fast', 'parameter io: a value that is not of its type'],
    ['name=12345678', 'parameter name: a value that is not of its type'],
    ['io', 'parameter io: is not written name=value'],
  ])('says what is wrong with %s', async (parameters, words) => {
    const { code, lines } = await parts('link', await probe('probe.o'), parameters);
    expect([code, ...lines]).toEqual([1, words]);
  });

  test('names what nobody exports', async () => {
    const { lines } = await parts('link', await probe('more.o', '-DWANTS_MORE'), '');
    expect(lines).toEqual(['neither the kernel nor a loaded module has nowhere']);
  });

  test('of a kernel with versions on its symbols takes those of its own versions, whatever the release', async () => {
    const same = await probe('same.o', '-DPRINTK=printk_R1b7d4074', '-DRELEASE="2.4.21"');
    const { code, out } = await parts('link-versions', same, '');
    expect(code).toBe(0);
    expect(wordsAfter(out, 0x600df00d).slice(0, 2)).toEqual([0x40100000, 0x47000100]);
    const other = await probe('version.o', '-DPRINTK=printk_R00000000');
    expect((await parts('link-versions', other, '')).lines).toEqual([
      'neither the kernel nor a loaded module has printk_R00000000',
    ]);
  });

  test('with versions is linked by the bare names where the kernel has none, and then its release counts', async () => {
    const same = await probe('bare.o', '-DPRINTK=printk_R00000000');
    expect((await parts('link', same, '')).code).toBe(0);
    const other = await probe('release.o', '-DPRINTK=printk_R00000000', '-DRELEASE="2.4.21"');
    expect((await parts('link', other, '')).lines[0]).toMatch(/^it was built for kernel 2\.4\.21/);
  });

  test('gets what is for the GPL alone when it is under the GPL, and else does not', async () => {
    const free = await parts('link', await probe('free.o', '-DWANTS_SECRET'), '');
    expect(free.code).toBe(0);
    const other = await probe('other.o', '-DWANTS_SECRET', '-DLICENCE="Proprietary"');
    expect((await parts('link', other, '')).lines).toEqual([
      'neither the kernel nor a loaded module has secret',
    ]);
  });

  test('is refused when it is no object, or position independent', async () => {
    const text = await file('text.o', 'x'.repeat(100));
    expect((await parts('link', text, '')).lines).toEqual(['it is no ELF object for the i386']);
    const independent = await probe('pic.o', '-fPIC');
    expect((await parts('link', independent, '')).lines.join()).toContain('it is position independent');
  });
});

/** A server's answer to the harness's question: the BOOTP fields, then options (RFC 2131). */
function packet(options: readonly (readonly [number, Uint8Array | string])[], fill = 0): Buffer {
  const head = Buffer.alloc(240);
  head.set([2, 1, 6, 0, 1, 2, 3, 4]);
  head.set([10, 0, 0, 7], 16);
  head.set([10, 0, 0, 2], 20);
  head.set([0x52, 0x54, 0, 0x12, 0x34, 0x56], 28);
  head.set([99, 130, 83, 99], 236);
  const body = options.flatMap(([code, value]) => [code, value.length, ...Buffer.from(value)]);
  return Buffer.concat([head, Buffer.from([...body, 255]), Buffer.alloc(fill)]);
}
const ACK = [53, Buffer.from([5])] as const;
const MAGIC = [128, Buffer.from([0xe4, 0x45, 0x74, 0x68, 0, 0])] as const;

describe("DHCP's answers", () => {
  const lease = async (bytes: Uint8Array) => (await parts('dhcp', await file('packet', bytes))).lines;

  test('give address, netmask, router, name servers, host name, domain, root path', async () => {
    const lines = await lease(
      packet([
        ACK,
        [1, Buffer.from([255, 255, 255, 0])],
        [3, Buffer.from([10, 0, 0, 1])],
        [6, Buffer.from([10, 0, 0, 3, 10, 0, 0, 4])],
        [12, 'ws001'],
        [15, 'lts.example'],
        [17, '/opt/ltsp/i386'],
        [51, Buffer.from([0, 0, 14, 16])],
        [54, Buffer.from([10, 0, 0, 9])],
      ]),
    );
    expect(lines).toEqual([
      ...['type 5', 'address 10.0.0.7', 'netmask 255.255.255.0', 'router 10.0.0.1', 'server 10.0.0.9'],
      ...['next 10.0.0.2', 'dns 10.0.0.3', 'dns 10.0.0.4', 'host ws001', 'domain lts.example'],
      ...['root /opt/ltsp/i386', 'arguments ', 'seconds 3600', 'mtu 0'],
    ]);
  });

  test("option 129 counts next to Etherboot's magic in option 128", async () => {
    const lines = await lease(packet([ACK, MAGIC, [129, 'NIC=ne IO=0x300']]));
    expect(lines).toContain('arguments NIC=ne IO=0x300');
  });

  test('option 129 is nothing without the magic', async () => {
    const other = [128, Buffer.from('E4:45:74:68:00:00')] as const;
    expect(await lease(packet([ACK, other, [129, 'NIC=ne']]))).toContain('arguments ');
  });

  test('an option in two parts is one (RFC 3396)', async () => {
    expect(await lease(packet([ACK, [17, '/opt/'], [17, 'ltsp']]))).toContain('root /opt/ltsp');
  });

  test('options in the field of the boot file count when the server says that they are there', async () => {
    const bytes = packet([ACK, [52, Buffer.from([1])]]);
    bytes.set([17, 4, ...Buffer.from('/nfs'), 255], 108);
    expect(await lease(bytes)).toContain('root /nfs');
  });

  test('text with control characters is not taken', async () => {
    expect(await lease(packet([ACK, [12, 'ws\u001b[2J']]))).toContain('host ');
  });

  test('an answer to another node, or to another question, is none', async () => {
    const other = packet([ACK]);
    other[30] = 1;
    expect(await lease(other)).toEqual(['type 0']);
    const late = packet([ACK]);
    late[7] = 9;
    expect(await lease(late)).toEqual(['type 0']);
  });

  test('an option that runs out of the packet ends the reading', async () => {
    const bytes = packet([ACK, [12, 'ws001']]);
    expect(await lease(bytes.subarray(0, bytes.length - 3))).toContain('host ');
  });
});

describe('the lists', () => {
  const NICLIST = `# cards
10ec:8139 8139too   # the usual
10EC 8029\tne2k-pci
0x10ec,0x8139 8139cp
8086:1229
`;

  test('a niclist names the drivers of a card, the first line first', async () => {
    const list = await file('niclist', NICLIST);
    expect((await parts('drivers', list, '10ec:8139')).lines).toEqual(['8139too', '8139cp']);
    expect((await parts('drivers', list, '10ec:8029')).lines).toEqual(['ne2k-pci']);
    expect((await parts('drivers', list, '8086:1229')).lines).toEqual([]);
  });

  test('modules.dep is read as modutils writes it, and as kmod does', async () => {
    const modutils = await file(
      'a.dep',
      '/lib/a/ne2k-pci.o:\t/lib/a/8390.o \\\n\t/lib/a/crc32.o\n\n/lib/a/8390.o:\n',
    );
    expect((await parts('depends', modutils, 'ne2k-pci')).lines).toEqual([
      ...['/lib/a/ne2k-pci.o', '/lib/a/8390.o', '/lib/a/crc32.o'],
    ]);
    const kmod = await file('b.dep', 'kernel/net/virtio_net.ko: kernel/net/failover.ko\n');
    expect((await parts('depends', kmod, 'virtio-net')).lines).toEqual([
      ...['kernel/net/virtio_net.ko', 'kernel/net/failover.ko'],
    ]);
  });

  test.each([
    ['NIC=ne IO=0x300 IRQ=9', ['ne', 'io=0x300 irq=9']],
    ['console=ttyS0 NIC=ne,io=0x300,0x280,irq=9,5', ['ne', 'io=0x300,0x280 irq=9,5']],
    ['NIC=3c509', ['3c509', '']],
    ['ip=dhcp', []],
  ])('%s names a driver and its parameters', async (commandLine, expected) => {
    const { out } = await parts('nic', commandLine);
    expect(out.toString().split('\n').slice(0, expected.length)).toEqual(expected);
  });
});

describe('bytes changed and cut at random are never read beyond their end', () => {
  const ROUNDS = '20000';

  test('modules', async () => {
    expect(await parts('fuzz-link', await probe('probe.o'), '1', ROUNDS)).toMatchObject({
      code: 0,
      lines: [],
    });
  });

  test("DHCP's answers", async () => {
    const whole = packet([ACK, MAGIC, [129, 'a=b'], [17, '/root'], [52, Buffer.from([3])], [12, 'ws']], 60);
    expect(await parts('fuzz-dhcp', await file('fuzz', whole), '2', ROUNDS)).toMatchObject({
      code: 0,
      lines: [],
    });
  });

  test("the mount daemon's answers", async () => {
    const words = [0x01020304, 1, 0, 0, 4, 0, 0, 32, ...Array.from({ length: 8 }, () => 7)];
    const bytes = Buffer.alloc(4 * words.length);
    words.forEach((word, index) => {
      bytes.writeUInt32BE(word, 4 * index);
    });
    expect(await parts('fuzz-rpc', await file('rpc', bytes), '3', ROUNDS)).toMatchObject({
      code: 0,
      lines: [],
    });
  });

  test('niclist, modules.dep, root path and command line', async () => {
    const text =
      '10ec:8139 8139too\nNIC=ne,io=1,2 IO=3\n/lib/8139too.o:\t/lib/mii.o \\\n\t/lib/x.o\n10.0.0.1:/a%s,ro\n';
    const list = await file('lists', text);
    expect(await parts('fuzz-lists', list, '4', ROUNDS)).toMatchObject({ code: 0, lines: [] });
  });
});
