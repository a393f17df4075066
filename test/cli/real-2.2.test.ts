import { existsSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lanUnavailable } from '../../src/boot/lan.ts';
import type { Manifest } from '../../src/bundle/index.ts';
import { compileLoader, loaderArguments } from '../initrd/nbi/loader.ts';
import { buildJson, freshDirectory, kiln } from '../support/kiln.ts';
import { cardArguments, consoleOf } from '../support/machine.ts';

const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
const as86 = existsSync('/usr/bin/as86');
const every = process.env.KILN_TEST_NICS === 'all';

/** Cards that the kernel for all cards boots on; every one with KILN_TEST_NICS=all. */
const NICS = every ? ['ne2k_pci', 'ne2k_isa', 'i82551', 'tulip'] : ['ne2k_isa'];

/** A floppy drive reads for half a minute; the DHCP server of QEMU gives out this address. */
const UP = /^kiln: up \S+ eth0 10\.0\.2\.15$/;

const noLan = await lanUnavailable({ tftp: 'dnsmasq', nfs: { directory: '/', version: 2 } });

describe.each(['2.2.17', '2.2.26'])('vanilla %s', (version) => {
  const tarball = join(MIRROR, `linux-${version}.tar`);
  const missing = existsSync(tarball)
    ? as86
      ? ''
      : ' (skipped: no as86)'
    : ' (skipped: no linux-2.2.x tarball)';
  const recipe = `linux-${version}`;
  let home = '';
  beforeAll(() => {
    home = freshDirectory('real-2.2');
  });
  afterAll(() => {
    rmSync(home, { recursive: true, force: true });
  });

  /** Builds a variant, which passes its gates; its id, and a file of its bundle. */
  async function build(variant: string) {
    const { ran, jobs } = await buildJson([
      `${recipe}:${variant}`,
      '--home',
      home,
      '--source',
      `kernel=${tarball}`,
    ]);
    expect(ran.code, ran.stderr).toBe(0);
    const [job] = jobs;
    expect(job).toMatchObject({ status: 'published', skippedGates: {} });
    const id = job?.bundle ?? '';
    return { id, file: (name: string) => join(home, 'bundles', recipe, variant, id, name) };
  }

  // 2.2.26 has the same drivers, and is built as the kernel for all cards below.
  describe.runIf(version === '2.2.17')('with every network card as a module', () => {
    let built: ReturnType<typeof build> | undefined;
    /** Built by the first that asks. */
    const modular = () => {
      built ??= build('modules');
      return built;
    };

    it.skipIf(missing !== '')(
      `finds its card on PCI by the niclist, and the kit links the driver${missing}`,
      { timeout: 3_600_000 },
      async () => {
        const bundle = await modular();
        const { gates } = JSON.parse(readFileSync(bundle.file('manifest.json'), 'utf8')) as Manifest;
        expect(gates.boot).toEqual({
          status: 'passed',
          detail: 'pcnet by PXE (tcg), ne2k_pci by PXE (tcg), i82551 by PXE (tcg)',
        });
        const log = readFileSync(bundle.file('build.log'), 'utf8');
        expect(log).toContain('kiln: network card 10ec:8029: driver ne2k-pci');
        for (const module of ['pcnet32', '8390', 'ne2k-pci', 'eepro100']) {
          expect(log).toContain(`kiln: module ${module} loaded`);
        }
        const niclist = readFileSync(bundle.file('niclist'), 'utf8');
        expect(niclist).toMatch(/^10ec:8139 rtl8139$/m);
      },
    );

    it.skipIf(missing !== '' || noLan !== undefined)(
      `hands over to the init of a root by NFS 2${missing !== '' || noLan === undefined ? missing : ` (skipped: ${noLan})`}`,
      { timeout: 3_600_000 },
      async () => {
        const bundle = await modular();
        const booted = await kiln(['boot', bundle.id, '--nic', 'ne2k_pci', '--root', 'nfs', '--home', home]);
        expect(booted.code, booted.stdout + booted.stderr).toBe(0);
        expect(booted.stdout).toContain("lan: NFS 2 by Kiln's own server");
        expect(booted.stdout).toMatch(/^kiln: root 10\.99\.0\.1:\S+ mounted read-only$/m);
        expect(booted.stdout).toContain('kiln: handing over to /sbin/init, the initrd staying below it');
      },
    );

    it.skipIf(missing !== '')(
      `boots as an NBI by a loader of Etherboot's kind, and gets an address${missing}`,
      { timeout: 3_600_000 },
      async () => {
        const bundle = await modular();
        const loader = loaderArguments(await compileLoader(home), bundle.file('vmlinuz.nbi'));
        const said = await consoleOf([...loader, ...cardArguments('pcnet')], UP);
        expect(said).toContain('loader: entering\n');
        expect(said).toMatch(/^kiln: cmdline .* kiln\.option129=yes$/m);
        expect(said).toContain(`kiln: up ${bundle.id} eth0 10.0.2.15\n`);
      },
    );

    it.skipIf(missing !== '')(
      `boots from a floppy by SYSLINUX, and gets an address${missing}`,
      { timeout: 3_600_000 },
      async () => {
        const bundle = await modular();
        const floppy = ['-drive', `if=floppy,format=raw,readonly=on,file=${bundle.file('floppy.img')}`];
        const said = await consoleOf([...floppy, '-boot', 'a', ...cardArguments('pcnet')], UP);
        expect(said).toContain(`kiln: up ${bundle.id} eth0 10.0.2.15\n`);
      },
    );
  });

  it.skipIf(missing !== '')(
    `builds for all cards, boots by PXE on pcnet, and gets an address on ${NICS.join(', ')}${missing}`,
    { timeout: 3_600_000 },
    async () => {
      const { id, file } = await build('all');
      expect(readFileSync(file('build.log'), 'utf8')).toContain(`kiln: up ${id} eth0 10.0.2.15`);
      // Not even where the same tree was built with modules before.
      const { modules } = JSON.parse(readFileSync(file('manifest.json'), 'utf8')) as Manifest;
      expect(modules?.count).toBe(0);
      for (const nic of NICS) {
        const booted = await kiln(['boot', id, '--nic', nic, '--home', home]);
        expect(booted.code, `${nic}: ${booted.stderr}`).toBe(0);
      }
    },
  );
});
