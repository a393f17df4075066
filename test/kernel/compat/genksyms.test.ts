import { expect, test } from 'vitest';
import { run } from '../../../src/platform/process.ts';

async function versions(source: string, ...options: string[]): Promise<string[]> {
  const script = ['src/kernel/compat/genksyms.sh', ...options, '-k', '2.4.22'];
  const result = await run('sh', script, { input: source, capture: true });
  expect(result.exitCode, result.tail.join('\n')).toBe(0);
  return result.stdout.toString('latin1').trimEnd().split('\n');
}

const EXPORTS = 'int b(long);\nEXPORT_SYMBOL(b);\n  EXPORT_SYMBOL_GPL( a );\nEXPORT_SYMBOL_NOVERS(c);\n';

test('every exported symbol gets a version, unless it is exported without', async () => {
  expect(await versions(EXPORTS)).toEqual([
    expect.stringMatching(/^#define __ver_a\t[0-9a-f]{8}$/),
    '#define a\t_set_ver(a)',
    expect.stringMatching(/^#define __ver_b\t[0-9a-f]{8}$/),
    '#define b\t_set_ver(b)',
  ]);
});

test('the versions of an SMP kernel carry a prefix', async () => {
  expect((await versions(EXPORTS, '-p', 'smp_'))[0]).toMatch(/^#define __ver_a\tsmp_[0-9a-f]{8}$/);
});

test('the place of the tree does not change a version', async () => {
  expect(await versions(`# 1 "/one/a.c"\n${EXPORTS}`)).toEqual(
    await versions(`# 1 "/two/a.c" 2\n${EXPORTS}`),
  );
});

test('another declaration gives another version', async () => {
  const [before] = await versions(EXPORTS);
  const [after] = await versions(EXPORTS.replace('long', 'int'));
  expect(after).not.toBe(before);
});

test('a file that exports nothing has no versions', async () => {
  expect(await versions('int a;\n')).toEqual(['']);
});
