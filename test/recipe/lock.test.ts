import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatLock, parseLock } from '../../src/recipe/lock.ts';

const digest = fc.stringMatching(/^[0-9a-f]{64}$/);

it('a lock that is written and read again is the same lock, whatever the names are', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'),
        fc.record({ file: fc.string(), size: fc.integer({ min: 1 }), sha256: digest }),
      ),
      (lock) => {
        expect(parseLock(formatLock(lock), 'x.lock.yaml')).toEqual({ ...lock });
      },
    ),
  );
});

it('the same lock is the same bytes in whatever order it was made', () => {
  const one = { file: 'a', size: 1, sha256: '0'.repeat(64) };
  expect(formatLock({ b: one, a: one })).toBe(formatLock({ a: one, b: one }));
});

it('what is no lock file is refused by name', () => {
  expect(() => parseLock('sources: {kernel: {file: x}}', 'x.lock.yaml')).toThrow(
    /not a lock file: sources\.kernel\./,
  );
  expect(() => parseLock('a: [', 'x.lock.yaml')).toThrow(/not a lock file/);
});

it.each([
  ['that a merge has left half done', 'sources:\n<<<<<<< HEAD\n  kernel: {}\n', 2],
  [
    'with a digest that is none',
    `sources:\n  kernel:\n    file: x\n    size: 1\n    sha256: ${'A'.repeat(64)}\n`,
    5,
  ],
])('a lock file %s is refused with the line', (_what, text, line) => {
  expect(() => parseLock(text, 'x.lock.yaml')).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      place: expect.objectContaining({ file: 'x.lock.yaml', line }),
    }),
  );
});
