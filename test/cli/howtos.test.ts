import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { cpio, rpm } from '../sources/rpmBytes.ts';
import { tarOf } from '../sources/tarBytes.ts';
import { buildJson, freshDirectory, kiln } from '../support/kiln.ts';

const SAMPLE = join(import.meta.dirname, '../../recipes/sample');
const names = readdirSync(join(import.meta.dirname, '../../recipes'))
  .filter((name) => name.endsWith('.yaml') && !name.endsWith('.lock.yaml'))
  .map((name) => name.replace(/\.yaml$/, ''));

describe('the recipes of the how-tos', () => {
  it.each(names)('%s plans without its sources', async (name) => {
    const ran = await kiln(['plan', name, '--home', freshDirectory('home'), '--json']);
    expect(ran.code, ran.stderr).toBe(0);
  });

  it.each([
    ['openmosix-2.4.18-om4', 'openmosix-kernel-2.4.18-openmosix4.src.rpm', undefined],
    ['mosix-2.2.17:all', 'MOSIX-0.97.9.tar.gz', undefined],
    ['openmosix-2.4.20:rtl8139', 'openMosix-2.4.20-3.gz', 'md5 7b593d35115e0d3bead25c47353d8999'],
    ['openmosix-2.4.21:rtl8139', 'openMosix-2.4.21-1.bz2', 'md5 c0f06cde9049b2e17fbc286532dbb2d4'],
    ['openmosix-2.4.22:rtl8139', 'openMosix-2.4.22-2.bz2', 'md5 98383791652633351317c59952735d16'],
    ['openmosix-2.4.24:rtl8139', 'openMosix-2.4.24-2.bz2', 'md5 1c9bc4f32a9fc793cb8f0a6d0f910cb7'],
    ['openmosix-2.4.26:rtl8139', 'openMosix-2.4.26-1.bz2', 'md5 3c4eaa62eb1c6fe81e4659f3d5e1985c'],
    ['openmosix-2.4.32:rtl8139', 'patch-2.4.32-om-migshm-no-mfs-20060417.bz2', 'sha256 4448bffd9c6e835b'],
  ])('%s says where %s was looked for, what it has to be and what to do', async (recipe, file, digest) => {
    const mirror = freshDirectory('mirror');
    const ran = await kiln(['build', recipe, '--home', freshDirectory('home'), '--mirror', mirror], {
      // A proxy that nobody is: no test asks the network.
      http_proxy: 'http://127.0.0.1:9',
      https_proxy: 'http://127.0.0.1:9',
    });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`${file} (source `);
    expect(ran.stderr).toContain('is not to be had from any of its places');
    expect(ran.stderr).toContain(`${join(mirror, file)}: no such file`);
    expect(ran.stderr).toMatch(new RegExp(`https?://\\S+/${file.replaceAll('.', '\\.')}: `));
    if (digest !== undefined) expect(ran.stderr).toMatch(new RegExp(`what is pinned: .*${digest}`));
    expect(ran.stderr).toContain(`hint: put ${file} into ${mirror}`);
  });

  it('a kernel out of a source RPM and a -p0 patch out of a tar in a tar.gz build and boot (stand-ins)', async () => {
    const directory = freshDirectory('stand-in');
    const patch = readFileSync(join(SAMPLE, 'patches/openmosix-stand-in.patch'), 'utf8');
    const bare = patch.replace(/^(---|\+\+\+) [ab]\//gm, '$1 ');
    const inner = tarOf({ name: 'patches.2.4.99', content: bare });
    writeFileSync(join(directory, 'MOSIX.tar.gz'), gzipSync(tarOf({ name: 'kernel.tar', content: inner })));
    const tarball = readFileSync(join(SAMPLE, 'linux-2.4.99.tar.bz2'));
    writeFileSync(
      join(directory, 'kernel.src.rpm'),
      rpm(gzipSync(cpio({ 'linux-2.4.99.tar.bz2': tarball }))),
    );
    writeFileSync(
      join(directory, 'standin.yaml'),
      `name: standin
kernel:
  version: 2.4.99
  source: {urls: [kernel.src.rpm], member: linux-2.4.99.tar.bz2}
extraversion: -om4
release: pinned
patches:
  - {name: mosix, urls: [MOSIX.tar.gz], member: [kernel.tar, patches.2.4.99], strip: 0, last: true}
config:
  base: arch
  fragments: [${join(SAMPLE, 'sample.config')}, openmosix, mfs, nic/ne2k-pci]
variants: {ne2k: {boot: {nic: ne2k_pci}}}
initrd: {size: 2000, inodes: 200}
boot:
  cmdline: console=ttyS0 root=/dev/ram0
  expect: ['Linux version 2.4.99-om4', 'openMosix stand-in: disclosure 1, with MFS']
channel: lts/vmlinuz-openmosix
`,
    );
    const home = freshDirectory('home');
    const { ran, jobs } = await buildJson([join(directory, 'standin.yaml'), '--home', home]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(jobs[0]).toMatchObject({ release: '2.4.99-om4', channel: 'lts/vmlinuz-openmosix' });
    expect(readFileSync(join(directory, 'standin.lock.yaml'), 'utf8')).toContain('file: kernel.src.rpm');
  });
});
