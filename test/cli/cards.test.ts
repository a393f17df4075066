import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/bundle/index.ts';
import { buildJson, freshDirectory, kiln } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

/** A recipe of the sample kernel with a driver for ne2k_pci, whose gate expects one line more. */
function recipeFor(nic: string, line: string): string {
  return writeRecipe({
    boot: `{nic: ${nic}, cmdline: console=ttyS0, expect: ['Linux version {release}', '${line}'], timeout: 60}`,
  });
}

describe('a recipe whose gate is for several cards', () => {
  it('boots each; the manifest names each, and so does kiln boot', async () => {
    const home = freshDirectory('home');
    const { ran, jobs } = await buildJson([recipeFor('[ne2k_pci, rtl8139]', 'sha256:'), '--home', home]);
    expect(ran.code, ran.stderr).toBe(0);
    const [job] = jobs;
    const directory = join(home, 'bundles/own/a', job?.bundle ?? '');
    const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as Manifest;
    expect(manifest.boot.nic).toEqual(['ne2k_pci', 'rtl8139']);
    expect(manifest.gates.boot).toEqual({
      status: 'passed',
      detail: 'ne2k_pci by PXE (tcg), rtl8139 by PXE (tcg)',
    });
    const log = readFileSync(join(directory, 'build.log'), 'utf8');
    expect(log.match(/Linux version 2\.4\.99/g)).toHaveLength(2);
    const booted = await kiln(['boot', job?.bundle ?? '', '--home', home, '--json']);
    expect(JSON.parse(booted.stdout)).toMatchObject({
      verdict: { status: 'passed' },
      cards: [{ nic: 'ne2k_pci', verdict: { status: 'passed' } }, { nic: 'rtl8139' }],
    });
  });

  it('fails when one of them does, and names it', async () => {
    const file = recipeFor('[ne2k_pci, rtl8139]', 'ne2k-pci: found 10ec:8029');
    const { ran, jobs } = await buildJson([file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
    expect(jobs[0]?.error?.message).toMatch(/^boot gate on rtl8139: /);
  });

  it('and one that QEMU does not have stops before anything is compiled: exit 2', async () => {
    const { ran, jobs } = await buildJson([
      recipeFor('[ne2k_pci, token-ring]', 'x'),
      '--home',
      freshDirectory('home'),
    ]);
    expect(ran.code).toBe(2);
    expect(jobs[0]?.error?.message).toBe('QEMU has no network card token-ring');
    expect(jobs[0]?.error?.place).toMatch(/own\.yaml:\d+:\d+$/);
    expect(jobs[0]?.steps.run).toBeLessThan(2);
  });
});
