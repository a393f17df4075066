import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LtspReport } from '../../src/ltsp/index.ts';
import { homeAt } from '../../src/platform/home.ts';
import { storeBundle } from '../publish/fixture.ts';
import { freshDirectory, kiln } from '../support/kiln.ts';
import { madeUpRoot, picture } from './root.ts';

const RELEASE = '2.4.18-om4';

/** A home with one bundle that has modules, an NBI and the files of make install. */
async function homeWithBundle(id = `${RELEASE}-1234567890`): Promise<string> {
  const top = freshDirectory('modules');
  const modules = join(top, 'lib/modules', RELEASE);
  mkdirSync(join(modules, 'kernel'), { recursive: true });
  writeFileSync(join(modules, 'kernel/8139too.o'), `module of ${id}`);
  writeFileSync(join(modules, 'modules.dep'), '');
  execFileSync('tar', ['-C', top, '-czf', join(top, 'modules.tar.gz'), 'lib']);
  const home = homeAt(freshDirectory('home'));
  await storeBundle(home, id, {
    files: {
      'modules.tar.gz': readFileSync(join(top, 'modules.tar.gz')),
      'vmlinuz.nbi': `NBI of ${id}`,
      'System.map': 'c0100000 A _text\n',
    },
    manifest: { release: RELEASE },
  });
  return home.root;
}

const ID = `${RELEASE}-1234567890`;
const NETWORK = ['--network', '192.168.0.254/24'];

async function ltsp(root: string, home: string, ...args: string[]) {
  const ran = await kiln(['ltsp', 'install', '--root', root, '--home', home, '--json', ...args]);
  return {
    ...ran,
    report: JSON.parse(ran.stdout) as LtspReport & { error?: { message: string; lines: string[] } },
  };
}

const actions = (report: LtspReport) => [...new Set(report.changes.map(({ action }) => action))];
const read = (root: string, path: string) => readFileSync(join(root, path), 'utf8');

