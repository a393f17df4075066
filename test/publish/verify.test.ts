import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectBundle, type Manifest, SIGNATURE, trustedKeys } from '../../src/bundle/index.ts';
import { homeAt } from '../../src/platform/home.ts';
import {
  inspectServing,
  objections,
  promote,
  publishBundle,
  repair,
  STRICT,
} from '../../src/publish/index.ts';
import { freshDirectory, kiln, sampleHome } from '../support/kiln.ts';
import { homeWith, moduleArchive, storeBundle } from './fixture.ts';
import { expectClean } from './scenarios.ts';

/** Puts other bytes in the place of a file, as a disk or a hand does that goes behind Kiln's back. */
function damage(file: string): void {
  rmSync(file);
  writeFileSync(file, 'torn');
}

async function published() {
  const { home, bundles } = await homeWith('one', 'two');
  await publishBundle(home, bundles[0], 'lts/x');
  return { home, bundles };
}

describe('verify', () => {
  it.each<[string, (tftp: string) => void, RegExp]>([
    ['a channel without its link', (tftp) => unlinkSync(join(tftp, 'lts/x')), /lts\/x is missing/],
    [
      'a channel that was pointed elsewhere by hand',
      (tftp) => {
        unlinkSync(join(tftp, 'lts/x'));
        symlinkSync('../bundles/two', join(tftp, 'lts/x'));
      },
      /points to \.\.\/bundles\/two; generation 1 is \.\.\/bundles\/one/,
    ],
    [
      'a served file that is damaged',
      (tftp) => damage(join(tftp, 'bundles/one/vmlinuz')),
      /one\/vmlinuz is missing or not/,
    ],
    [
      'a file that somebody added to a bundle',
      (tftp) => writeFileSync(join(tftp, 'bundles/one/extra'), ''),
      /extra is served and not in the manifest/,
    ],
    [
      'a link that leads nowhere',
      (tftp) => symlinkSync('nowhere', join(tftp, 'a')),
      /a -> nowhere leads nowhere/,
    ],
    ['an absolute link', (tftp) => symlinkSync('/etc/passwd', join(tftp, 'a')), /is absolute/],
    [
      'a link that leaves the root',
      (tftp) => symlinkSync('../keys', join(tftp, 'a')),
      /leaves the TFTP root/,
    ],
  ])('finds %s', async (_name, breakIt, sentence) => {
    const { home } = await published();
    breakIt(home.tftp);
    const { faults } = await inspectServing(home);
    expect(faults.map((fault) => fault.sentence).join('\n')).toMatch(sentence);
  });

  it('says what is in the TFTP root that Kiln did not put there, and calls that no fault', async () => {
    const { home } = await published();
    writeFileSync(join(home.tftp, 'pxelinux.0'), 'a loader');
    mkdirSync(join(home.tftp, 'pxelinux.cfg'));
    symlinkSync('../lts/x/pxelinux.cfg', join(home.tftp, 'pxelinux.cfg/default'));
    expect(await inspectServing(home)).toMatchObject({
      channels: ['lts/x'],
      faults: [],
      foreign: ['pxelinux.0', 'pxelinux.cfg/default'],
    });
  });

  it('finds a bundle that nobody signed, and modules of another release', async () => {
    const sample = homeAt(await sampleHome());
    const [all = ''] = readdirSync(join(sample.bundles, 'sample/all'));
    const modules = readFileSync(join(sample.bundles, 'sample/all', all, 'modules.tar.gz'));
    const { home } = await homeWith();
    const bundle = await storeBundle(home, 'other', { files: { 'modules.tar.gz': modules } });
    const trusted = await trustedKeys(home);
    const faults = await inspectBundle(bundle, trusted);
    expect(new Set(faults.map(({ problem }) => problem))).toEqual(new Set(['other-release']));
    expect(faults[0]?.sentence).toContain(`is for ${all}, not for other`);
    rmSync(join(bundle.directory, SIGNATURE));
    expect((await inspectBundle(bundle, trusted)).map(({ problem }) => problem)).toContain('unsigned');
  });
});

