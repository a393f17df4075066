import { chmodSync, chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { baseEnvironment, output, run } from '../../src/platform/process.ts';
import { CHECKOUT, freshDirectory, kiln, pathWithout } from '../support/kiln.ts';

// An ordinary user: nobody but this one, and no group but its own, is known where it mounts.
const USER = ['--user', '--map-root-user', '--'];
const can = process.getuid?.() === 0 && (await run('unshare', [...USER, 'true'])).exitCode === 0;

it.skipIf(!can)("builds in a home that hands on a group which is not the user's own", async () => {
  const home = freshDirectory('shared');
  chownSync(home, 0, 12_345);
  chmodSync(home, 0o2775);
  // Without a boot: that would take most of the time.
  const env = { ...baseEnvironment(), PATH: pathWithout((name) => name.startsWith('qemu-system')) };
  const line = [join(CHECKOUT, 'kiln'), 'build', '--home', home, 'sample:ne2k', 'sample:rtl8139'];
  const { exitCode, tail } = await run('unshare', [...USER, ...line], { env });
  expect(exitCode, tail.join('\n')).toBe(0);
  expect(existsSync(join(home, 'tftp/sample/rtl8139/vmlinuz'))).toBe(true);
});

it.skipIf(!can).each([
  ['shows', 0o755],
  ['keeps to himself', 0o700],
])(
  "root builds on what another user has prepared and %s; who is told what became root's",
  async (_how, mode) => {
    const home = freshDirectory('others');
    const env = { ...baseEnvironment(), PATH: pathWithout((name) => name.startsWith('qemu-system')) };
    const build = (variant: string) => [join(CHECKOUT, 'kiln'), 'build', '--home', home, variant];
    await output('/bin/sh', ['-c', '"$@"', 'sh', ...build('sample:ne2k')], { env });
    chmodSync(home, mode);
    await output('chown', ['-R', '12345:12345', home]);
    const byRoot = await run('/bin/sh', ['-c', '"$@"', 'sh', ...build('sample:rtl8139')], { env });
    expect(byRoot.exitCode, byRoot.tail.join('\n')).toBe(0);

    const byUser = await run('unshare', ['--user', '--map-user=1000', ...build('sample:all')], { env });
    expect(byUser.exitCode).toBe(1);
    expect(byUser.tail.join('\n')).toMatch(
      /^error: .*kiln build: [\s\S]*\nhint: everything that Kiln writes is below/m,
    );
    expect(byUser.tail.join('\n')).not.toContain('bug');
  },
);

it('builds in a home that is a symlink, with a cache that is one', async () => {
  const directory = freshDirectory('linked');
  mkdirSync(join(directory, 'home'));
  mkdirSync(join(directory, 'cache'));
  symlinkSync('home', join(directory, 'link'));
  symlinkSync('../cache', join(directory, 'home/cache'));
  const PATH = pathWithout((name) => name.startsWith('qemu-system'));
  const ran = await kiln(['build', 'sample:ne2k', '--home', join(directory, 'link')], { PATH });
  expect(ran.code, ran.stderr).toBe(0);
  expect(existsSync(join(directory, 'home/tftp/sample/ne2k/vmlinuz'))).toBe(true);
});

it.skipIf(!can)('a home where no program can be started is told so before anything is compiled', async () => {
  const home = freshDirectory('noexec');
  const mount = 'mount -t tmpfs -o noexec,size=300m tmpfs "$0" && exec "$@"';
  const build = [join(CHECKOUT, 'kiln'), 'build', 'sample:ne2k', '--home', home];
  const { exitCode, tail } = await run('unshare', ['--mount', 'sh', '-c', mount, home, ...build], {
    env: baseEnvironment(),
  });
  expect(exitCode).toBe(1);
  const said = tail.join('\n');
  expect(said).toContain(`no program can be started in ${home}/cache: ${home} is mounted noexec`);
  expect(said).toMatch(/^hint: a kernel's tree has programs of its own/m);
  expect(said).not.toMatch(/compile/);
});

it('a home that can not be made is no bug', async () => {
  const directory = freshDirectory('dangling');
  symlinkSync('nowhere', join(directory, 'home'));
  const ran = await kiln(['build', 'sample:ne2k', '--home', join(directory, 'home')]);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toMatch(/^error: .*mkdir[\s\S]*\nhint: everything that Kiln writes/);
});

it('a home that is a file is refused: exit 2', async () => {
  const file = join(freshDirectory('file'), 'home');
  writeFileSync(file, '');
  const ran = await kiln(['build', '--home', file]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain(`the home ${file} is not a directory`);
});