describe('kiln ltsp install --apply', () => {
  it("writes K12LTSP's files as the how-to has them", async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    const ran = await ltsp(root, home, '--apply', '--nodes', ID, '--server', ID, '--mosrun', ...NETWORK);
    expect(ran.code, ran.stderr).toBe(0);
    expect(read(root, 'tftpboot/lts/vmlinuz-2.4.18-om4')).toBe(`NBI of ${ID}`);
    expect(readlinkSync(join(root, 'tftpboot/lts/vmlinuz-openmosix'))).toBe('vmlinuz-2.4.18-om4');
    expect(read(root, 'opt/ltsp/i386/lib/modules/2.4.18-om4/kernel/8139too.o')).toBe(`module of ${ID}`);
    for (const path of ['etc/mosix.map', 'opt/ltsp/i386/etc/mosix.map']) {
      expect(read(root, path)).toBe('1 192.168.0.254 1\n2 192.168.0.1 253\n');
    }
    for (const path of ['etc/fstab', 'opt/ltsp/i386/etc/fstab']) {
      expect(read(root, path)).toContain('\nnone /mfs mfs dfsa=1 0 0\n');
    }
    for (const path of ['mfs', 'opt/ltsp/i386/mfs'])
      expect(statSync(join(root, path)).isDirectory()).toBe(true);
    expect(read(root, 'opt/ltsp/i386/etc/hosts')).toBe(read(root, 'etc/hosts'));
    expect(read(root, 'opt/ltsp/i386/etc/rc.openmosix')).toBe('#!/bin/sh\n# openmosix\n');
    expect(lstatSync(join(root, 'opt/ltsp/i386/bin/mosrun')).mode & 0o777).toBe(0o755);
    expect(read(root, 'etc/dhcpd.kiln.conf')).toContain(
      'option host-name = concat("ws", suffix( concat("00", binary-to-ascii( 10, 8, "", suffix(leased-address,1))),3));',
    );
    expect(read(root, 'etc/dhcpd.kiln.conf')).toContain('filename "/lts/vmlinuz-openmosix";');
    expect(read(root, 'etc/dhcpd.conf')).toContain('include "/etc/dhcpd.kiln.conf";');
    expect(read(root, 'etc/dhcpd.conf')).not.toMatch(/^\s*filename/m);
    expect(read(root, 'etc/inittab')).toContain('l5:5:wait:/bin/mosrun -l /etc/rc.d/rc 5\n');
    expect(read(root, 'boot/vmlinuz-2.4.18-om4')).toBe(`vmlinuz of ${ID}\n`);
    expect(read(root, 'lib/modules/2.4.18-om4/kernel/8139too.o')).toBe(`module of ${ID}`);
    expect(read(root, 'boot/grub/grub.conf')).toContain(
      'title Linux 2.4.18-om4\n\troot (hd0,0)\n\tkernel /vmlinuz-2.4.18-om4 root=/dev/hda2 ro\n',
    );
  });

  it.skipIf(!existsSync('/usr/sbin/dhcpd'))(
    "writes what ISC's dhcpd takes for its configuration",
    async () => {
      const root = madeUpRoot();
      await ltsp(root, await homeWithBundle(), '--apply', '--node-options', 'NIC=ne IO=0x300', ...NETWORK);
      const config = read(root, 'etc/dhcpd.conf').replace('include "/etc/', `include "${root}/etc/`);
      writeFileSync(join(root, 'dhcpd.conf'), config);
      execFileSync('/usr/sbin/dhcpd', ['-t', '-4', '-cf', join(root, 'dhcpd.conf')], { stdio: 'pipe' });
    },
  );

  it('puts the start of openMosix before an exit, behind which nothing would run', async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    await ltsp(root, home, '--apply', ...NETWORK);
    const script = read(root, 'opt/ltsp/i386/etc/rc.local');
    expect(script).toMatch(
      /echo up\n# kiln rc.local begin[\s\S]*\/etc\/rc.openmosix start\nmount \/mfs\n[\s\S]*\nexit 0\n$/,
    );
  });

  it('a second time finds nothing to do, and writes nothing', async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    const args = ['--apply', '--nodes', ID, '--server', ID, '--mosrun', ...NETWORK];
    await ltsp(root, home, ...args);
    const before = picture(root);
    const { code, report } = await ltsp(root, home, ...args);
    expect(code).toBe(0);
    expect(actions(report)).toEqual(['none']);
    expect(picture(root)).toEqual(before);
  });

  it("has MOSIX' line behind the PATH, and its own names", async () => {
    const nfsRoot = 'tftpboot/lts/ltsroot';
    const root = madeUpRoot({ [`${nfsRoot}/etc/rc.local`]: '#!/bin/sh\nPATH=/bin\nexport PATH\n' });
    const args = ['--cluster', 'mosix', '--nfs-root', nfsRoot, ...NETWORK];
    await ltsp(root, await homeWithBundle(), '--apply', ...args);
    expect(read(root, `${nfsRoot}/etc/rc.local`)).toMatch(
      /^PATH=\/bin\n# kiln [\s\S]*\necho 1 > \/proc\/mosix\/admin\/stay\n# kiln rc.local end\nexport PATH\n$/m,
    );
    expect(read(root, `${nfsRoot}/etc/mosix.map`)).toBe(read(root, 'etc/mosix.map'));
    expect(read(root, 'etc/dhcpd.kiln.conf')).toContain('filename "/lts/vmlinuz-mosix";');
    expect(existsSync(join(root, 'mfs'))).toBe(false);
  });

  it("for Microsoft's DHCP server makes the link for the NUL, and says what the scope needs", async () => {
    const root = madeUpRoot();
    const args = ['--microsoft-dhcp', ...NETWORK];
    const { report } = await ltsp(root, await homeWithBundle(), '--apply', ...args);
    expect(readlinkSync(join(root, 'opt/ltsp/i386/000'))).toBe('/opt/ltsp/i386');
    expect(report.notes.join()).toContain('017 Root Path "192.168.0.254:/opt/ltsp/i386/"');
    expect(existsSync(join(root, 'etc/dhcpd.kiln.conf'))).toBe(false);
  });

  it('keeps slow nodes out of the cluster, by lts.conf and by a kernel without openMosix', async () => {
    const [slow, sectioned, known] = ['00:50:56:00:00:01', '00:50:56:00:00:02', '00:11:22:33:44:55'];
    const lts = 'opt/ltsp/i386/etc/lts.conf';
    const root = madeUpRoot({ [lts]: `[Default]\n[${sectioned}]\n        RUNLEVEL = 3\n` });
    const home = await homeWithBundle();
    await storeBundle(homeAt(home), '2.4.22-1', {
      files: { 'vmlinuz.nbi': 'plain' },
      manifest: { release: '2.4.22' },
    });
    const before = picture(root);
    const args = [...NETWORK, '--nodes', ID, '--plain', '2.4.22-1'];
    for (const mac of [slow, sectioned, known]) args.push('--slow', mac);
    const { report } = await ltsp(root, home, '--apply', ...args);
    expect(readlinkSync(join(root, 'tftpboot/lts/vmlinuz-plain'))).toBe('vmlinuz-2.4.22');
    expect(read(root, 'tftpboot/lts/vmlinuz-plain')).toBe('plain');
    const dhcpd = read(root, 'etc/dhcpd.kiln.conf');
    expect(dhcpd).toContain(`{ hardware ethernet ${slow}; filename "/lts/vmlinuz-plain"; }`);
    expect(dhcpd).not.toContain(known);
    expect(report.notes.join()).toContain(`etc/dhcpd.conf has ${known} already`);
    expect(read(root, lts)).toContain(`\n[${slow}]\n        MOSIX = N\n`);
    expect(read(root, lts)).toMatch(
      new RegExp(`\\[${sectioned}\\]\\n# kiln .*\\n {8}MOSIX = N\\n# kiln .* end\\n {8}RUNLEVEL = 3\\n`),
    );
    expect(actions((await ltsp(root, home, '--apply', ...args)).report)).toEqual(['none']);
    await ltsp(root, home, '--undo');
    expect(picture(root)).toEqual(before);
  });

  it.each([
    ['MOSIX = N in lts.conf', 'get_cfg() { echo N; }', false],
    ['no word of it in lts.conf', 'get_cfg() { echo $2; }', true],
    ['a rc.local that reads no lts.conf', ':', true],
  ])('starts openMosix on a node with %s: %s, %s', async (_case, setUp, starts) => {
    const root = madeUpRoot();
    await ltsp(root, await homeWithBundle(), '--apply', ...NETWORK);
    const hpc = freshDirectory('hpc');
    mkdirSync(join(hpc, 'admin'));
    const script = read(root, 'opt/ltsp/i386/etc/rc.local')
      .replaceAll('/proc/hpc', hpc)
      .replace('/etc/rc.openmosix start', ':')
      .replace('mount /mfs', ':');
    execFileSync('sh', ['-c', `${setUp}\n${script}`], { stdio: 'ignore' });
    expect(existsSync(join(hpc, 'admin/lstay'))).toBe(starts);
  });

  it("has PCQuest's export, Gentoo's options of /mfs and the name that openMosix' RPM has for the kernel", async () => {
    const [root, home] = [madeUpRoot({ 'etc/exports': '/home (rw)\n' }), await homeWithBundle()];
    const args = ['--server', ID, '--exports', '--mfs-options', 'noauto,dfsa=1', ...NETWORK];
    const { report } = await ltsp(root, home, '--apply', ...args);
    expect(read(root, 'etc/exports')).toMatch(
      /^\/home \(rw\)\n# kiln .*\n\/opt\/ltsp\/i386 192\.168\.0\.0\/255\.255\.255\.0\(ro,no_root_squash,sync\)\n/,
    );
    expect(report.notes.join()).toContain('exportfs -ra');
    expect(read(root, 'etc/fstab')).toContain('\nnone /mfs mfs noauto,dfsa=1 0 0\n');
    expect(readlinkSync(join(root, 'boot/vmlinuz-openmosix'))).toBe(`vmlinuz-${RELEASE}`);
  });

  it('a node whose kernel has no openMosix starts nothing of it', async () => {
    const root = madeUpRoot();
    await ltsp(root, await homeWithBundle(), '--apply', ...NETWORK);
    const said = execFileSync('sh', [join(root, 'opt/ltsp/i386/etc/rc.local')], { encoding: 'utf8' });
    expect(said).toBe('up\n');
  });

  it.each([
    ['192.168.0.1/24', '1 192.168.0.1 1\n2 192.168.0.2 253\n'],
    ['10.0.0.5/29', '1 10.0.0.5 1\n2 10.0.0.1 4\n6 10.0.0.6 1\n'],
  ])('numbers every address of the network of %s once', async (network, map) => {
    const root = madeUpRoot();
    await ltsp(root, await homeWithBundle(), '--apply', '--network', network);
    expect(read(root, 'etc/mosix.map')).toBe(map);
  });

  it('keeps its modules from a gc of the home, whose channels know nothing of these nodes', async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    const nfsRoot = join(root, 'opt/ltsp/i386');
    writeFileSync(join(home, 'kiln.yaml'), `nfs-roots: ${nfsRoot}\n`);
    await kiln(['publish', ID, '--channel', 'lts/x', '--home', home]);
    const before = picture(root);
    await ltsp(root, home, '--apply', '--nodes', ID, ...NETWORK);
    rmSync(join(home, 'channels'), { recursive: true });
    rmSync(join(home, 'tftp'), { recursive: true });
    rmSync(join(home, 'bundles'), { recursive: true });
    expect((await kiln(['gc', '--grace', '0s', '--home', home])).code).toBe(0);
    const modules = 'opt/ltsp/i386/lib/modules/2.4.18-om4';
    expect(read(root, `${modules}/kernel/8139too.o`)).toBe(`module of ${ID}`);
    await ltsp(root, home, '--undo');
    expect(picture(root)).toEqual(before);
  });

  it('of a newer bundle moves the link and leaves the older kernel to the nodes that run it', async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    await ltsp(root, home, '--apply', '--nodes', ID, ...NETWORK);
    const newer = { files: { 'vmlinuz.nbi': 'newer' }, manifest: { release: '2.4.18-om5' } };
    await storeBundle(homeAt(home), '2.4.18-om5-1', newer);
    const { code } = await ltsp(root, home, '--apply', '--nodes', '2.4.18-om5-1', ...NETWORK);
    expect(code).toBe(0);
    expect(readlinkSync(join(root, 'tftpboot/lts/vmlinuz-openmosix'))).toBe('vmlinuz-2.4.18-om5');
    expect(read(root, 'tftpboot/lts/vmlinuz-2.4.18-om4')).toBe(`NBI of ${ID}`);
  });
});

