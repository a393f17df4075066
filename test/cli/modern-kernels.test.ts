import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/bundle/index.ts';
import { buildJson, freshDirectory, kiln, pathWithout } from '../support/kiln.ts';

/** The kernel's own Kconfig interpreter, as Debian packages it (kconfig-frontends). */
const conf = spawnSync('kconfig-conf', ['--version']).error === undefined;
const skipped = conf ? '' : ' (skipped: no kconfig-conf)';

/** A tree with Kconfig files of its own; the interpreter is the real one, and there is nothing to compile. */
const TREE = {
  Makefile: `VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 0
EXTRAVERSION =
defconfig:
	@kconfig-conf --defconfig=i386_defconfig Kconfig >/dev/null
allnoconfig olddefconfig oldconfig:
	@kconfig-conf --$@ Kconfig >/dev/null
prepare:
	@mkdir -p include/config && echo 6.1.0-of-another > include/config/kernel.release
`,
  i386_defconfig: 'CONFIG_BUS=y\n',
  Kconfig: `mainmenu "A tree of the Kconfig age"
config LOCALVERSION_AUTO
	bool "Append the commit"
	default y
config CHATTER
	bool "Chatter"
	default y
config BUS
	bool "Bus"
config CARD
	bool "Card"
	depends on BUS
config BLK_DEV_RAM
	def_bool y
config BLK_DEV_INITRD
	def_bool y
config EXT2_FS
	def_bool y
`,
};

