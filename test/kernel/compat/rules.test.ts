import { describe, expect, test } from 'vitest';
import { REPRODUCIBLE_RULES } from '../../../src/kernel/compat/makefiles.ts';
import type { CompatRule } from '../../../src/kernel/compat/rule.ts';
import { COMPAT_RULES_2_4 } from '../../../src/kernel/compat/rules-2.4.ts';

interface Example {
  readonly rule: string;
  readonly claim: string;
  /** Where the source stands, for a rule that asks; any file by default. */
  readonly path?: string;
  readonly before: string;
  readonly after: string;
}

/** Sources of our own in the shape that a rule looks for. */
const EXAMPLES: readonly Example[] = [
  {
    rule: 'gzip-without-time',
    claim: 'gzip leaves the time out',
    before: '\tgzip -f -9 < $$piggy > $$piggy.gz; \\\n',
    after: '\tgzip -n -f -9 < $$piggy > $$piggy.gz; \\\n',
  },
  {
    rule: 'compiler-check',
    claim: 'the refusal of new compilers goes, the condition stays',
    before: '#if __GNUC__ > 4 || __GNUC__ == 4\n#error "too new"\n#error "really"\n#endif\n#error "other"\n',
    after: '#if __GNUC__ > 4 || __GNUC__ == 4\n#endif\n#error "other"\n',
  },
  {
    rule: 'entry-at-final-link',
    claim: 'the entry symbol moves to the line that links the kernel',
    before: 'LDFLAGS=-e stext\nLINKFLAGS =-T $(TOPDIR)/x.lds $(LDFLAGS)\n',
    after: 'LDFLAGS=\nLINKFLAGS =-T $(TOPDIR)/x.lds $(LDFLAGS) -e stext\n',
  },
  {
    rule: 'incomplete-array',
    claim: 'an array goes behind its struct',
    before: 'extern struct box boxes[4];\nint a;\nstruct box {\n\tstruct { int b; } c;\n};\nint d;\n',
    after: 'int a;\nstruct box {\n\tstruct { int b; } c;\n};\nextern struct box boxes[4];\nint d;\n',
  },
  {
    rule: 'array-of-unknown-struct',
    claim: 'the header that defines the counters is included',
    before: '#include <net/sock.h>\nextern struct ping_mib pings[2];\n',
    after: '#include <net/sock.h>\n#include <net/snmp.h>\nextern struct ping_mib pings[2];\n',
  },
  {
    rule: 'static-after-extern',
    claim: 'the header lets go of a name that is static',
    before: 'int a;\nextern char root_device_name[];\nint b;\n',
    after: 'int a;\nint b;\n',
  },
  {
    rule: 'static-prototype-in-function',
    claim: 'a prototype moves before the function that holds it',
    before: 'int a;\n\nint\nprobe(void)\n{\n\tstatic void tick(int);\n\treturn 0;\n}\n',
    after: 'int a;\n\nstatic void tick(int);\nint\nprobe(void)\n{\n\treturn 0;\n}\n',
  },
  {
    rule: 'static-prototype-in-function',
    claim: 'a brace behind the header is seen as well',
    before: 'int a;\n\nstatic int probe (int x) { \n   int y;\n   static int tick (int);\n   return y;\n}\n',
    after: 'int a;\n\nstatic int tick (int);\nstatic int probe (int x) { \n   int y;\n   return y;\n}\n',
  },
  {
    rule: 'extern-then-static',
    claim: 'a forward declaration is as static as the definition',
    before: 'extern struct ops box_ops;\nint a;\nstatic struct ops box_ops = { 0 };\n',
    after: 'static struct ops box_ops;\nint a;\nstatic struct ops box_ops = { 0 };\n',
  },
  {
    rule: 'parameter-array',
    claim: 'an array parameter becomes a pointer',
    before: 'int send(struct bus *bus, struct msg msgs[], int n);\nint one(struct msg []);\n',
    after: 'int send(struct bus *bus, struct msg *msgs, int n);\nint one(struct msg *);\n',
  },
  {
    rule: 'cast-lvalue',
    claim: 'a pointer steps by the type that it was cast to',
    before: '*((u16 *)buf)++ = x;\n((char *) p->at) += n;\n++(__u32*)q;\n',
    after: '*(*(u16 **)&buf)++ = x;\n(*(char **)&p->at) += n;\n++(*(__u32**)&q);\n',
  },
  {
    rule: 'cast-lvalue',
    claim: 'an assignment to a cast goes through the pointer',
    before: 'int a;\n(void *)p->base = map();\nif (!((void *) q = map())) return;\nb = (void *)r = c;\n',
    after:
      'int a;\n(*(void **)&p->base) = map();\nif (!((*(void **)&q) = map())) return;\nb = (*(void **)&r) = c;\n',
  },
  {
    rule: 'cast-lvalue-macro',
    claim: 'a macro that casts a member is an lvalue',
    before: '#define BOX(d) ((struct box *) (d)->dev_data)\n',
    after: '#define BOX(d) (*(struct box **)&(d)->dev_data)\n',
  },
  {
    rule: 'cast-lvalue-macro',
    claim: 'a macro with the member in parentheses is an lvalue as well',
    before: '#define BOX(d) ((struct box *)(d->dev_data))\n',
    after: '#define BOX(d) (*(struct box **)&(d->dev_data))\n',
  },
  {
    rule: 'cast-lvalue-number',
    claim: 'a pointer is written as a number',
    before: '(long) p->priv = 0;\nif ((ulong) p == 1) return;\n',
    after: '(*(long *)&p->priv) = 0;\nif ((ulong) p == 1) return;\n',
  },
  {
    rule: 'cast-lvalue-needless',
    claim: 'a cast to the same type goes',
    before: '(unsigned short int) (((unsigned short int *) (p))[i + 3]) = 0;\n',
    after: '(((unsigned short int *) (p))[i + 3]) = 0;\n',
  },
  {
    rule: 'static-of-its-own',
    claim: 'a static table has a name of its own, in macros as well',
    path: 'drivers/net/irda/litelink.c',
    before: 'int a;\nstatic int baud_rates;\nint f(void) { return baud_rates; }\n',
    after:
      'int a;\n#define baud_rates own_baud_rates\nstatic int baud_rates;\nint f(void) { return baud_rates; }\n',
  },
  {
    rule: 'extern-after-static',
    claim: 'a definition is as static as its declaration',
    before: 'static struct ctl_table a[];\nctl_table a[] = {\n};\nctl_table b[] = {\n};\n',
    after: 'static struct ctl_table a[];\nstatic ctl_table a[] = {\n};\nctl_table b[] = {\n};\n',
  },
  {
    rule: 'unknown-wait-queue',
    claim: 'the array has a type that there is',
    before: 'extern struct wait_queue main_wait[2];\n',
    after: 'extern wait_queue_t main_wait[2];\n',
  },
  {
    rule: 'designator-without-equals',
    claim: 'the equals sign is put in',
    before: '\t\t.clock             42,\n\t\t.width = 7,\n',
    after: '\t\t.clock = 42,\n\t\t.width = 7,\n',
  },
  {
    rule: 'static-of-extern',
    claim: 'the definition is not static',
    path: 'drivers/block/nbd.c',
    before: 'static int requests_in;\nstatic int other;\n',
    after: 'int requests_in;\nstatic int other;\n',
  },
  {
    rule: 'comma-lvalue',
    claim: 'the comma goes into the index',
    before: '#define STAT(cpu, member) ((void)(cpu), table[0].member)\n',
    after: '#define STAT(cpu, member) (table[((void)(cpu), 0)].member)\n',
  },
  {
    rule: 'function-name-literal',
    claim: 'the name becomes the first argument of the format',
    before:
      'printk(KERN_INFO __FUNCTION__ ": got %d\\n", n);\n#define dbg(fmt, a...) printk("x " __FUNCTION__ fmt , ## a)\n',
    after:
      'printk(KERN_INFO "%s" ": got %d\\n", __FUNCTION__, n);\n#define dbg(fmt, a...) printk("x " "%s" fmt , __FUNCTION__, ## a)\n',
  },
  {
    rule: 'function-name-literal',
    claim: 'the name comes after the arguments of conversions before it',
    before: 'printk("%d%%: " __FUNCTION__ " %s\\n", f(a, b), "c,d");\n',
    after: 'printk("%d%%: " "%s" " %s\\n", f(a, b), __FUNCTION__, "c,d");\n',
  },
  {
    rule: 'fastcall-prototypes',
    claim: 'FASTCALL becomes nothing',
    before: '#define FASTCALL(x)\tx __attribute__((regparm(3)))\n',
    after: '#define FASTCALL(x)\tx\n',
  },
  {
    rule: 'fastcall-assembly',
    claim: 'prototype and definition take arguments in registers',
    before: 'extern void FASTCALL(__switch_to(struct a *b));\n\nvoid __switch_to(struct a *b)\n{\n}\n',
    after:
      'extern void __attribute__((regparm(3))) __switch_to(struct a *b);\n\nvoid __attribute__((regparm(3))) __switch_to(struct a *b)\n{\n}\n',
  },
  {
    rule: 'asmlinkage-regparm',
    claim: 'asmlinkage says nothing of registers',
    before: '#define asmlinkage CPP_ASMLINKAGE __attribute__((regparm(0)))\n',
    after: '#define asmlinkage CPP_ASMLINKAGE\n',
  },
  {
    rule: 'asm-operands',
    claim: 'an operand is read and written, the statement stays where it is',
    before: '__asm__("incl %0" :"=m" (a));\nasm volatile("lidt %0": :"m" (b) : "cc");\n__asm__("cli");\n',
    after:
      '__asm__ __volatile__("incl %0" :"+m" (a) : : "memory");\nasm volatile("lidt %0": :"m" (b) : "cc", "memory");\n__asm__("cli");\n',
  },
  {
    rule: 'asm-operands',
    claim: 'a macro over several lines keeps its lines',
    before:
      '#define put(x) \\\n\t__asm__ __volatile__( \\\n\t"a:b(%0)" /* ( */ \\\n\t: "=r" (x) \\\n\t: "r" (f(x ? 1 : 2)))\n',
    after:
      '#define put(x) \\\n\t__asm__ __volatile__( \\\n\t"a:b(%0)" /* ( */ \\\n\t: "=r" (x) \\\n\t: "r" (f(x ? 1 : 2)) : "memory")\n',
  },
  {
    rule: 'asm-task-switch',
    claim: 'the registers that the call destroys are saved',
    before:
      'asm volatile("pushl %%esi\\n\\t" "pushl %%ebp\\n\\t" "jmp __switch_to\\n" "popl %%ebp\\n\\t" "popl %%esi\\n\\t" :"=m" (a));\n',
    after:
      'asm volatile("pushl %%eax\\n\\tpushl %%ecx\\n\\tpushl %%edx\\n\\t" "pushl %%esi\\n\\t" "pushl %%ebp\\n\\t" "jmp __switch_to\\n" "popl %%ebp\\n\\t" "popl %%esi\\n\\t" "popl %%edx\\n\\tpopl %%ecx\\n\\tpopl %%eax\\n\\t" :"=m" (a));\n',
  },
  {
    rule: 'asm-segment-move',
    claim: 'a move of a segment register has no size',
    before: 'asm volatile("movl %%fs,%0":"=m" (a));\nasm volatile("movl %0,%%gs": :"m" (b));\n',
    after: 'asm volatile("mov %%fs,%0":"=m" (a));\nasm volatile("mov %0,%%gs": :"m" (b));\n',
  },
  {
    rule: 'builtin-abs',
    claim: 'abs is the builtin',
    before: 'extern int abs(int);\n',
    after: 'extern int abs(int);\n#define abs(x) __builtin_abs(x)\n',
  },
  {
    rule: 'export-memcmp',
    claim: 'memcmp is exported beside memset',
    before: 'EXPORT_SYMBOL_NOVERS(memset);\n',
    after:
      'EXPORT_SYMBOL_NOVERS(memset);\n#undef memcmp\nextern int memcmp(const void *, const void *, size_t);\nEXPORT_SYMBOL_NOVERS(memcmp);\n',
  },
  {
    rule: 'system-call-arguments',
    claim: 'a function in front hands the arguments on, in the same line',
    before: 'asmlinkage long sys_box(char *p, /* how many */\n\tint n[2])\n{\n\treturn n++;\n}\n',
    after:
      'static __attribute__((noinline)) long body_of_sys_box(char *p, int n[2]); asmlinkage long sys_box(char *p, int n[2]) { return body_of_sys_box(p, n); } static __attribute__((noinline))  long body_of_sys_box(char *p, /* how many */\n\tint n[2])\n{\n\treturn n++;\n}\n',
  },
  {
    rule: 'system-call-arguments',
    claim: 'a type may stand before asmlinkage, on a line of its own',
    before: 'long\nasmlinkage sys_box(int n)\n{\n}\n',
    after:
      'static __attribute__((noinline)) long body_of_sys_box(int n); asmlinkage long sys_box(int n) { return body_of_sys_box(n); } static __attribute__((noinline)) long\n body_of_sys_box(int n)\n{\n}\n',
  },
  {
    rule: 'versions-of-this-configuration',
    claim: 'a stamp that is older than the configuration counts for nothing',
    path: 'Rules.make',
    before: '\t@if [ ! -r x -o $(MODINCL)/$*.stamp -ot $< ]; then \\\n',
    after:
      '\t@if [ ! -r x -o $(MODINCL)/$*.stamp -ot $< -o $(MODINCL)/$*.stamp -ot $(TOPDIR)/include/linux/autoconf.h ]; then \\\n',
  },
  {
    rule: 'static-errno',
    claim: 'headers declare the errno that the file defines',
    path: 'drivers/sound/wavfront.c',
    before: '/* a */\n#include <linux/unistd.h>\nstatic int errno;\n',
    after: '/* a */\n#define errno errno_of_wavfront\n#include <linux/unistd.h>\nint errno;\n',
  },
  {
    rule: 'jump-into-expression',
    claim: 'the macro becomes a statement',
    before: '#define EVENITERA(j)  \\\n({  \\\n  if (j) goto stuff##j; \\\n  end##j: ;  \\\n})\n',
    after: '#define EVENITERA(j)  \\\ndo {  \\\n  if (j) goto stuff##j; \\\n  end##j: ;  \\\n} while (0)\n',
  },
  {
    rule: 'cast-lvalue-of-number',
    claim: 'the cast goes where a statement begins, not inside an expression',
    before:
      '\t(ulong)(a.b[0]) = r;\n\ts = (unsigned short) t =\n\t\t(ulong) u.v = r;\n\t((int)p->flags) |= m;\n\tx = (ulong)y;\n\tif ((ulong)a == b) c();\n',
    after:
      '\t(a.b[0]) = r;\n\ts = t =\n\t\tu.v = r;\n\tp->flags |= m;\n\tx = (ulong)y;\n\tif ((ulong)a == b) c();\n',
  },
  {
    rule: 'cast-lvalue-request',
    claim: 'the link becomes an lvalue',
    before: '#define NEXT(r)  ((REQP) ((r)->host_scribble))\n',
    after: '#define NEXT(r)  (*(REQP *) &((r)->host_scribble))\n',
  },
  {
    rule: 'cast-lvalue-needless',
    claim: 'a macro that assigns its argument gets it without a cast',
    path: 'fs/intermezzo/sysctl.c',
    before: 'PRESTO_ALLOC((void*)a->b, SIZE);\n',
    after: 'PRESTO_ALLOC(a->b, SIZE);\n',
  },
  {
    rule: 'static-of-extern',
    claim: 'the type may stand on a line of its own',
    path: 'drivers/net/wan/8253x/crc32.c',
    before: 'static unsigned int\nfn_calc_memory_chunk_crc32(void *p)\n{\n}\n',
    after: 'unsigned int\nfn_calc_memory_chunk_crc32(void *p)\n{\n}\n',
  },
  {
    rule: 'system-call-frame',
    claim: 'the compiler does not see whose address it is',
    path: 'arch/i386/kernel/ioport.c',
    before: '\tstruct pt_regs * regs = (struct pt_regs *) &unused;\n',
    after:
      '\tstruct pt_regs * regs = ({ void *frame = &unused; __asm__ __volatile__ ("" : "+r" (frame) : : "memory"); (struct pt_regs *)frame; });\n',
  },
];

