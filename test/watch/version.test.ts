import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareVersions, isPrerelease } from '../../src/watch/version.ts';

/** Versions as upstreams write them, and anything else. */
const part = fc.oneof(
  fc.nat({ max: 120 }).map(String),
  fc.constantFrom('rc', 'pre', 'beta', 'om', 'ac', 'test', 'a', 'b', 'RC', '00', '007'),
);
const version = fc.oneof(
  fc.array(fc.tuple(part, fc.constantFrom('.', '-', '_', ''))).map((parts) => parts.flat().join('')),
  fc.string(),
);

describe('versions', () => {
  it.each([
    ['2.4.22-9', '2.4.22-10'],
    ['2.4.22-om2', '2.4.22-om10'],
    ['2.4.22', '2.4.22-om1'],
    ['2.4.22-rc2', '2.4.22'],
    ['2.4.22-pre10', '2.4.22-rc1'],
    ['2.6.0-test11', '2.6.0'],
    ['2.6.0-test9', '2.6.0-test11'],
    ['2.4.22', '2.4.22.1'],
    ['2.4.37.9', '2.4.37.11'],
    ['2.4.9', '2.4.22'],
    ['1.0-alpha', '1.0-beta'],
    ['20031', '20040101'],
    ['2.4.22-ac1', '2.4.22-ac2'],
    ['9007199254740993', '9007199254740994'],
  ])('%s comes before %s', (older, newer) => {
    expect(compareVersions(older, newer)).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
  });

  it.each([
    ['1.0', '1-0'],
    ['1.01', '1.1'],
    ['1.0-RC1', '1.0rc1'],
  ])('%s and %s are one', (a, b) => {
    expect(compareVersions(a, b)).toBe(0);
  });

  it('are in a total order: of two, one is older or both are one, whichever is asked first', () => {
    fc.assert(
      fc.property(version, version, (a, b) => {
        expect(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a))).toBe(0);
        expect(compareVersions(a, a)).toBe(0);
      }),
      { numRuns: 3000 },
    );
  });

  it('are in a transitive order', () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        const [first = '', second = '', third = ''] = [a, b, c].sort(compareVersions);
        expect(compareVersions(first, second)).toBeLessThanOrEqual(0);
        expect(compareVersions(second, third)).toBeLessThanOrEqual(0);
        expect(compareVersions(first, third)).toBeLessThanOrEqual(0);
        if (compareVersions(a, b) === 0) {
          expect(Math.sign(compareVersions(a, c))).toBe(Math.sign(compareVersions(b, c)));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('come before a release when they say so', () => {
    expect(['2.4.22-rc1', '2.6.0-test1', '1.0beta2'].every(isPrerelease)).toBe(true);
    expect(['2.4.22', '2.4.22-om2', '2.4.22-ac1'].some(isPrerelease)).toBe(false);
  });
});
