import { expect, test } from 'vitest';
import {
  diffConfigs,
  mergeFragments,
  parseDotConfig,
  parseFragment,
  refuseConflicts,
} from '../../src/kconfig/index.ts';

const fragment = (text: string, file: string) => parseFragment(text, file);

test('a fragment wins over the base, a later fragment that says override: over an earlier one', () => {
  const merged = mergeFragments('CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=4\n', [
    fragment('CONFIG_A=m\nCONFIG_C=5\n', 'one'),
    fragment('# override: because\nCONFIG_C=6\n', 'two'),
  ]);
  expect(Object.fromEntries(parseDotConfig(merged.config))).toEqual({
    CONFIG_A: 'm',
    CONFIG_B: 'm',
    CONFIG_C: '6',
  });
  expect(merged.conflicts).toEqual([]);
});

test('two fragments that contradict each other are refused with both places', () => {
  const { conflicts } = mergeFragments('', [
    fragment('# CONFIG_SMP is not set\n', 'netboot.config'),
    fragment('\nCONFIG_SMP=y\n', 'big.config'),
  ]);
  expect(() => refuseConflicts(conflicts)).toThrow(
    'CONFIG_SMP: n asked by netboot.config:1, y by big.config:2',
  );
});

test('asking twice for the same is no contradiction', () => {
  expect(
    mergeFragments('', [fragment('CONFIG_A=y\n', 'a'), fragment('CONFIG_A=y\n', 'b')]).conflicts,
  ).toEqual([]);
});

test('comments go with their options into the merged text', () => {
  const { config } = mergeFragments('', [fragment('# why A\nCONFIG_A=y\n', 'a')]);
  expect(config).toContain('# why A\nCONFIG_A=y\n');
});

test('a base that holds a command is refused', () => {
  expect(() => mergeFragments('CONFIG_A=$(reboot)\n', [])).toThrow('CONFIG_A=$(reboot)');
});

test('a diff names what differs; a missing option is as good as n', () => {
  expect(diffConfigs('CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=1\n', 'CONFIG_A=m\nCONFIG_C=1\n')).toEqual([
    { symbol: 'CONFIG_A', from: 'y', to: 'm' },
  ]);
});