describe('verify --repair', () => {
  it('puts links and served files back from the store, and clears what a killed process left', async () => {
    const { home } = await published();
    unlinkSync(join(home.tftp, 'lts/x'));
    damage(join(home.tftp, 'bundles/one/vmlinuz'));
    mkdirSync(join(home.tftp, 'bundles/.two.1234.0123abcd.tmp'));
    const { done, failed } = await repair(home);
    expect(failed).toEqual([]);
    expect(done).toEqual([
      'removed tftp/bundles/.two.1234.0123abcd.tmp',
      'linked tftp/bundles/one/vmlinuz from the store',
      'pointed lts/x to ../bundles/one',
    ]);
    await expectClean(home);
    expect(await repair(home)).toEqual({ done: [], failed: [] });
  });

  it('puts modules of NFS roots back', async () => {
    const { home } = await homeWith();
    const root = freshDirectory('nfs');
    writeFileSync(join(home.root, 'kiln.yaml'), `nfs-roots: ${root}\n`);
    const modules = await moduleArchive('one', { 'modules.dep': 'whole' });
    const bundle = await storeBundle(home, 'one', { files: { 'modules.tar.gz': modules } });
    await publishBundle(home, bundle, 'lts/x');
    damage(join(root, 'lib/modules/one/modules.dep'));
    expect((await inspectServing(home)).faults).toHaveLength(1);
    await repair(home);
    expect(readFileSync(join(root, 'lib/modules/one/modules.dep'), 'utf8')).toBe('whole');
    await expectClean(home);
  });

  it('says so when the store itself is damaged', async () => {
    const { home, bundles } = await published();
    damage(join(bundles[0].directory, 'vmlinuz'));
    damage(join(home.tftp, 'bundles/one/vmlinuz'));
    const { failed } = await repair(home);
    expect(failed[0]).toMatch(/bundle one is damaged/);
  });
});

describe('a policy', () => {
  const sandboxed: Partial<Manifest> = { build: { sandbox: 'bubblewrap' } };

  it('refuses to publish what is unsigned or was built with the sandbox off', async () => {
    const { home } = await homeWith();
    writeFileSync(join(home.root, 'policy.yaml'), 'signed: true\nsandbox: [bubblewrap]\n');
    const good = await storeBundle(home, 'good', { manifest: sandboxed });
    const off = await storeBundle(home, 'off', { manifest: { build: { sandbox: 'off' } } });
    const unsigned = await storeBundle(home, 'unsigned', { manifest: sandboxed });
    rmSync(join(unsigned.directory, SIGNATURE));
    expect(await publishBundle(home, good, 'lts/x')).toMatchObject({ flipped: true });
    const refused = (sentence: RegExp) => ({ kind: 'integrity', message: expect.stringMatching(sentence) });
    await expect(publishBundle(home, off, 'lts/x')).rejects.toMatchObject(refused(/built with sandbox: off/));
    await expect(publishBundle(home, unsigned, 'lts/x')).rejects.toMatchObject(refused(/nobody has signed/));
    rmSync(join(good.directory, SIGNATURE));
    await expect(promote(home, 'lts/x', 'lts/y')).rejects.toMatchObject(refused(/nobody has signed/));
    expect(readdirSync(join(home.tftp, 'lts'))).toEqual(['x']);
  });

  it('without a file is strict: kiln verify --policy refuses what is unsigned or was built with the sandbox off', async () => {
    const { home } = await homeWith();
    await storeBundle(home, 'good', { manifest: sandboxed });
    await storeBundle(home, 'off', { manifest: { build: { sandbox: 'off' } } });
    const unsigned = await storeBundle(home, 'unsigned', { manifest: sandboxed });
    rmSync(join(unsigned.directory, SIGNATURE));
    const ran = await kiln(['verify', '--policy', '--json', '--home', home.root]);
    expect(ran.code).toBe(4);
    const { bundles } = JSON.parse(ran.stdout) as {
      bundles: { bundle: string; objections: string[] }[];
    };
    expect(Object.fromEntries(bundles.map(({ bundle, objections: against }) => [bundle, against]))).toEqual({
      good: [],
      off: [expect.stringMatching(/^it was built with sandbox: off/)],
      unsigned: [expect.stringMatching(/nobody has signed the bundle/)],
    });
  });

  it('without a file refuses an unknown sandbox, and sources that were substituted', async () => {
    const { home } = await homeWith();
    const sources = { kernel: { name: 'kernel', substituted: true }, patches: [] };
    const bundle = await storeBundle(home, 'one', { manifest: { sources } as unknown as Partial<Manifest> });
    expect(await objections(home, bundle, STRICT)).toEqual([
      'it was built with an unknown sandbox; the policy asks for bubblewrap or container',
      'its source kernel was substituted',
    ]);
  });

  it('that is not valid is refused by place, and so is a file that is not there', async () => {
    const { home, bundles } = await homeWith('one');
    writeFileSync(join(home.root, 'policy.yaml'), 'signed: perhaps\n');
    await expect(publishBundle(home, bundles[0], 'lts/x')).rejects.toMatchObject({ kind: 'invalid' });
    const ran = await kiln(['verify', '--policy', '/nowhere', '--home', home.root]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('there is no policy /nowhere')]);
  });
});