/** Sources that look like what a rule changes, and are fine as they are. */
const UNTOUCHED: readonly { readonly rule: string; readonly claim: string; readonly text: string }[] = [
  {
    rule: 'cast-lvalue',
    claim: 'a store through a cast pointer',
    text: '*((u16 *)p) = x;\n* (int *)q = 0;\n**(char **)r = 1;\n',
  },
  {
    rule: 'cast-lvalue',
    claim: 'a comparison of a cast',
    text: 'if ((char *)p == q || ((int *) a) != b) return;\n',
  },
  { rule: 'cast-lvalue', claim: 'a macro that takes a cast', text: 'NEXT((struct a *) b) = c;\n' },
  {
    rule: 'function-name-literal',
    claim: 'a name that is an argument',
    text: 'printk("%s: x\\n", __FUNCTION__);\n#define d(f, a...) printk(f, \\\n\t__FUNCTION__ , ## a)\n',
  },
  {
    rule: 'extern-then-static',
    claim: 'the two branches of a condition',
    text: '#ifdef A\nextern void f(void);\n#else\nstatic void f(void) {}\n#endif\n',
  },
  {
    rule: 'incomplete-array',
    claim: 'an array behind its struct',
    text: 'struct a {\n};\nextern struct a as[];\n',
  },
  {
    rule: 'parameter-array',
    claim: 'an array that is defined',
    text: 'struct a as[] = { { 0 } };\nstruct b bs[], cs[];\n',
  },
  {
    rule: 'system-call-arguments',
    claim: 'calls without arguments, those that have the whole frame, and prototypes',
    text: 'asmlinkage int sys_a(void)\n{\n}\nasmlinkage int sys_b(struct pt_regs regs)\n{\n}\nasmlinkage int sys_c(int x)\n{\n\tg((struct pt_regs *)&x);\n}\nasmlinkage int sys_d(int);\n',
  },
  { rule: 'asm-operands', claim: 'assembly without operands', text: 'asm(".text\\n" ".align 4\\n");\n' },
];

