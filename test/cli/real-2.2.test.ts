import { existsSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { buildJson, freshDirectory, kiln } from '../support/kiln.ts';

const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
const as86 = existsSync('/usr/bin/as86');

/** Cards that the kernel for all cards boots on; every one with KILN_TEST_NICS=all. */
const NICS =
  process.env.KILN_TEST_NICS === 'all' ? ['ne2k_pci', 'ne2k_isa', 'i82551', 'tulip'] : ['ne2k_isa'];

describe.each(['2.2.17', '2.2.26'])('vanilla %s', (version) => {
  const tarball = join(MIRROR, `linux-${version}.tar`);
  const missing = existsSync(tarball)
    ? as86
      ? ''
      : ' (skipped: no as86)'
    : ' (skipped: no linux-2.2.x tarball)';

  it.skipIf(missing !== '')(
    `builds for all cards, boots by PXE on pcnet, and gets an address on ${NICS.join(', ')}${missing}`,
    { timeout: 3_600_000 },
    async () => {
      const home = freshDirectory('real-2.2');
      onTestFinished(() => rmSync(home, { recursive: true, force: true }));
      const source = `kernel=${tarball}`;
      const { ran, jobs } = await buildJson([`linux-${version}:all`, '--home', home, '--source', source]);
      expect(ran.code, ran.stderr).toBe(0);
      const [job] = jobs;
      expect(job).toMatchObject({ status: 'published', skippedGates: {} });
      const log = readFileSync(
        join(home, `bundles/linux-${version}/all`, job?.bundle ?? '', 'build.log'),
        'utf8',
      );
      expect(log).toContain(`kiln: up ${job?.release} eth0 10.0.2.15`);
      for (const nic of NICS) {
        const booted = await kiln(['boot', job?.bundle ?? '', '--nic', nic, '--home', home]);
        expect(booted.code, `${nic}: ${booted.stderr}`).toBe(0);
      }
    },
  );
});
