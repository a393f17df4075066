import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dependSymbols, sharesDependencies } from '../../src/kernel/dependencies.ts';
import {
  canRestamp,
  forgetUntracked,
  namesRelease,
  releasePlaces,
  restamp,
} from '../../src/kernel/restamp.ts';
import { output } from '../../src/platform/process.ts';

const OLD = '2.4.99-aaaaaaaaaa';
const NEW = '2.4.99-bbbbbbbbbb';
const THEN = new Date('2001-02-03T04:05:06Z');

let tree: string;
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'kiln-stamp-'));
  put('include/linux/version.h', `#define UTS_RELEASE "${OLD}"\n#define LINUX_VERSION_CODE 132195\n`);
});
afterEach(() => rmSync(tree, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
  utimesSync(join(tree, path), THEN, THEN);
}

const read = (path: string) => readFileSync(join(tree, path), 'latin1');
const timeOf = (path: string) => statSync(join(tree, path)).mtimeMs;

/** Compiles C to an object, as the kernel's makefiles would. */
async function compileC(path: string, text: string): Promise<void> {
  put(path, text);
  await output('gcc', ['-m32', '-c', '-O2', '-o', join(tree, path.replace(/\.c$/, '.o')), join(tree, path)]);
}

const MODULE = (release: string) =>
  `static const char version[] __attribute__((section(".modinfo"), used)) = "kernel_version=" "${release}";\nint f(void) { return 1; }\n`;

describe('another release for a tree that was built', () => {
  it('makes of a module what compiling it anew would, and keeps its time', async () => {
    await compileC('drivers/net/one.c', MODULE(NEW));
    const wanted = read('drivers/net/one.o');
    await compileC('drivers/net/one.c', MODULE(OLD));
    utimesSync(join(tree, 'drivers/net/one.o'), THEN, THEN);
    const { stamped, removed } = restamp(
      tree,
      OLD,
      NEW,
      releasePlaces(tree, OLD, (path) => path.endsWith('.c')),
      [],
    );
    expect({ stamped, removed }).toEqual({ stamped: 1, removed: [] });
    expect(read('drivers/net/one.o')).toBe(wanted);
    expect(timeOf('drivers/net/one.o')).toBe(THEN.getTime());
  });

  it('is in version.h, of which make sees nothing', () => {
    restamp(
      tree,
      OLD,
      NEW,
      releasePlaces(tree, OLD, () => false),
      [],
    );
    expect(read('include/linux/version.h')).toContain(`#define UTS_RELEASE "${NEW}"`);
    expect(timeOf('include/linux/version.h')).toBe(THEN.getTime());
  });

  it('removes what holds the old one in any other way: objects, assembly, images', async () => {
    await compileC('init/version.c', `const char banner[] = "Linux version ${OLD} (kiln)";\n`);
    put('arch/i386/boot/bsetup.s', `.ascii "${OLD}"\n`);
    put('vmlinux', `...${OLD}...`);
    put('drivers/net/free.o', 'nothing of it');
    const { removed } = restamp(
      tree,
      OLD,
      NEW,
      releasePlaces(tree, OLD, (path) => path.endsWith('.c')),
      [],
    );
    expect(removed).toEqual(['arch/i386/boot/bsetup.s', 'init/version.o', 'vmlinux']);
    expect(read('drivers/net/free.o')).toBe('nothing of it');
  });

  it('removes the objects of sources that name it, whether they show it or not', async () => {
    await compileC('drivers/a.c', 'int a;\n');
    put('drivers/b.c', 'char *b = UTS_RELEASE;\n');
    put('drivers/b.o', 'b');
    expect(await namesRelease(tree)).toEqual(['drivers/b.c']);
    const { removed } = restamp(
      tree,
      OLD,
      NEW,
      releasePlaces(tree, OLD, (path) => path.endsWith('.c')),
      ['drivers/b.c'],
    );
    expect(removed).toEqual(['drivers/b.o']);
  });

  it('leaves sources alone, whatever they say', () => {
    put('README', `this is ${OLD}`);
    restamp(
      tree,
      OLD,
      NEW,
      releasePlaces(tree, OLD, (path) => path === 'README'),
      [],
    );
    expect(read('README')).toBe(`this is ${OLD}`);
  });

  it('needs one of the same length', () => {
    expect(canRestamp(OLD, NEW)).toBe(true);
    expect(canRestamp(OLD, '2.4.99')).toBe(false);
  });

  it('is refused for a tree that was built as something else', () => {
    expect(() =>
      restamp(
        tree,
        '2.4.99-cccccccccc',
        NEW,
        releasePlaces(tree, '2.4.99-cccccccccc', () => false),
        [],
      ),
    ).toThrow(/was built as something else/);
  });
});

describe('what the makefiles of arch/i386/boot would keep', () => {
  it('is removed, and nothing else', () => {
    for (const path of [
      'arch/i386/boot/setup.o',
      'arch/i386/boot/compressed/misc.o',
      'arch/i386/boot/setup.S',
      'lib/lib.o',
    ])
      put(path, '');
    put('arch/i386/boot/shipped.s', '');
    forgetUntracked(tree, (path) => path === 'arch/i386/boot/shipped.s');
    for (const path of ['arch/i386/boot/setup.S', 'arch/i386/boot/shipped.s', 'lib/lib.o'])
      expect(timeOf(path)).toBe(THEN.getTime());
    for (const path of ['arch/i386/boot/setup.o', 'arch/i386/boot/compressed/misc.o'])
      expect(() => timeOf(path)).toThrow(/ENOENT/);
  });
});

describe('the links by which 2.2 installs modules', () => {
  it('are forgotten with the configuration that they were made for', () => {
    put('arch/i386/boot/setup.S', '');
    put('drivers/net/tulip.o', 'o');
    put('modules/NET_MODULES', 'tulip.o\n');
    symlinkSync('../drivers/net/tulip.o', join(tree, 'modules/tulip.o'));
    forgetUntracked(tree, () => false);
    expect(readdirSync(join(tree, 'modules'))).toEqual([]);
    expect(timeOf('drivers/net/tulip.o')).toBe(THEN.getTime());
  });
});

describe('dependencies', () => {
  it('are of another extent only where a symbol decides which directories are gone into', () => {
    put(
      'net/Makefile',
      'ifeq ($(CONFIG_IPV6),y)\nsubdir-y += ipv6\nendif\nifeq ($(CONFIG_X25),y)\nobj-y += x25.o\nendif\nsubdir-$(CONFIG_ATM) += atm\n',
    );
    put('arch/arm/Makefile', 'ifdef CONFIG_ARM\nSUBDIRS += arm\nendif\n');
    const symbols = dependSymbols(tree);
    expect([...symbols]).toEqual(['CONFIG_IPV6']);
    expect(sharesDependencies('CONFIG_X25=y\n', 'CONFIG_ATM=m\n', symbols)).toBe(true);
    expect(sharesDependencies('CONFIG_IPV6=y\n', '# CONFIG_IPV6 is not set\n', symbols)).toBe(false);
  });

  it('are of one configuration alone where symbols have versions', () => {
    expect(
      sharesDependencies('CONFIG_MODVERSIONS=y\nCONFIG_A=y\n', 'CONFIG_MODVERSIONS=y\n', new Set()),
    ).toBe(false);
    expect(sharesDependencies('CONFIG_A=y\n', 'CONFIG_B=y\n', new Set())).toBe(true);
  });
});
