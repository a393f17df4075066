import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Manifest } from '../../src/bundle/index.ts';
import { buildJson, freshDirectory, kiln, pathWithout } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

const CHROOT = process.env.KILN_TEST_CHROOT ?? join(homedir(), 'kiln-chroot');
const IMAGE = process.env.KILN_TEST_IMAGE;

/** Builds and boots the sample kernel with a toolchain, and gives what the bundle says of it. */
async function buildWith(toolchain: string) {
  const home = freshDirectory('home');
  const recipe = writeRecipe({ more: `toolchain: ${toolchain}\n` });
  const { ran, jobs } = await buildJson(['--home', home, recipe]);
  expect(ran.stderr).not.toContain('error:');
  const [job] = jobs;
  expect(job).toMatchObject({ status: 'published' });
  const bundle = join(home, 'bundles/own/a', job?.bundle ?? '');
  const manifest = JSON.parse(readFileSync(join(bundle, 'manifest.json'), 'utf8')) as Manifest;
  const plan = await kiln(['--home', home, 'plan', recipe]);
  const why = await kiln(['--home', home, 'why', recipe]);
  const shown = await kiln(['--home', home, 'show', job?.bundle ?? '']);
  return { manifest, plan: plan.stdout, why: why.stdout, shown: shown.stdout };
}

test.skipIf(!existsSync(join(CHROOT, 'usr/bin/gcc')))(
  'the sample kernel is built in a chroot and boots (skipped: no system with gcc in $KILN_TEST_CHROOT or ~/kiln-chroot)',
  async () => {
    const { manifest, plan, why, shown } = await buildWith(`{ chroot: ${CHROOT} }`);
    expect(manifest.toolchain).toMatchObject({
      compiler: expect.stringMatching(/^gcc version /),
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      within: 'chroot',
    });
    expect(manifest.build).toEqual({ sandbox: 'bubblewrap' });
    expect(plan).toMatch(/compile +hit/);
    expect(why).toContain('nothing changed');
    expect(shown).toMatch(/compiler .*, in chroot/);
  },
);

test.skipIf(IMAGE === undefined)(
  'the sample kernel is built in a container and boots (skipped: no image with gcc named by $KILN_TEST_IMAGE)',
  async () => {
    const { manifest, plan } = await buildWith(`{ container: '${IMAGE}' }`);
    expect(manifest.toolchain.within).toMatch(/^container .* (sha256:)?[0-9a-f]{64}$/);
    expect(manifest.build).toEqual({ sandbox: 'container' });
    expect(plan).toMatch(/compile +hit/);
  },
);

test('a chroot that is none is refused by the line of the recipe that names it', async () => {
  const recipe = writeRecipe({ more: 'toolchain:\n  chroot: ./nowhere\n' });
  const { code, stderr } = await kiln(['--home', freshDirectory('home'), 'plan', recipe]);
  expect(stderr).toMatch(/own\.yaml:\d+:3: toolchain\.chroot: \/.*\/nowhere is no root of a system/);
  expect(stderr).toContain('hint: debootstrap');
  expect(code).toBe(2);
});

test('an image is refused by its line where there is neither podman nor docker', async () => {
  const recipe = writeRecipe({ more: 'toolchain: { container: sarge }\n' });
  const PATH = pathWithout((name) => name === 'podman' || name === 'docker');
  const { code, stderr } = await kiln(['--home', freshDirectory('home'), 'plan', recipe], { PATH });
  expect(stderr).toMatch(/own\.yaml:\d+:14: toolchain\.container is sarge, and neither podman nor docker/);
  expect(code).toBe(3);
});

test("an engine is started among the mounts of who started Kiln, where its user's images are", async () => {
  const bin = freshDirectory('bin');
  const heard = join(bin, 'heard');
  writeFileSync(join(bin, 'podman'), `#!/bin/sh\nreadlink /proc/self/ns/mnt >> ${heard}\necho sha256:0\n`, {
    mode: 0o755,
  });
  const recipe = writeRecipe({ more: 'toolchain: { container: sarge }\n' });
  await kiln(['--home', freshDirectory('home'), 'build', recipe], { PATH: `${bin}:${process.env.PATH}` });
  const places = new Set(readFileSync(heard, 'utf8').trim().split('\n'));
  expect([...places]).toEqual([readlinkSync('/proc/self/ns/mnt')]);
});

test('a recipe has a chroot or a container, not both', async () => {
  const recipe = writeRecipe({ more: 'toolchain: { chroot: /a, container: b }\n' });
  const { code, stderr } = await kiln(['--home', freshDirectory('home'), 'plan', recipe]);
  expect(stderr).toMatch(/own\.yaml:\d+:1: .*either chroot or container/);
  expect(code).toBe(2);
});