const RULES: readonly CompatRule[] = [...REPRODUCIBLE_RULES, ...COMPAT_RULES_2_4];

function rule(id: string): CompatRule {
  const found = RULES.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no rule ${id}`);
  return found;
}

describe.each(EXAMPLES)('$rule: $claim', ({ rule: id, before, after, path = 'x.c' }) => {
  test('rewrites', () => expect(rule(id).rewrite(before, path)).toBe(after));
  test('applied twice is applied once', () => expect(rule(id).rewrite(after, path)).toBe(after));
});

describe.each(UNTOUCHED)('$rule leaves $claim', ({ rule: id, text }) => {
  test('as it is', () => expect(rule(id).rewrite(text, 'x.c')).toBe(text));
});

test('every rule has an example', () => {
  const shown = new Set(EXAMPLES.map((example) => example.rule));
  expect(RULES.map(({ id }) => id).filter((id) => !shown.has(id))).toEqual([]);
});

test('no two rules have one name', () => {
  expect(new Set(RULES.map(({ id }) => id)).size).toBe(RULES.length);
});

describe('a guard looks at the tree', () => {
  const holds = (id: string, files: Record<string, string>) => rule(id).guard?.((path) => files[path]);

  test('FASTCALL stays where definitions are marked as well', () => {
    const marked =
      '#define FASTCALL(x) x __attribute__((regparm(3)))\n#define fastcall __attribute__((regparm(3)))\n';
    expect(holds('fastcall-prototypes', { 'include/linux/kernel.h': marked })).toBe(false);
    expect(holds('fastcall-assembly', { 'include/linux/kernel.h': marked })).toBe(false);
  });

  test('memcmp is not exported twice', () => {
    const exported = 'EXPORT_SYMBOL_NOVERS(memcmp);\n';
    expect(holds('export-memcmp', { 'kernel/ksyms.c': exported })).toBe(false);
    expect(holds('export-memcmp', { 'kernel/ksyms.c': 'EXPORT_SYMBOL(memparse);\n' })).toBe(true);
  });
});
