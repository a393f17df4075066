import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AuditEntry,
  configureKbuild,
  isKbuildTree,
  parseFragment,
  treeReader,
} from '../../../src/kconfig/index.ts';
import { KilnError } from '../../../src/platform/errors.ts';

/** The kernel's own Kconfig interpreter, as Debian packages it (kconfig-frontends). */
const conf = spawnSync('kconfig-conf', ['--version']).error === undefined;
const title = conf ? '' : ' (skipped: no kconfig-conf)';

const FILES = {
  Makefile: `olddefconfig:
	@kconfig-conf --olddefconfig Kconfig >/dev/null
allnoconfig:
	@kconfig-conf --allnoconfig Kconfig >/dev/null
defconfig:
	@kconfig-conf --alldefconfig Kconfig >/dev/null
`,
  Kconfig: `mainmenu "A tree of the 2.6 kind"
config MODULES
	bool "Modules"
	default y
	option modules
config EXPERT
	bool "Expert"
	help
	  An "unbalanced quote and
	  if words do not matter here.

menu "Drivers"
	depends on EXPERT || MODULES
source "drivers/Kconfig"
endmenu
`,
  'drivers/Kconfig': `config BUS
	tristate "Bus"
config CARD
	tristate "Card"
	depends on BUS && \\
		(EXPERT || !MODULES)
	select CRC
config CRC
	tristate
config NUMBER
	int "Number"
	range 1 10
	default 4
if EXPERT
config DEEP
	bool "Deep"
config OTHER
	bool "Other"
	select SHARED
endif
config SHARED
	bool "Shared" if EXPERT
choice
	prompt "One of"
	default ONE
config ONE
	bool "One"
config TWO
	bool "Two"
endchoice
`,
};

describe('a 2.6+ tree', () => {
  let directory = '';

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kiln-kbuild-'));
    await mkdir(join(directory, 'drivers'));
    for (const [name, text] of Object.entries(FILES)) await writeFile(join(directory, name), text);
  });
  afterAll(() => rm(directory, { recursive: true }));

  async function audit(text: string): Promise<Map<string, AuditEntry>> {
    const requested = parseFragment(text, 'f.config').options;
    const configured = await configureKbuild({ directory, arch: 'i386', base: '', requested });
    return new Map(configured.audit.requested.map((entry) => [entry.symbol, entry]));
  }

  test('is told from a 2.4 tree', () => {
    expect(isKbuildTree(treeReader(directory), 'i386')).toBe(true);
    expect(isKbuildTree(treeReader(join(import.meta.dirname, '../../../recipes/sample/linux')), 'i386')).toBe(
      false,
    );
  });

  test.skipIf(!conf)(`what is asked for and can be had is ok${title}`, async () => {
    const entries = await audit(
      'CONFIG_EXPERT=y\nCONFIG_BUS=m\nCONFIG_CARD=m\nCONFIG_NUMBER=7\nCONFIG_TWO=y\n',
    );
    expect([...entries.values()].filter(({ status }) => status !== 'ok')).toEqual([]);
  });

  test.skipIf(!conf)(`an unmet dependency is named with its place and who asked for it${title}`, async () => {
    const entries = await audit('CONFIG_EXPERT=y\nCONFIG_BUS=m\nCONFIG_CARD=y\n');
    expect(entries.get('CONFIG_CARD')).toMatchObject({
      status: 'changed',
      got: 'm',
      why: 'config at drivers/Kconfig:3 depends on BUS && (EXPERT || !MODULES) (drivers/Kconfig:5); CONFIG_BUS is m from f.config:2',
    });
  });

  test.skipIf(!conf)(`an enclosing if is named${title}`, async () => {
    const entries = await audit('CONFIG_DEEP=y\n');
    expect(entries.get('CONFIG_DEEP')).toMatchObject({
      status: 'dropped',
      why: 'config at drivers/Kconfig:15 depends on EXPERT (drivers/Kconfig:14); CONFIG_EXPERT is n',
    });
  });

  test.skipIf(!conf)(`a symbol without a prompt is told to be selected only${title}`, async () => {
    expect((await audit('CONFIG_CRC=y\n')).get('CONFIG_CRC')?.why).toBe(
      'config at drivers/Kconfig:8 has no prompt: only its defaults set it, and what selects it: CONFIG_CARD',
    );
  });

  test.skipIf(!conf)(`what selects a symbol that was to be off is named${title}`, async () => {
    const entries = await audit('CONFIG_EXPERT=y\nCONFIG_OTHER=y\n# CONFIG_SHARED is not set\n');
    expect(entries.get('CONFIG_SHARED')).toMatchObject({
      status: 'changed',
      why: 'CONFIG_OTHER, which is y from f.config:2, selects it (drivers/Kconfig:19)',
    });
  });

  test.skipIf(!conf)(
    `m of a bool, a member of a choice, and an unknown symbol are explained${title}`,
    async () => {
      const entries = await audit('CONFIG_EXPERT=m\nCONFIG_ONE=y\nCONFIG_TWO=y\nCONFIG_CARDS=y\n');
      expect(entries.get('CONFIG_EXPERT')?.why).toContain('knows y and n only');
      expect(entries.get('CONFIG_ONE')?.why).toContain('a member of the choice at drivers/Kconfig:23');
      expect(entries.get('CONFIG_CARDS')).toMatchObject({ status: 'unknown' });
      expect(entries.get('CONFIG_CARDS')?.why).toContain('CONFIG_CARD');
    },
  );

  test.skipIf(!conf)(`what nobody names gets its default, or is off on request${title}`, async () => {
    const requested = parseFragment('CONFIG_EXPERT=y\nCONFIG_BUS=y\n', 'f.config').options;
    const make = async (unnamed: 'default' | 'off') =>
      (await configureKbuild({ directory, arch: 'i386', base: '', requested, unnamed })).dotConfig;
    expect(await make('default')).toContain('CONFIG_MODULES=y');
    expect(await make('off')).toContain('# CONFIG_MODULES is not set');
    expect(await make('off')).toContain('CONFIG_BUS=y');
  });

  test('a tree whose make fails is a failure with its last lines', async () => {
    const broken = await mkdtemp(join(tmpdir(), 'kiln-kbuild-'));
    await writeFile(join(broken, 'Makefile'), 'olddefconfig:\n\t@echo it is broken; exit 1\n');
    await writeFile(join(broken, 'Kconfig'), '');
    const failure = configureKbuild({ directory: broken, arch: 'i386', base: '', requested: [] });
    await expect(failure).rejects.toBeInstanceOf(KilnError);
    await expect(failure).rejects.toMatchObject({
      kind: 'failed',
      lines: expect.arrayContaining(['it is broken']) as unknown,
    });
    await rm(broken, { recursive: true });
  });
});
