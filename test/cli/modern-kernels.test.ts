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

describe('Linux 6.1', () => {
  const mirror = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
  const name = existsSync(mirror)
    ? readdirSync(mirror).find((each) => /^linux-6\.1\.\d+\.tar\.xz$/.test(each))
    : undefined;
  const wanted = process.env.KILN_TEST_MODERN === '1';
  const title = !wanted
    ? ' (skipped: KILN_TEST_MODERN is not 1)'
    : name === undefined
      ? ' (skipped: no linux-6.1.x.tar.xz)'
      : '';
  let home = '';
  beforeAll(() => {
    home = freshDirectory('modern');
  });
  afterAll(() => {
    rmSync(home, { recursive: true, force: true });
  });

  it.skipIf(title !== '')(
    `builds, boots by PXE with an address by DHCP, and is published${title}`,
    { timeout: 3_600_000 },
    async () => {
      const source = `kernel=${join(mirror, name ?? '')}`;
      const { ran, jobs } = await buildJson(['linux-6.1:e1000', '--home', home, '--source', source]);
      expect(ran.code, ran.stderr).toBe(0);
      const [job] = jobs;
      expect(job).toMatchObject({ status: 'published', skippedGates: {} });
      const directory = join(home, 'bundles/linux-6.1/e1000', job?.bundle ?? '');
      const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as Manifest;
      expect(manifest.gates.boot?.status).toBe('passed');
      const log = readFileSync(join(directory, 'build.log'), 'utf8');
      expect(log).toContain(`kiln: up ${job?.release} eth0 10.0.2.15`);
    },
  );
});
