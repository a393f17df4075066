import type { CompatRule, Peek } from './rule.ts';

const REGPARM = '__attribute__((regparm(3)))';

/** Functions that assembly calls, or that are written in assembly, with arguments in registers. */
const CALLED_FROM_ASSEMBLY = [
  '__switch_to',
  'do_signal',
  'save_v86_state',
  'rwsem_down_read_failed',
  'rwsem_down_write_failed',
  'rwsem_wake',
  'acpi_copy_wakeup_routine',
].join('|');

/** Later releases mark the definitions as well (`fastcall`); half of these rules there would break them. */
function marksPrototypesOnly(peek: Peek): boolean {
  const kernel = peek('include/linux/kernel.h') ?? '';
  return /^#define\s+FASTCALL\(/m.test(kernel) && !/^#define\s+fastcall\b/m.test(kernel);
}

export const FASTCALL_RULES: readonly CompatRule[] = [
  {
    id: 'fastcall-prototypes',
    reason:
      'FASTCALL stands on prototypes only, and a definition of another type is an error: it becomes nothing',
    files: ['include/linux/kernel.h'],
    guard: marksPrototypesOnly,
    rewrite: (text) =>
      text.replace(/^(#define\s+FASTCALL\(x\)\s+x)[ \t]+__attribute__\(\(regparm\(3\)\)\)/m, '$1'),
  },
  {
    id: 'fastcall-assembly',
    reason: 'functions that assembly calls with arguments in registers say so on prototype and definition',
    files: [
      'include/asm-i386/rwsem.h',
      'include/asm-i386/system.h',
      'arch/i386/kernel/acpi.c',
      'arch/i386/kernel/process.c',
      'arch/i386/kernel/signal.c',
      'arch/i386/kernel/vm86.c',
      'lib/rwsem.c',
    ],
    guard: marksPrototypesOnly,
    rewrite(text) {
      const prototype = new RegExp(
        `\\bFASTCALL\\(\\s*((?:${CALLED_FROM_ASSEMBLY})\\s*\\([^;]*\\))\\s*\\)(\\s*;)`,
        'g',
      );
      const definition = new RegExp(
        `^(\\w[\\w \\t*]*?)\\b((?:${CALLED_FROM_ASSEMBLY})\\s*\\([^;{()]*\\)\\s*\\{)`,
        'gm',
      );
      return text.replace(prototype, `${REGPARM} $1$2`).replace(definition, `$1${REGPARM} $2`);
    },
  },
  {
    id: 'asmlinkage-regparm',
    reason: 'asmlinkage with regparm(0) conflicts with definitions that lack it; it is the default anyhow',
    files: ['include/linux/linkage.h'],
    rewrite: (text) =>
      text.replace(/^(#define\s+asmlinkage\s+CPP_ASMLINKAGE)[ \t]+__attribute__\(\(regparm\(0\)\)\)/m, '$1'),
  },
];
