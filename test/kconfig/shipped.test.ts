import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ConfigTree, loadTree, parseFragment, resolveConfig } from '../../src/kconfig/index.ts';
import { type ConfigFiles, kernelTarball, unpackConfigFiles } from './cml1/kernels.ts';

const directory = join(import.meta.dirname, '../../kconfig');
const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.config'))
  .map((name) => name.replace(/\.config$/, ''))
  .sort();
const textOf = (name: string) => readFileSync(join(directory, `${name}.config`), 'utf8');
const fragment = (name: string) => parseFragment(textOf(name), `kconfig/${name}.config`);

/** Drivers that 2.4.22 does not have. */
const LATER = ['forcedeth', 'skge', 'sky2'].flatMap((name) => [`nic/${name}`, `nic/module/${name}`]);

/** Needs a patch, or is for the later tree only. */
const ELSEWHERE: Record<string, readonly string[]> = {
  '2.4.22': ['openmosix', 'mfs', 'gentoo-2003', ...LATER, 'cpu/geode-lx'],
  '2.4.37.11': ['openmosix', 'mfs', 'gentoo-2003'],
};

test.each(names)('%s says in its head what it is for and what it needs', (name) => {
  const head = textOf(name).split('\n\n')[0] ?? '';
  expect(head).toMatch(/^(# .+\n?)+$/);
  expect(head).toMatch(/^# .*Needs /m);
});

test('there is a fragment for every Ethernet driver that all-modules has', () => {
  const modules = fragment('nic/all-modules').options.filter(({ want }) => want === 'm');
  const builtIn = names
    .filter((name) => name.startsWith('nic/') && name !== 'nic/all-modules')
    .flatMap((name) => fragment(name).options.map(({ symbol }) => symbol));
  expect(modules.length).toBe(75);
  for (const { symbol } of modules) expect(builtIn).toContain(symbol);
});

test('every driver that there is a fragment for built in has one as a module too', () => {
  for (const name of names.filter((one) => /^nic\/[^/]+$/.test(one) && one !== 'nic/all-modules')) {
    const asked = (one: string) => fragment(one).options.map(({ symbol, want }) => `${symbol}=${want}`);
    const builtIn = asked(name);
    const module = asked(name.replace('nic/', 'nic/module/'));
    expect(module.filter((option) => !builtIn.includes(option))).toEqual([
      builtIn.find((option) => !module.includes(option))?.replace(/=y$/, '=m'),
    ]);
  }
});

describe.each(['2.4.22', '2.4.37.11'])('on Linux %s', (version) => {
  const tarball = kernelTarball(version);
  const title = tarball === undefined ? ` (skipped: no linux-${version} tarball)` : '';
  const fitting = names.filter(
    (name) => ELSEWHERE[version]?.includes(name) === false && !/^(?:modern|2\.2)\//.test(name),
  );
  let files: ConfigFiles | undefined;
  let tree: ConfigTree | undefined;

  beforeAll(async () => {
    if (tarball === undefined) return;
    files = await unpackConfigFiles(tarball);
    tree = loadTree(files.reader, 'i386');
  });
  afterAll(() => files?.remove());

  test.skipIf(tarball === undefined).each(fitting)(`netboot and %s get all they ask for${title}`, (name) => {
    if (files === undefined || tree === undefined) throw new Error('not unpacked');
    const alone = name.startsWith('netboot') ? [name] : ['netboot', name];
    const requested = alone.flatMap((each) => fragment(each).options);
    const base = files.reader.read('arch/i386/defconfig') ?? '';
    const { audit, passes } = resolveConfig({ tree, base, requested, settle: true });
    // What is overridden was so by a comment that says why, or it is refused.
    expect(audit.requested.filter(({ status }) => status !== 'ok' && status !== 'overridden')).toEqual([]);
    expect(passes).toBe(1);
  });

  test.skipIf(tarball === undefined)(`openmosix names the patch it needs${title}`, () => {
    if (files === undefined || tree === undefined) throw new Error('not unpacked');
    const requested = [...fragment('openmosix').options, ...fragment('mfs').options];
    const { audit } = resolveConfig({ tree, base: '', requested });
    const says = (symbol: string) => audit.requested.find((entry) => entry.symbol === symbol)?.why;
    expect(says('CONFIG_MOSIX')).toContain('the patch openMosix');
    expect(says('CONFIG_MOSIX_FS')).toContain(
      version === '2.4.22' ? 'the patch openMosix' : 'openMosix dropped MFS and DFSA with 2.4.26',
    );
  });
});

describe.each(['2.2.17', '2.2.26'])('on Linux %s', (version) => {
  const tarball = kernelTarball(version);
  const title = tarball === undefined ? ` (skipped: no linux-${version} tarball)` : '';
  const cards = names.filter((name) => name.startsWith('2.2/nic/'));

  test.skipIf(tarball === undefined).each(cards)(
    `2.2/netboot and %s get all they ask for${title}`,
    async (name) => {
      const files = await unpackConfigFiles(tarball ?? '');
      onTestFinished(() => files.remove());
      const requested = ['2.2/netboot', 'cpu/586', name].flatMap((each) => fragment(each).options);
      const { audit } = resolveConfig({
        tree: loadTree(files.reader, 'i386'),
        base: '',
        requested,
        settle: true,
      });
      // What is overridden was so by a comment that says why, or it is refused.
      expect(audit.requested.filter(({ status }) => status !== 'ok' && status !== 'overridden')).toEqual([]);
    },
  );
});
