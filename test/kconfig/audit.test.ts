import { expect, test } from 'vitest';
import { auditConfig, parseFragment } from '../../src/kconfig/index.ts';

const ask = (text: string, file = 'f') => parseFragment(text, file).options;
const known = new Set(['CONFIG_A', 'CONFIG_B']);

test.each([
  ['CONFIG_A=y', 'CONFIG_A=y', 'ok'],
  ['CONFIG_A=y', '# CONFIG_A is not set', 'dropped'],
  ['CONFIG_A=y', '', 'dropped'],
  ['CONFIG_A=m', 'CONFIG_A=y', 'changed'],
  ['# CONFIG_A is not set', 'CONFIG_A=y', 'changed'],
  ['# CONFIG_A is not set', '', 'ok'],
  ['CONFIG_A=12', 'CONFIG_A=13', 'changed'],
  ['CONFIG_A="x"', 'CONFIG_A="x"', 'ok'],
  ['CONFIG_X=y', '', 'unknown'],
  ['# CONFIG_X is not set', '', 'ok'],
])('%s against %j is %s', (asked, final, status) => {
  expect(auditConfig(ask(asked), `${final}\n`, known).requested[0]?.status).toBe(status);
});

test('a hex value is the same with and without 0x', () => {
  expect(auditConfig(ask('CONFIG_A=0x2E8\n'), 'CONFIG_A=2e8\n').ok).toBe(true);
});

test('what a later fragment overrides on purpose is told and is no failure', () => {
  const requested = [...ask('CONFIG_A=y\n', 'one'), ...ask('# override: b\n# CONFIG_A is not set\n', 'two')];
  const audit = auditConfig(requested, '# CONFIG_A is not set\n', known);
  expect(audit.requested).toMatchObject([
    { status: 'overridden', why: 'two:2 asks for n later' },
    { status: 'ok' },
  ]);
  expect(audit.ok).toBe(true);
});

test('a contradiction that nobody declared fails the audit as well', () => {
  const requested = [...ask('CONFIG_A=y\n', 'one'), ...ask('# CONFIG_A is not set\n', 'two')];
  expect(auditConfig(requested, '# CONFIG_A is not set\n', known).ok).toBe(false);
});

test('n of a symbol that the tree does not have is ok, and said', () => {
  expect(auditConfig(ask('# CONFIG_X is not set\n'), '', known).requested).toMatchObject([
    { status: 'ok', got: null, why: 'this tree has no such option' },
  ]);
});
