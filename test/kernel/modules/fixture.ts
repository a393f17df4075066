import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { baseEnvironment, run } from '../../../src/platform/process.ts';

export const RELEASE = '2.4.37-test';

/** What linux/module.h of 2.4 gives a module, in few words. */
const HEADER = `
#define INFO(name, text) static const char __module_##name[] __attribute__((used, section(".modinfo"))) = #name "=" text
#define EXPORT(symbol) \\
  const char __kstrtab_##symbol[] __attribute__((section(".kstrtab"))) = #symbol; \\
  const struct { unsigned long value; const char *name; } __ksymtab_##symbol \\
    __attribute__((section("__ksymtab"))) = { (unsigned long)&symbol, __kstrtab_##symbol }
#define TABLE(kind, type, table) \\
  static const unsigned long __module_##kind##_size __attribute__((used)) = sizeof(type); \\
  static const type *__module_##kind##_table __attribute__((used)) = table
typedef struct { unsigned vendor, device, subvendor, subdevice, class, class_mask; unsigned long data; } pci;
`;

/** Compiles a module of 2.4's shape below lib/modules/<release>; the code may use INFO, EXPORT, TABLE. */
export async function module(root: string, path: string, code: string, release = RELEASE): Promise<void> {
  const object = join(root, 'lib/modules', RELEASE, path);
  await mkdir(dirname(object), { recursive: true });
  const source = join(root, 'module.c');
  await writeFile(source, `${HEADER}\nINFO(kernel_version, "${release}");\n${code}`);
  const flags = ['-m32', '-march=i386', '-ffreestanding', '-fno-pic', '-fno-stack-protector', '-O2'];
  const result = await run('gcc', [...flags, '-c', '-o', object, source], { env: baseEnvironment() });
  if (result.exitCode !== 0) throw new Error(result.tail.join('\n'));
}

/** A System.map of a kernel that exports some symbols. */
export async function systemMap(root: string, symbols: readonly string[]): Promise<string> {
  const path = join(root, 'System.map');
  const lines = symbols.flatMap((symbol, index) => {
    const address = (0xc0100000 + 16 * index).toString(16);
    return [`${address} T ${symbol}`, `${address} R __kstrtab_${symbol}`];
  });
  await writeFile(path, `${[...lines, 'c0200000 T not_exported'].join('\n')}\n`);
  return path;
}