describe('a recipe whose kernel has Kconfig files', () => {
  function recipe(base: string, fragment: string): string {
    const directory = freshDirectory('kconfig-recipe');
    const files = {
      ...Object.fromEntries(Object.entries(TREE).map(([name, text]) => [`linux/${name}`, text])),
      'own.config': fragment,
      'own.yaml': `name: own
kernel:
  version: 6.1.0
  source: {urls: [linux.tar]}
config:
  base: ${base}
  fragments: [own.config]
variants: {a: {}}
channel: own/{variant}
`,
    };
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    spawnSync('tar', ['cf', 'linux.tar', 'linux'], { cwd: directory });
    return join(directory, 'own.yaml');
  }

  /** What the build left as the configuration step's output. */
  function configOf(home: string): string {
    const made = join(home, 'cache/steps/config');
    const names = readdirSync(made, { recursive: true, encoding: 'utf8' });
    return readFileSync(join(made, names.find((name) => name.endsWith('/config')) ?? ''), 'utf8');
  }

  it.skipIf(!conf)(`stops at a request that did not come true, with its reason${skipped}`, async () => {
    const file = recipe('none', 'CONFIG_CARD=y\n');
    const ran = await kiln(['build', file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/CONFIG_CARD asked y, got nothing/);
    expect(ran.stderr).toMatch(/config at Kconfig:10 depends on BUS \(Kconfig:12\); CONFIG_BUS is n/);
  });

  it.skipIf(!conf)(`with base none has nothing on that was not asked for${skipped}`, async () => {
    const home = freshDirectory('home');
    await kiln(['build', recipe('none', 'CONFIG_BUS=y\n'), '--home', home]);
    expect(configOf(home)).toContain('# CONFIG_CHATTER is not set');
    expect(configOf(home)).toContain('CONFIG_BUS=y');
  });

  it.skipIf(!conf)(`with base arch begins with the tree's own defconfig${skipped}`, async () => {
    const home = freshDirectory('home');
    await kiln(['build', recipe('arch', 'CONFIG_CARD=y\n'), '--home', home]);
    expect(configOf(home)).toContain('CONFIG_BUS=y');
    expect(configOf(home)).toContain('CONFIG_CHATTER=y');
    expect(configOf(home)).toContain('# CONFIG_LOCALVERSION_AUTO is not set');
  });

  it.skipIf(!conf)(`stops where make calls the release something else${skipped}`, async () => {
    const ran = await kiln(['build', recipe('none', ''), '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/calls its release 6\.1\.0-of-another and not 6\.1\.0-/);
    expect(ran.stderr).toMatch(/hint:.*localversion/);
  });

  it('names the package of a tool that is missing', async () => {
    const path = pathWithout((name) => name === 'flex');
    const ran = await kiln(['build', recipe('none', ''), '--home', freshDirectory('home')], { PATH: path });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toMatch(/missing on this machine: flex/);
    expect(ran.stderr).toMatch(/apt-get install .*flex/);
  });
});

/** A release file in the mirror, or the tree that Debian's package linux-source-6.1 brings. */
function sourceOf61(): string | undefined {
  const mirror = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
  const names = existsSync(mirror) ? readdirSync(mirror) : [];
  const name = names.find((each) => /^linux-6\.1\.\d+\.tar\.xz$/.test(each));
  const debian = '/usr/src/linux-source-6.1.tar.xz';
  return name !== undefined ? join(mirror, name) : existsSync(debian) ? debian : undefined;
}

/** The cards that the gate of linux-6.1:all is for, and their drivers. */
const MODERN_CARDS = [
  ['e1000', 'e1000'],
  ['e1000e', 'e1000e'],
  ['rtl8139', '8139cp'],
  ['pcnet', 'pcnet32'],
  ['ne2k_pci', 'ne2k-pci'],
  ['tulip', 'tulip'],
  ['vmxnet3', 'vmxnet3'],
] as const;

describe('Linux 6.1', () => {
  const tarball = sourceOf61();
  const wanted = process.env.KILN_TEST_MODERN === '1';
  const title = !wanted
    ? ' (skipped: KILN_TEST_MODERN is not 1)'
    : tarball === undefined
      ? ' (skipped: no linux-6.1.x.tar.xz)'
      : '';
  let home = '';
  beforeAll(() => {
    home = freshDirectory('modern');
  });
  afterAll(() => {
    rmSync(home, { recursive: true, force: true });
  });

  /** Builds and publishes a variant; its id, its gates and what was on the console. */
  async function build(variant: string) {
    const source = `kernel=${tarball}`;
    const { ran, jobs } = await buildJson([`linux-6.1:${variant}`, '--home', home, '--source', source]);
    expect(ran.code, ran.stderr).toBe(0);
    const id = jobs[0]?.bundle ?? '';
    expect(jobs).toMatchObject([{ status: 'published', skippedGates: {} }]);
    const file = (name: string) => readFileSync(join(home, 'bundles/linux-6.1', variant, id, name), 'utf8');
    const manifest = JSON.parse(file('manifest.json')) as Manifest;
    return { id, manifest, log: file('build.log') };
  }

  it.skipIf(title !== '')(
    `builds, boots by PXE with an address by DHCP, and is published${title}`,
    { timeout: 3_600_000 },
    async () => {
      const { id, manifest, log } = await build('e1000');
      expect(manifest.gates.boot?.status).toBe('passed');
      expect(log).toContain(`kiln: up ${id} eth0 10.0.2.15`);
    },
  );

  it.skipIf(title !== '')(
    `with its drivers as modules in an initramfs of cpio gets an address, the kit loading each${title}`,
    { timeout: 3_600_000 },
    async () => {
      const { id, manifest, log } = await build('all');
      expect(manifest.initrd.format).toBe('cpio');
      expect(manifest.gates.boot?.status).toBe('passed');
      expect(log).toContain('Trying to unpack rootfs image as initramfs');
      expect(log).toContain(`kiln: up ${id} eth0 10.0.2.15`);
      for (const [nic, module] of MODERN_CARDS) {
        expect(log).toContain(`kiln: module ${module} loaded`);
        expect(manifest.gates.boot).toMatchObject({ detail: expect.stringContaining(`${nic} by `) });
      }
      const isa = await kiln(['boot', id, '--nic', 'ne2k_isa', '--home', home]);
      expect(isa.code, isa.stdout).toBe(0);
      expect(isa.stdout).toContain('kiln: module ne loaded');
    },
  );
});
