import type { CompatRule } from './rule.ts';

/** In the file that exports memcpy and memset; the headers make memcmp a macro, which ends there. */
const EXPORTED = /^\s*EXPORT_SYMBOL(?:_NOVERS)?\s*\(\s*memcmp\s*\)/m;

export const EXPORT_RULES: readonly CompatRule[] = [
  {
    id: 'builtin-abs',
    reason:
      'a freestanding compiler calls abs, which the kernel declares and nobody defines: it becomes the builtin',
    files: ['include/linux/kernel.h'],
    rewrite: (text) =>
      /^#define\s+abs\b/m.test(text)
        ? text
        : text.replace(/^extern\s+int\s+abs\(int\);[ \t]*\n/m, '$&#define abs(x) __builtin_abs(x)\n'),
  },
  {
    id: 'export-memcmp',
    reason:
      'the compiler calls memcmp where modules compare memory: it is exported, unless the tree does so already',
    files: ['arch/i386/kernel/i386_ksyms.c'],
    guard: (peek) =>
      !['arch/i386/kernel/i386_ksyms.c', 'kernel/ksyms.c', 'lib/string.c'].some((path) =>
        EXPORTED.test(peek(path) ?? ''),
      ),
    rewrite: (text) =>
      EXPORTED.test(text)
        ? text
        : text.replace(
            /^([ \t]*EXPORT_SYMBOL(?:_NOVERS)?\(memset\);[ \t]*\n)/m,
            '$1#undef memcmp\nextern int memcmp(const void *, const void *, size_t);\nEXPORT_SYMBOL_NOVERS(memcmp);\n',
          ),
  },
];
