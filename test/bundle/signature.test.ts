import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkSignature,
  formatPublicKey,
  publicKeyPath,
  SIGNATURE,
  signingKey,
  signingKeyPath,
  trustedKeys,
} from '../../src/bundle/index.ts';
import { homeWith } from '../publish/fixture.ts';
import { buildJson, freshDirectory } from '../support/kiln.ts';

function minisign(...args: string[]) {
  return spawnSync('minisign', args, { encoding: 'utf8' });
}

describe('a bundle in the store', () => {
  it('is signed: minisign itself checks it, and sees a byte that was changed', async () => {
    const { home, bundles } = await homeWith('one');
    const sums = join(bundles[0].directory, 'SHA256SUMS');
    const good = minisign('-V', '-p', publicKeyPath(home), '-m', sums);
    expect(good.stdout).toContain('Signature and comment signature verified');
    expect(good.stdout).toContain('Trusted comment: kiln demo:a one');
    chmodSync(sums, 0o644);
    writeFileSync(sums, readFileSync(sums, 'utf8').replace(/^./, 'x'));
    expect(minisign('-V', '-p', publicKeyPath(home), '-m', sums).status).toBe(1);
    expect(await checkSignature(bundles[0].directory, await trustedKeys(home))).toMatchObject({
      status: 'bad',
    });
  });

  it('is the same to the byte whoever signs it: the signature alone differs', async () => {
    const [one, other] = [await homeWith('one'), await homeWith('one')];
    const read = (directory: string, name: string) => readFileSync(join(directory, name), 'utf8');
    const [a, b] = [one.bundles[0].directory, other.bundles[0].directory];
    expect(read(a, 'SHA256SUMS')).toBe(read(b, 'SHA256SUMS'));
    expect(read(a, 'manifest.json')).toBe(read(b, 'manifest.json'));
    expect(read(a, SIGNATURE)).not.toBe(read(b, SIGNATURE));
    expect(await checkSignature(a, await trustedKeys(other.home))).toMatchObject({ status: 'unknown-key' });
    expect(await checkSignature(a, await trustedKeys(one.home))).toMatchObject({ status: 'good' });
  });

  it("whose signature's trusted comment was changed is not signed", async () => {
    const { home, bundles } = await homeWith('one');
    const file = join(bundles[0].directory, SIGNATURE);
    chmodSync(file, 0o644);
    writeFileSync(file, readFileSync(file, 'utf8').replace('demo:a', 'demo:b'));
    expect(await checkSignature(bundles[0].directory, await trustedKeys(home))).toEqual({
      status: 'bad',
      reason: 'its trusted comment was changed',
    });
  });
});

describe('what minisign signs', () => {
  it('is checked by Kiln as well', async () => {
    const { home, bundles } = await homeWith('one');
    const keys = freshDirectory('minisign');
    const [publicKey, secret] = [join(keys, 'k.pub'), join(keys, 'k.key')];
    expect(minisign('-G', '-W', '-p', publicKey, '-s', secret).status).toBe(0);
    const sums = join(bundles[0].directory, 'SHA256SUMS');
    const signed = minisign('-S', '-s', secret, '-m', sums, '-x', join(bundles[0].directory, SIGNATURE));
    expect(signed.status, signed.stderr).toBe(0);
    const trusted = join(home.keys, 'trusted');
    expect(await checkSignature(bundles[0].directory, await trustedKeys(home))).toMatchObject({
      status: 'unknown-key',
    });
    spawnSync('install', ['-D', publicKey, join(trusted, 'k.pub')]);
    expect(await checkSignature(bundles[0].directory, await trustedKeys(home))).toMatchObject({
      status: 'good',
    });
  });
});

describe("a home's key", () => {
  it('is made once, for whoever asks at the same time, and is its owner’s alone', async () => {
    const { home } = await homeWith();
    const keys = await Promise.all(Array.from({ length: 8 }, () => signingKey(home)));
    expect(new Set(keys.map((key) => formatPublicKey(key.public))).size).toBe(1);
    expect(statSync(signingKeyPath(home)).mode & 0o777).toBe(0o600);
    expect(statSync(home.keys).mode & 0o777).toBe(0o700);
    expect(readFileSync(publicKeyPath(home), 'utf8')).toBe(formatPublicKey((await signingKey(home)).public));
  });

  it('that can not sign ends a build before anything is unpacked or compiled', async () => {
    const home = freshDirectory('home');
    mkdirSync(join(home, 'keys'));
    writeFileSync(join(home, 'keys/kiln.key'), 'no key\n');
    const { ran, jobs } = await buildJson(['sample:ne2k', '--home', home]);
    expect(ran.code).toBe(4);
    expect(JSON.stringify(jobs[0]?.error)).toMatch(/not an Ed25519 key/);
    expect(jobs[0]?.steps.run).toBeLessThanOrEqual(1);
  });
});
