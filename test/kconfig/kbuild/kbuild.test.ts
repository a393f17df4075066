import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  type AuditEntry,
  configureKbuild,
  describeKbuildSymbol,
  isKbuildTree,
  parseDotConfig,
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

  test.skipIf(!conf)(
    `explain tells prompt, menu, dependencies, who selects it, and help${title}`,
    async () => {
      const requested = parseFragment('CONFIG_EXPERT=y\nCONFIG_BUS=m\n', 'f.config').options;
      const { facts } = await configureKbuild({ directory, arch: 'i386', base: '', requested });
      const card = describeKbuildSymbol(facts, 'CONFIG_CARD', treeReader(directory));
      expect(card.statements).toEqual([
        {
          at: 'tristate at drivers/Kconfig:3',
          prompt: 'Card',
          menus: ['Drivers'],
          dependsOn: [
            {
              needs: 'EXPERT || MODULES',
              at: 'Kconfig:13',
              symbols: [
                { symbol: 'CONFIG_EXPERT', value: 'y' },
                { symbol: 'CONFIG_MODULES', value: 'y' },
              ],
            },
            {
              needs: 'BUS && (EXPERT || !MODULES)',
              at: 'drivers/Kconfig:5',
              symbols: [
                { symbol: 'CONFIG_BUS', value: 'm' },
                { symbol: 'CONFIG_EXPERT', value: 'y' },
                { symbol: 'CONFIG_MODULES', value: 'y' },
              ],
            },
          ],
        },
      ]);
      const crc = describeKbuildSymbol(facts, 'CONFIG_CRC', treeReader(directory));
      expect(crc.selectedBy).toEqual(['CONFIG_CARD (drivers/Kconfig:7), which is n']);
      const expert = describeKbuildSymbol(facts, 'CONFIG_EXPERT', treeReader(directory));
      expect(expert).toMatchObject({
        value: 'y',
        help: 'An "unbalanced quote and\nif words do not matter here.',
        dependents: expect.arrayContaining(['CONFIG_CARD', 'CONFIG_DEEP']) as unknown,
      });
      expect(describeKbuildSymbol(facts, 'CONFIG_NONE', treeReader(directory)).statements).toEqual([]);
    },
  );

  /** A tree as 2.6.0 to 2.6.14 were: rules that today's make refuses, `.config` in the tree, and oldconfig alone. */
  async function oldTree(): Promise<string> {
    const old = await mkdtemp(join(tmpdir(), 'kiln-kbuild-'));
    onTestFinished(() => rm(old, { recursive: true }));
    const files = {
      ...FILES,
      Makefile: `config %config: scripts/kconfig/conf.c
	@$(MAKE) -s -f scripts/kconfig/Makefile $@
`,
      'scripts/kconfig/Makefile': `oldconfig allnoconfig:
	@kconfig-conf --$@ Kconfig
defconfig:
	@kconfig-conf --alldefconfig Kconfig
`,
      'scripts/kconfig/conf.c': '/* reads .config */\n',
      'include/linux/kernel.h': '',
      '.config': 'CONFIG_MINE=y\n',
    };
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(old, name, '..'), { recursive: true });
      await writeFile(join(old, name), text);
    }
    return old;
  }

  test.skipIf(!conf)(`one older than olddefconfig is settled by oldconfig's defaults${title}`, async () => {
    const old = await oldTree();
    const requested = parseFragment('CONFIG_EXPERT=y\nCONFIG_BUS=y\nCONFIG_CARD=m\n', 'f.config').options;
    const { dotConfig, audit } = await configureKbuild({ directory: old, arch: 'i386', requested });
    expect(audit.ok).toBe(true);
    expect(dotConfig).toContain('CONFIG_NUMBER=4');
    expect(dotConfig).toContain('CONFIG_MODULES=y');
  });

  test.skipIf(!conf)(`an old tree has nothing on that was not asked for, on request${title}`, async () => {
    const requested = parseFragment('CONFIG_EXPERT=y\nCONFIG_BUS=y\n', 'f.config').options;
    const input = { arch: 'i386', base: '', requested, unnamed: 'off' } as const;
    const old = await configureKbuild({ ...input, directory: await oldTree() });
    const today = await configureKbuild({ ...input, directory });
    expect(parseDotConfig(old.dotConfig)).toEqual(parseDotConfig(today.dotConfig));
  });

  test.skipIf(!conf)(`an old tree and its own .config stay as they are${title}`, async () => {
    const old = await oldTree();
    const before = await readdir(old, { recursive: true });
    await configureKbuild({ directory: old, arch: 'i386', requested: [] });
    expect(await readFile(join(old, '.config'), 'utf8')).toBe('CONFIG_MINE=y\n');
    expect(await readdir(old, { recursive: true })).toEqual(before);
  });

  test('a tree whose make never stops asking is given up', async () => {
    const asking = await mkdtemp(join(tmpdir(), 'kiln-kbuild-'));
    onTestFinished(() => rm(asking, { recursive: true }));
    await writeFile(
      join(asking, 'Makefile'),
      'olddefconfig:\n\t@while :; do read answer || exec tail -f /dev/null; done\n',
    );
    await writeFile(join(asking, 'Kconfig'), '');
    const failure = configureKbuild({
      directory: asking,
      arch: 'i386',
      base: '',
      requested: [],
      timeoutMs: 300,
    });
    await expect(failure).rejects.toThrow(/make olddefconfig still asked for values after 0.3 s/);
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
