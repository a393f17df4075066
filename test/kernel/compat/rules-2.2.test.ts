import { describe, expect, test } from 'vitest';
import { COMPAT_RULES_2_2 } from '../../../src/kernel/compat/rules-2.2.ts';

/** Sources of our own in the shape that a rule looks for: rule, claim, path, before, after. */
const EXAMPLES: readonly (readonly [string, string, string, string, string])[] = [
  [
    'string-over-lines',
    'a literal ends on each line; comments, characters and continued macros stay',
    'fs/a.c',
    'char *a = "one\ntwo\\n";\n/* don\'t "open\n */ char b = \'"\';\n#error it isn\'t\n#define C "x \\\n y"\n',
    'char *a = "one\\n"\n"two\\n";\n/* don\'t "open\n */ char b = \'"\';\n#error it isn\'t\n#define C "x \\\n y"\n',
  ],
  [
    'pasted-punctuation',
    'names are pasted to names alone',
    'fs/a.c',
    '#define F(o,s) int o##_x##s## (int a)\n#define G(x, y...) f(x , ## y)\n#define H(m...) p(KERN_INFO ## m)\n',
    '#define F(o,s) int o##_x##s (int a)\n#define G(x, y...) f(x , ## y)\n#define H(m...) p(KERN_INFO m)\n',
  ],
  [
    'kept-compound-literal',
    'what is registered stays when the function returns; tables of a file are as they were',
    'net/a.c',
    'void f(void)\n{\n\treg(&(struct dir) {\n\t\t1, "a}"\n\t});\n}\nstruct t x = { &(struct dir) { 2 } };\n',
    'void f(void)\n{\n\treg(({ static struct dir kept = {\n\t\t1, "a}"\n\t}; &kept; }));\n}\nstruct t x = { &(struct dir) { 2 } };\n',
  ],
  [
    'compiler-options-of-its-time',
    'options get the names of today or go',
    'arch/i386/Makefile',
    'CFLAGS := $(CFLAGS) -m486 -malign-loops=2 -malign-jumps=2 -DCPU=586\n',
    'CFLAGS := $(CFLAGS) -march=i486 -DCPU=586\n',
  ],
  [
    'assembly-with-macros',
    'the library is assembled with macros of today',
    'arch/i386/lib/Makefile',
    '\t$(CC) -D__ASSEMBLY__ -traditional -c $< -o $*.o\n',
    '\t$(CC) -D__ASSEMBLY__ -c $< -o $*.o\n',
  ],
  [
    'host-tools-of-32-bits',
    'a 32-bit number has 32 bits on the host',
    'arch/i386/boot/tools/build.c',
    'typedef unsigned long u32;\n',
    'typedef unsigned int u32;\n',
  ],
  [
    'dependencies-on-64-bits',
    'a 64-bit host is one with the low byte first',
    'scripts/mkdep.c',
    '#if defined(__alpha__) || defined(__i386__)\n',
    '#if defined(__alpha__) || defined(__x86_64__) || defined(__i386__)\n',
  ],
  [
    'versions-while-dependencies-are-made',
    'the header of symbol versions is for what makes dependencies to make',
    'Makefile',
    'dep-files: archdep\n\techo\n\ndepend dep: dep-files $(MODVERFILE)\n',
    'dep-files: archdep\n\techo\n\ndepend dep: dep-files\n',
  ],
  [
    'room-behind-setup-header',
    'there is room between the header and the code',
    'arch/i386/boot/setup.S',
    'x:\t.word 1\n! ---- end of header ----\n\nstart_of_setup:\n',
    'x:\t.word 1\n\t\t.long\t0,0,0,0\t! room for fields of later headers\n! ---- end of header ----\n\nstart_of_setup:\n',
  ],
  [
    'asm-segment-move',
    'a move to a segment register has no size, in assembly and in C',
    'arch/i386/kernel/irq.h',
    'movl %dx,%ds\nmovl %es,%cx\n"\\tmovl %%ax,%%ds\\n" "movl %w0,%%fs" "movl %esi,%edx"\n',
    'mov %dx,%ds\nmov %es,%cx\n"\\tmov %%ax,%%ds\\n" "mov %w0,%%fs" "movl %esi,%edx"\n',
  ],
  [
    'static-name-in-use',
    'a table of the name of another has a name of its own from the top of the file on',
    'fs/proc/root.c',
    '#include <a.h>\n#ifdef B\n#include <b.h>\n#endif\nint *p = &proc_link_inode_operations;\nstatic struct inode_operations proc_link_inode_operations = {\n};\n',
    '#include <a.h>\n#define proc_link_inode_operations own_proc_link_inode_operations\nstatic struct inode_operations proc_link_inode_operations;\n#ifdef B\n#include <b.h>\n#endif\nint *p = &proc_link_inode_operations;\nstatic struct inode_operations proc_link_inode_operations = {\n};\n',
  ],
  [
    'static-of-extern-2.2',
    'a name that its header declares is not static',
    'fs/buffer.c',
    'static int nr_buffers = 0;\nstatic int nr_buffers_type[4];\nstatic int nr_buffer_heads = 0;\n',
    'int nr_buffers = 0;\nstatic int nr_buffers_type[4];\nint nr_buffer_heads = 0;\n',
  ],
  [
    'array-of-private-struct',
    'arrays of a struct that only the file system knows are for it alone',
    'include/linux/hfs_fs.h',
    'int a;\nextern const struct hfs_name x[];\nextern const struct hfs_name y[];\nint b;\n',
    'int a;\n#ifdef _HFS_H\nextern const struct hfs_name x[];\nextern const struct hfs_name y[];\n#endif\nint b;\n',
  ],
  [
    'export-memcmp-2.2',
    'memcmp is exported',
    'arch/i386/kernel/i386_ksyms.c',
    'EXPORT_SYMBOL(strstr);\n',
    'EXPORT_SYMBOL(strstr);\n#undef memcmp\nextern int memcmp(const void *, const void *, size_t);\nEXPORT_SYMBOL_NOVERS(memcmp);\n',
  ],
  [
    'word-operand',
    'an operand of 16 bits says so',
    'arch/i386/kernel/traps.c',
    '__asm__ ("movw %3,0(%2)\\n\\t"',
    '__asm__ ("movw %w3,0(%2)\\n\\t"',
  ],
];

describe('rules for 2.2', () => {
  test.each(EXAMPLES)('%s: %s', (id, _claim, path, before, after) => {
    const rule = COMPAT_RULES_2_2.find((one) => one.id === id);
    expect(rule?.rewrite(before, path)).toBe(after);
    expect(rule?.rewrite(after, path)).toBe(after);
  });

  test('no two rules have one name, and each says why', () => {
    const ids = COMPAT_RULES_2_2.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(COMPAT_RULES_2_2.filter(({ reason }) => reason.length < 20)).toEqual([]);
  });
});
