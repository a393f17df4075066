import { expect, test } from 'vitest';
import { compileHeader } from '../../src/kernel/compile-header.ts';
import { sourceDateEpoch } from '../../src/platform/clock.ts';

const facts = { buildDate: sourceDateEpoch({}), smp: false, compilerVersion: 'gcc version 12.2.0 (Debian)' };

test('the header has the names that init/version.c reads, and nothing of the machine', () => {
  expect(compileHeader(facts)).toBe(
    [
      '#define UTS_VERSION "#1 Mon Aug 25 00:00:00 UTC 2003"',
      '#define LINUX_COMPILE_TIME "00:00:00"',
      '#define LINUX_COMPILE_BY "kiln"',
      '#define LINUX_COMPILE_HOST "kiln"',
      '#define LINUX_COMPILE_DOMAIN ""',
      '#define LINUX_COMPILER "gcc version 12.2.0 (Debian)"',
      '',
    ].join('\n'),
  );
});

test('a kernel for several processors says so', () => {
  expect(compileHeader({ ...facts, smp: true })).toContain('"#1 SMP Mon Aug 25');
});

test('days of one digit stand in two columns, as date(1) prints them', () => {
  expect(compileHeader({ ...facts, buildDate: 86_400 * 3 + 3661 })).toContain(
    '"#1 Sun Jan  4 01:01:01 UTC 1970"',
  );
});
