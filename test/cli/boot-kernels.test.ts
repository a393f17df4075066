import { existsSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildJson, freshDirectory, kiln } from '../support/kiln.ts';

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
    },
  );
});
