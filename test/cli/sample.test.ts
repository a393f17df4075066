import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/bundle/index.ts';
import { buildJson, freshDirectory, kiln, pathWithout, sampleHome } from '../support/kiln.ts';

const VARIANTS = ['ne2k', 'rtl8139', 'all'];

let home: string;
beforeAll(async () => {
  home = await sampleHome();
});

function logCount(): number {
  return readdirSync(join(home, 'logs/sample/rtl8139')).filter((name) => name.endsWith('.log')).length;
}

function manifestOf(variant: string): { directory: string; manifest: Manifest } {
  const parent = join(home, 'bundles/sample', variant);
  const [id = ''] = readdirSync(parent).filter((name) => !name.endsWith('.json'));
  const directory = join(parent, id);
  return {
    directory,
    manifest: JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as Manifest,
  };
}

describe('kiln build of the sample', () => {
  it.each(VARIANTS)(
    'publishes %s: a relative link inside the TFTP root, to files that name immutable paths',
    (variant) => {
      const { manifest } = manifestOf(variant);
      const link = join(home, 'tftp/sample', variant);
      expect(lstatSync(link).isSymbolicLink()).toBe(true);
      expect(readlinkSync(link)).toBe(`../bundles/${manifest.id}`);
      expect(relative(join(home, 'tftp'), realpathSync(link)).startsWith('..')).toBe(false);
      for (const config of ['pxelinux.cfg', 'boot.ipxe']) {
        const text = readFileSync(join(link, config), 'utf8');
        expect(text).toContain(`bundles/${manifest.id}/vmlinuz`);
        expect(text).toContain(`bundles/${manifest.id}/initrd.gz`);
        expect(text).not.toContain(`sample/${variant}/`);
      }
    },
  );

  it.each(VARIANTS)('gives %s a release of its own, which is its id, which its kernel carries', (variant) => {
    const { directory, manifest } = manifestOf(variant);
    expect(manifest.release).toBe(manifest.id);
    expect(manifest.id).toMatch(/^2\.4\.99-sample-[0-9a-f]{10}$/);
    expect(readFileSync(join(directory, 'vmlinuz'), 'latin1')).toContain(manifest.release);
  });

  it.each(VARIANTS)(
    'boots %s in QEMU on its card before its channel flips, and says so in the manifest',
    (variant) => {
      const { manifest } = manifestOf(variant);
      expect(manifest.gates.boot).toMatchObject({
        status: 'passed',
        detail: expect.stringContaining('by PXE'),
      });
      expect(manifest.gates.audit?.status).toBe('passed');
      expect(manifest.gates.verify?.status).toBe('passed');
      const log = readFileSync(join(manifestOf(variant).directory, 'build.log'), 'utf8');
      expect(log).toContain(`Linux version ${manifest.release}`);
      expect(log).toContain(`sha256:${manifest.files['initrd.gz']?.sha256}`);
    },
  );

  it('writes sums that sha256sum agrees with, and files that nobody can write to', () => {
    const { directory } = manifestOf('ne2k');
    execFileSync('sha256sum', ['--quiet', '-c', 'SHA256SUMS'], { cwd: directory });
    for (const name of readdirSync(directory))
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o444);
  });

  it('gives each variant the modules that its config asks for, and nothing of the build machine', () => {
    const members = (variant: string) =>
      execFileSync('tar', ['-tzf', join(manifestOf(variant).directory, 'modules.tar.gz')], {
        encoding: 'utf8',
      });
    const { release } = manifestOf('all').manifest;
    expect(members('all')).toContain(`lib/modules/${release}/kernel/drivers/net/8139too.o`);
    expect(members('ne2k')).not.toContain('8139too.o');
    expect(members('all')).not.toContain('/build');
    const { directory } = manifestOf('all');
    for (const name of readdirSync(directory).filter((file) => file !== 'build.log')) {
      const bytes = readFileSync(join(directory, name));
      const plain = name.endsWith('.gz') ? gunzipSync(bytes) : bytes;
      expect(plain.includes(home), name).toBe(false);
    }
  });

  it('makes an initrd that e2fsck finds clean, of the size and inodes of the recipe, with the modules in it', () => {
    const image = join(freshDirectory('initrd'), 'image');
    writeFileSync(image, gunzipSync(readFileSync(join(manifestOf('all').directory, 'initrd.gz'))));
    expect(statSync(image).size).toBe(2000 * 1024);
    execFileSync('e2fsck', ['-fn', image]);
    const { release } = manifestOf('all').manifest;
    const listing = execFileSync(
      'debugfs',
      ['-R', `ls -p /lib/modules/${release}/kernel/drivers/net`, image],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    expect(listing).toContain('8139too.o');
    const summary = execFileSync('dumpe2fs', ['-h', image], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(summary).toMatch(/Inode count:\s+200\n/);
  });

  it('puts the requested options into the config, whatever the defconfig says', () => {
    const config = (variant: string) => readFileSync(join(manifestOf(variant).directory, 'config'), 'utf8');
    expect(config('rtl8139')).toContain('CONFIG_8139TOO=y\n');
    expect(config('all')).toContain('CONFIG_8139TOO=m\n');
    expect(config('ne2k')).toContain('# CONFIG_8139TOO is not set\n');
  });

  it('done again does nothing and says so', async () => {
    const again = await sampleHome();
    const { ran, jobs } = await buildJson(['--home', again]);
    expect(ran.code).toBe(0);
    expect(jobs.map(({ steps }) => steps.run)).toEqual([0, 0, 0]);
    expect(jobs.map(({ status, generation }) => [status, generation])).toEqual(
      Array(3).fill(['published', 1]),
    );
    const plain = await kiln(['build', '--home', again]);
    expect(plain.stdout).toContain('nothing had to be done');
  });

  it('prints the JSON that the contract names, and nothing else on stdout', async () => {
    const { jobs } = await buildJson(['sample:ne2k', '--home', await sampleHome()]);
    expect(jobs[0]).toMatchObject({
      recipe: 'sample',
      variant: 'ne2k',
      status: 'published',
      bundle: expect.stringMatching(/^2\.4\.99-sample-/),
      release: expect.stringMatching(/^2\.4\.99-sample-/),
      channel: 'sample/ne2k',
      generation: 1,
      seconds: expect.any(Number),
      steps: { hit: expect.any(Number), run: 0 },
      log: expect.stringMatching(/\.log$/),
    });
  });

  it('makes the same bytes in another home', async () => {
    const other = freshDirectory('other-home');
    const { ran, jobs } = await buildJson(['sample:rtl8139', '--home', other, '--no-publish'], {
      PATH: pathWithout((name) => name.startsWith('qemu-system')),
    });
    expect(ran.code, ran.stderr).toBe(0);
    const { manifest } = manifestOf('rtl8139');
    expect(jobs[0]?.bundle).toBe(manifest.id);
    const rebuilt = join(other, 'bundles/sample/rtl8139', manifest.id, 'manifest.json');
    expect((JSON.parse(readFileSync(rebuilt, 'utf8')) as Manifest).files).toEqual(manifest.files);
  });
});

describe('the commands about what was built', () => {
  it('list, show and verify bundles', async () => {
    const { manifest } = manifestOf('ne2k');
    const listed = JSON.parse((await kiln(['bundles', '--home', home, '--json'])).stdout) as {
      bundles: { id: string; channels: string[]; booted: boolean }[];
    };
    expect(listed.bundles).toHaveLength(3);
    expect(listed.bundles.find(({ id }) => id === manifest.id)).toMatchObject({
      channels: ['sample/ne2k'],
      booted: true,
    });
    const shown = await kiln(['show', manifest.id, '--home', home]);
    expect(shown.stdout).toContain('linux-2.4.99.tar.bz2');
    expect(shown.stdout).toContain('passed');
    expect((await kiln(['verify', '--home', home])).code).toBe(0);
  });

  it('find damage: exit 4, and the file by name', async () => {
    const damaged = await sampleHome();
    const vmlinuz = join(damaged, 'bundles/sample/ne2k', manifestOf('ne2k').manifest.id, 'vmlinuz');
    const bytes = readFileSync(vmlinuz);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    rmSync(vmlinuz);
    writeFileSync(vmlinuz, bytes);
    const ran = await kiln(['verify', '--home', damaged, '--json']);
    expect(ran.code).toBe(4);
    const report = JSON.parse(ran.stdout) as {
      ok: boolean;
      bundles: { faults: { file: string; problem: string }[] }[];
    };
    expect(report.ok).toBe(false);
    expect(report.bundles.flatMap(({ faults }) => faults)).toMatchObject([
      { file: 'vmlinuz', problem: 'damaged' },
    ]);
    const publish = await kiln([
      'publish',
      manifestOf('ne2k').manifest.id,
      '--channel',
      'lts/x',
      '--home',
      damaged,
    ]);
    expect(publish.code).toBe(4);
    expect(existsSync(join(damaged, 'tftp/lts'))).toBe(false);
  });

  it('promote a bundle to another channel and roll it back, without a build', async () => {
    const copy = await sampleHome();
    const id = (variant: string) => manifestOf(variant).manifest.id;
    for (const variant of ['ne2k', 'rtl8139']) {
      const ran = await kiln([
        'publish',
        id(variant),
        '--channel',
        'lts/stable',
        '--home',
        copy,
        '--reason',
        'tried',
      ]);
      expect(ran.code, ran.stderr).toBe(0);
    }
    expect(readlinkSync(join(copy, 'tftp/lts/stable'))).toBe(`../bundles/${id('rtl8139')}`);
    expect((await kiln(['rollback', 'lts/stable', '--home', copy])).code).toBe(0);
    expect(readlinkSync(join(copy, 'tftp/lts/stable'))).toBe(`../bundles/${id('ne2k')}`);
    const ran = await kiln(['channels', 'lts/stable', '--home', copy, '--json']);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      channels: [
        {
          name: 'lts/stable',
          generation: 1,
          bundle: id('ne2k'),
          target: `../bundles/${id('ne2k')}`,
          history: [
            { generation: 1, bundle: id('ne2k'), reason: 'tried' },
            { generation: 2, bundle: id('rtl8139') },
          ],
        },
      ],
    });
    expect((await kiln(['rollback', 'lts/stable', '--home', copy])).code).toBe(2);
    expect((await kiln(['rollback', 'lts/nothing', '--home', copy])).code).toBe(2);
  });

  it('print the log of a variant and of a bundle', async () => {
    const { manifest } = manifestOf('all');
    expect((await kiln(['logs', 'sample:all', '--home', home])).stdout).toContain('# sample:all');
    expect((await kiln(['logs', manifest.id, '--home', home])).stdout).toContain('Linux version');
    expect((await kiln(['logs', 'sample:nothing', '--home', home])).code).toBe(2);
  });

  it('follow the log of a running build to its end, and do not wait for one that has ended', async () => {
    const before = logCount();
    const running = kiln(['build', 'sample:rtl8139', '--rebuild', '--no-publish', '--home', home]);
    await expect.poll(logCount, { timeout: 60_000 }).toBeGreaterThan(before);
    const followed = await kiln(['logs', '-f', 'sample:rtl8139', '--home', home]);
    expect(followed.stdout).toMatch(/\n# finished: built\n$/);
    expect((await running).code).toBe(0);
    expect((await kiln(['logs', '-f', 'sample:rtl8139', '--home', home])).stdout).toBe(followed.stdout);
    expect((await kiln(['logs', '-f', manifestOf('rtl8139').manifest.id, '--home', home])).code).toBe(0);
  });

  it('tell which patches touched a file of the tree', async () => {
    const told = await kiln(['show', 'sample', '--file', 'drivers/net/Makefile', '--home', home, '--json']);
    expect(JSON.parse(told.stdout)).toEqual({
      file: 'drivers/net/Makefile',
      patches: ['8139too'],
      compat: [],
    });
    expect((await kiln(['show', 'sample', '--file', 'no/such', '--home', home])).code).toBe(2);
  });

  it('boot a bundle on another card and show its console', async () => {
    const { manifest } = manifestOf('rtl8139');
    const ran = await kiln(['boot', manifest.id, '--nic', 'pcnet', '--home', home]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toContain(`Linux version ${manifest.release}`);
    const unknown = await kiln(['boot', manifest.id, '--nic', 'token-ring', '--home', home]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain('rtl8139');
  });

  it('boot a bundle twice at once, and each sees the console of its own node', async () => {
    const { manifest } = manifestOf('rtl8139');
    const boot = (word: string) => kiln(['boot', manifest.id, '--append', word, '--home', home]);
    const [one, two] = await Promise.all([boot('kiln.test=one'), boot('kiln.test=two')]);
    expect([one.code, two.code], one.stderr + two.stderr).toEqual([0, 0]);
    expect(one.stdout).toMatch(/command line: .* kiln\.test=one$/m);
    expect(two.stdout).toMatch(/command line: .* kiln\.test=two$/m);
    expect(one.stdout + one.stderr).not.toContain('kiln.test=two');
    const [, log = ''] = /^console: (.*)$/m.exec(one.stderr) ?? [];
    expect(readFileSync(log, 'utf8')).toContain('kiln.test=one');
  });

  it('plan hits for what is there, and say why for what is not', async () => {
    const planned = await kiln(['plan', 'sample:ne2k', '--home', home, '--json']);
    const steps = (ran: string) =>
      (JSON.parse(ran) as { variants: { steps: { step: string; status: string; why: string }[] }[] })
        .variants[0]?.steps ?? [];
    expect(steps(planned.stdout).every(({ status }) => status === 'hit')).toBe(true);
    const dated = await kiln(['plan', 'sample:ne2k', '--home', home, '--json'], {
      SOURCE_DATE_EPOCH: '1000000000',
    });
    expect(steps(dated.stdout).find(({ status }) => status === 'miss')).toMatchObject({
      step: 'compile',
      why: 'SOURCE_DATE_EPOCH: 1061769600 -> 1000000000',
    });
  });
});

describe('without QEMU', () => {
  it('the boot gate is skipped, in the summary and in the manifest; --require-gates names the tool: exit 3', async () => {
    const PATH = pathWithout((name) => name.startsWith('qemu-system'));
    const bare = freshDirectory('bare-home');
    const required = await kiln(['build', 'sample:ne2k', '--home', bare, '--require-gates'], { PATH });
    expect(required.code).toBe(3);
    expect(required.stderr).toMatch(/qemu-system-i386[\s\S]*apt-get install/);
    expect(existsSync(join(bare, 'bundles'))).toBe(false);
    const ran = await kiln(['build', 'sample:ne2k', '--home', bare], { PATH });
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/boot gate skipped: QEMU is not installed/);
    const id = readlinkSync(join(bare, 'tftp/sample/ne2k')).replace('../bundles/', '');
    const file = join(bare, 'bundles/sample/ne2k', id, 'manifest.json');
    expect((JSON.parse(readFileSync(file, 'utf8')) as Manifest).gates.boot?.status).toBe('skipped');
    // As soon as the machine can, the gate runs, without building anything again.
    const { jobs } = await buildJson(['sample:ne2k', '--home', bare]);
    expect(jobs[0]).toMatchObject({ status: 'published', skippedGates: {}, steps: { run: 1 } });
  });
});