describe('kiln ltsp install --dry-run', () => {
  it('says what --apply does and leaves the root as it is', async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    const before = picture(root);
    const args = ['--nodes', ID, '--server', ID, ...NETWORK];
    const dry = await ltsp(root, home, '--dry-run', ...args);
    expect(picture(root)).toEqual(before);
    const applied = await ltsp(root, home, '--apply', ...args);
    expect(applied.report.changes).toEqual(dry.report.changes);
  });

  it.each([[], ['--apply', '--undo']])('is one of three that have to be said: %s', async (...modes) => {
    const ran = await kiln(['ltsp', 'install', '--root', madeUpRoot(), ...modes]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('--dry-run');
  });
});

describe('kiln ltsp install --undo', () => {
  it('restores everything byte for byte, times and modes included, after several applies', async () => {
    const [root, home] = [madeUpRoot({ 'etc/mosix.map': undefined }), await homeWithBundle()];
    const before = picture(root);
    const times = statSync(join(root, 'etc/fstab')).mtimeMs;
    await ltsp(root, home, '--apply', ...NETWORK);
    await ltsp(root, home, '--apply', '--nodes', ID, '--server', ID, '--mosrun', '--network', '10.0.0.1/24');
    const { code, stderr } = await ltsp(root, home, '--undo');
    expect(code, stderr).toBe(0);
    expect(picture(root)).toEqual(before);
    expect(statSync(join(root, 'etc/fstab')).mtimeMs).toBe(times);
  });

  it('has nothing to do where nothing was installed', async () => {
    const root = madeUpRoot();
    const before = picture(root);
    const { code, report } = await ltsp(root, freshDirectory('home'), '--undo');
    expect([code, report.changes]).toEqual([0, []]);
    expect(picture(root)).toEqual(before);
  });

  it("takes Kiln's lines alone out of a file that was edited around them", async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    const fstab = read(root, 'etc/fstab');
    await ltsp(root, home, '--apply', '--mosrun', ...NETWORK);
    appendFileSync(join(root, 'etc/fstab'), '/dev/cdrom /mnt iso9660 ro 0 0\n');
    appendFileSync(join(root, 'etc/inittab'), 'x:5:respawn:/etc/X11/prefdm\n');
    expect((await ltsp(root, home, '--undo')).code).toBe(0);
    expect(read(root, 'etc/fstab')).toBe(`${fstab}/dev/cdrom /mnt iso9660 ro 0 0\n`);
    expect(read(root, 'etc/inittab')).toContain('l5:5:wait:/etc/rc.d/rc 5\nca::');
  });

  it('refuses as a whole where it would lose an edit', async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    await ltsp(root, home, '--apply', ...NETWORK);
    writeFileSync(join(root, 'etc/mosix.map'), '1 10.0.0.1 6\n');
    const before = picture(root);
    const { code, report } = await ltsp(root, home, '--undo');
    expect(code).toBe(1);
    expect(report.error?.message).toContain('etc/mosix.map');
    expect(picture(root)).toEqual(before);
  });

  it('keeps a directory of its own into which somebody has put something', async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    await ltsp(root, home, '--apply', ...NETWORK);
    writeFileSync(join(root, 'mfs/mine'), '');
    const { code, report } = await ltsp(root, home, '--undo');
    expect([code, report.notes]).toEqual([0, ['mfs is not empty: it stays']]);
    expect(existsSync(join(root, 'mfs/mine'))).toBe(true);
  });
});

