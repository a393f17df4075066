import { existsSync, readFileSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/bundle/index.ts';
import { buildJson, freshDirectory } from '../support/kiln.ts';

const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');

/** Which variants a test run builds; all six of a kernel with KILN_TEST_NICS=all. */
const NICS =
  process.env.KILN_TEST_NICS === 'all'
    ? ['ne2k', 'rtl8139', 'pcnet', 'e1000', 'eepro100', 'tulip']
    : ['rtl8139'];

describe.each(['2.4.37.11', '2.4.22'])('vanilla %s', (version) => {
  const tarball = join(MIRROR, `linux-${version}.tar`);
  const there = existsSync(tarball);
  let home = '';
  beforeAll(() => {
    home = freshDirectory('real');
  });
  afterAll(() => {
    rmSync(home, { recursive: true, force: true });
  });

  it.skipIf(!there)(
    there
      ? `builds, boots by PXE with an address by DHCP, and is published: ${NICS.join(', ')}`
      : 'skipped: no linux-2.4.x tarball',
    { timeout: 3_600_000 },
    async () => {
      const variants = NICS.map((nic) => `linux-${version}:${nic}`);
      const { ran, jobs } = await buildJson([
        ...variants,
        '--home',
        home,
        '--source',
        `kernel=${tarball}`,
        '--jobs',
        '1',
      ]);
      expect(ran.code, ran.stderr).toBe(0);
      for (const job of jobs) {
        expect(job).toMatchObject({ status: 'published', substituted: ['kernel'], skippedGates: {} });
        const directory = join(home, 'bundles', job.recipe, job.variant, job.bundle ?? '');
        const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as Manifest;
        expect(manifest.gates.boot?.status).toBe('passed');
        const log = readFileSync(join(directory, 'build.log'), 'utf8');
        expect(log).toMatch(
          new RegExp(`kiln: up ${job.release?.replaceAll('.', '\\.')} eth0 10\\.0\\.2\\.15`),
        );
        expect(log).toContain('IP-Config: Complete');
      }
    },
  );
});
