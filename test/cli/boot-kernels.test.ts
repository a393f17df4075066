import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { lanUnavailable } from '../../src/boot/lan.ts';
import { output } from '../../src/platform/process.ts';
import { compileLoader, loaderArguments } from '../initrd/nbi/loader.ts';
import { buildJson, freshDirectory, kiln } from '../support/kiln.ts';
import { cardArguments, consoleOf } from '../support/machine.ts';

const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');

/** The card and the module that drives it; all of them with KILN_TEST_NICS=all. */
const CARDS = [
  ['ne2k_isa', 'ne'],
  ['ne2k_pci', 'ne2k-pci'],
  ['rtl8139', '8139too'],
  ['pcnet', 'pcnet32'],
  ['e1000', 'e1000'],
  ['i82551', 'eepro100'],
  ['i82557b', 'eepro100'],
  ['i82559er', 'eepro100'],
  ['tulip', 'tulip'],
].slice(0, process.env.KILN_TEST_NICS === 'all' ? undefined : 2);

const noNfs =
  (await lanUnavailable({ tftp: 'dnsmasq', nfs: { directory: '/', version: 3 } })) ??
  (existsSync('/usr/lib/PXELINUX/pxelinux.0') ? undefined : 'no pxelinux');

describe.each(['2.4.37.11', '2.4.22'])('vanilla %s with every network card as a module', (version) => {
  const tarball = join(MIRROR, `linux-${version}.tar`);
  const there = existsSync(tarball);
  let home = '';
  beforeAll(() => {
    home = freshDirectory('cards');
  });
  afterAll(() => {
    rmSync(home, { recursive: true, force: true });
  });

  it.skipIf(!there)(
    there ? 'gets an address on each card, the kit loading its module' : 'skipped: no linux-2.4.x tarball',
    { timeout: 3_600_000 },
    async () => {
      const source = ['--source', `kernel=${tarball}`];
      const built = await buildJson([`linux-${version}:all`, '--home', home, '--no-publish', ...source]);
      expect(built.ran.code, built.ran.stderr).toBe(0);
      const bundle = built.jobs[0]?.bundle ?? '';
      for (const [nic = '', module = ''] of CARDS) {
        const ran = await kiln(['boot', bundle, '--home', home, '--nic', nic]);
        expect(ran.code, `${nic}: ${ran.stdout}${ran.stderr}`).toBe(0);
        expect(ran.stdout).toContain(`kiln: module ${module} loaded`);
        expect(ran.stdout).toMatch(/^kiln: DHCP on eth0: 10\.0\.2\.15\//m);
      }
      const nbi = join(home, `bundles/linux-${version}/all`, bundle, 'vmlinuz.nbi');
      const machine = [...loaderArguments(await compileLoader(home), nbi), ...cardArguments('pcnet')];
      expect(await consoleOf(machine, /^kiln: (?:up|down) /)).toContain(
        `kiln: up ${bundle} eth0 10.0.2.15\n`,
      );
    },
  );

  // One kernel of 2.4 is enough for it: the other's minute is better spent.
  if (version !== '2.4.37.11') return;
  const withoutNfs = there ? noNfs : 'no linux-2.4.x tarball';
  it.skipIf(withoutNfs !== undefined)(
    withoutNfs === undefined
      ? 'loaded by PXELINUX from real servers, hands over to the init of a root by NFS'
      : `skipped: ${withoutNfs}`,
    { timeout: 600_000 },
    async () => {
      const [bundle = ''] = readdirSync(join(home, `bundles/linux-${version}/all`));
      const choices = ['--nic', 'ne2k_pci', '--loader', 'pxelinux', '--root', 'nfs'];
      const ran = await kiln(['boot', bundle, '--home', home, ...choices]);
      expect(ran.code, ran.stdout + ran.stderr).toBe(0);
      expect(ran.stdout).toMatch(/^kiln: root 10\.99\.0\.1:\S+ mounted read-only$/m);
      expect(ran.stdout).toContain('kiln: handing over to /sbin/init, the initrd at /oldroot');
    },
  );
});

/** Few drivers, so that it is soon built; each of them needs other modules. The read-only images are shown with it. */
const versioned = (tarball: string) => `name: versions
kernel:
  version: 2.4.37.11
  source: {urls: [${tarball}]}
config:
  base: none
  fragments: [netboot, cpu/586, cramfs, romfs, nic/module/8139too, nic/module/ne2k-pci]
  options: {CONFIG_MODVERSIONS: y}
variants:
  a: {boot: {nic: rtl8139}, initrd: {format: cramfs}}
  b: {boot: {nic: ne2k_pci}, initrd: {format: romfs}}
boot: {cmdline: 'console=ttyS0,115200 root=/dev/ram0 rw ip=dhcp', timeout: 240}
channel: own/versions-{variant}
`;

describe('vanilla 2.4.37.11 with versions on its symbols (CONFIG_MODVERSIONS)', () => {
  const tarball = join(MIRROR, 'linux-2.4.37.11.tar');
  const there = existsSync(tarball);

  it.skipIf(!there)(
    there
      ? 'gets an address on each card, the kit linking modules by versioned symbols, from a cramfs and a romfs'
      : 'skipped: no linux-2.4.x tarball',
    { timeout: 3_600_000 },
    async () => {
      const home = freshDirectory('versions');
      onTestFinished(() => rmSync(home, { recursive: true, force: true }));
      const recipe = join(home, 'versions.yaml');
      writeFileSync(recipe, versioned(tarball));
      const { ran, jobs } = await buildJson([recipe, '--home', home, '--no-publish', '--jobs', '1']);
      expect(ran.code, ran.stderr).toBe(0);
      const linked = { a: ['crc32', 'mii', '8139too'], b: ['crc32', '8390', 'ne2k-pci'] };
      for (const [variant, modules] of Object.entries(linked)) {
        const release = jobs.find((job) => job.variant === variant)?.bundle ?? '';
        const log = readFileSync(join(home, 'bundles/versions', variant, release, 'build.log'), 'utf8');
        for (const module of modules) expect(log).toContain(`kiln: module ${module} loaded`);
        expect(log).toContain(`kiln: up ${release} eth0 10.0.2.15`);
      }

      const root = join(home, 'root');
      const release = jobs.find((job) => job.variant === 'a')?.bundle ?? '';
      mkdirSync(root);
      await output('tar', ['-xzf', join(home, 'bundles/versions/a', release, 'modules.tar.gz'), '-C', root]);
      const directory = `/lib/modules/${release}`;
      const net = `${directory}/kernel/drivers/net`;
      const needs = await output('nm', ['-u', join(root, `${net}/ne2k-pci.o`)]);
      expect(needs).toMatch(/ U printk_R[0-9a-f]{8}$/m);
      expect(needs).toMatch(/ U ei_open_R[0-9a-f]{8}$/m);
      const crc32 = `${directory}/kernel/lib/crc32.o`;
      expect(
        readFileSync(join(root, directory, 'modules.dep'), 'latin1')
          .split('\n\n')
          .slice(0, -1),
      ).toEqual([
        `${net}/8139too.o:\t${net}/mii.o \\\n\t${crc32}`,
        `${net}/8390.o:\t${crc32}`,
        `${net}/mii.o:`,
        `${net}/ne2k-pci.o:\t${net}/8390.o`,
        `${crc32}:`,
      ]);
    },
  );
});