describe('what is in the way', () => {
  const refused = async (root: string, sentence: RegExp, ...args: string[]) => {
    const before = picture(root);
    const { code, report } = await ltsp(root, await homeWithBundle(), '--apply', ...NETWORK, ...args);
    expect([report.error?.message, ...(report.error?.lines ?? [])].join('\n')).toMatch(sentence);
    expect(picture(root)).toEqual(before);
    return code;
  };

  it('a map of somebody else is refused, and replaced and brought back where it is said', async () => {
    const root = madeUpRoot({ 'etc/mosix.map': '1 10.0.0.1 6\n' });
    expect(await refused(root, /etc\/mosix.map is there, and not by Kiln/)).toBe(1);
    const before = picture(root);
    const home = await homeWithBundle();
    expect((await ltsp(root, home, '--apply', '--replace', 'etc/mosix.map', ...NETWORK)).code).toBe(0);
    expect(read(root, 'etc/mosix.map')).toContain('192.168.0.254');
    await ltsp(root, home, '--undo');
    expect(picture(root)).toEqual(before);
  });

  it("Kiln's own lines are refused once they were edited", async () => {
    const [root, home] = [madeUpRoot(), await homeWithBundle()];
    await ltsp(root, home, '--apply', ...NETWORK);
    const edited = read(root, 'etc/fstab').replace('dfsa=1', 'dfsa=0');
    writeFileSync(join(root, 'etc/fstab'), edited);
    expect(await refused(root, /Kiln's lines \("fstab"\) in etc\/fstab were edited/)).toBe(1);
  });

  it('a dhcpd.conf that names several boot files is refused, with their lines', async () => {
    const several = 'group { filename "/a"; }\ngroup { filename "/b"; }\n';
    const root = madeUpRoot({ 'etc/dhcpd.conf': several });
    expect(await refused(root, /in 2 places[\s\S]*2: group \{ filename "\/b"/)).toBe(1);
  });

  it('an inittab that starts runlevel 5 in no way known is refused', async () => {
    const root = madeUpRoot({ 'etc/inittab': 'id:5:initdefault:\n' });
    expect(await refused(root, /etc\/inittab has 0 lines that start runlevel 5/, '--mosrun')).toBe(1);
  });

  it('a boot menu without an entry to go by is refused', async () => {
    const root = madeUpRoot({ 'boot/grub/grub.conf': 'default=0\n' });
    expect(await refused(root, /no entry with a root and a kernel/, '--server', ID)).toBe(1);
  });

  it('a root without the root of nodes is refused', async () => {
    expect(await refused(madeUpRoot(), /has no srv\/ltsp/, '--nfs-root', 'srv/ltsp')).toBe(2);
  });

  it('a symlink that leads out of the root is refused', async () => {
    const root = madeUpRoot();
    rmSync(join(root, 'tftpboot'), { recursive: true });
    symlinkSync(freshDirectory('elsewhere'), join(root, 'tftpboot'));
    expect(await refused(root, /tftpboot\/lts\/.* leads out of/, '--nodes', ID)).toBe(4);
  });
});
