import { type AsmStatement, applyEdits, type Edit, findAsm } from './c-text.ts';
import type { CompatRule } from './rule.ts';

/**
 * Files whose inline assembly says less than it does: memory that is read and written but declared as
 * written only, memory that is touched and not declared at all, statements that may be moved or dropped.
 * gcc of the time did not look; today's moves loads and stores across them, and the kernel dies at boot.
 */
const LYING_ASM: readonly string[] = [
  ...[
    'atomic',
    'bitops',
    'checksum',
    'desc',
    'io',
    'pgtable',
    'posix_types',
    'rwlock',
    'rwsem',
    'semaphore',
    'signal',
    'softirq',
    'spinlock',
    'string-486',
    'string',
    'system',
    'uaccess',
    'unistd',
  ].map((name) => `include/asm-i386/${name}.h`),
  'arch/i386/kernel/pci-pc.c',
  'arch/i386/kernel/traps.c',
  'arch/i386/lib/dec_and_lock.c',
  'arch/i386/lib/strstr.c',
  'arch/i386/lib/usercopy.c',
  'arch/i386/mm/fault.c',
];

export const INLINE_ASM_RULES: readonly CompatRule[] = [
  {
    id: 'asm-operands',
    reason:
      'inline assembly that hides what it reads and writes is made volatile, with "+m" operands and a memory clobber: without it the kernel links and dies at boot',
    files: LYING_ASM,
    // What tells a tree with this kind of assembly: bit operations on memory that name a single word of it.
    guard: (peek) => /\bbts/.test(peek('include/asm-i386/bitops.h') ?? ''),
    rewrite(text) {
      return applyEdits(text, findAsm(text).flatMap(honestEdits));

      function honestEdits(statement: AsmStatement): Edit[] {
        return [...volatileEdit(statement), ...outputEdits(text, statement), ...clobberEdit(text, statement)];
      }
    },
  },
  {
    id: 'asm-task-switch',
    reason:
      'the task switch calls a function that clobbers eax, ecx and edx and does not say so: they are saved around it',
    files: ['include/asm-i386/system.h'],
    rewrite(text) {
      const at = text.indexOf('jmp __switch_to');
      if (at < 0) return text;
      const statement = findAsm(text).find(
        ({ sections }) => sections[0] !== undefined && holds(sections[0], at),
      );
      const template = statement?.sections[0];
      if (template === undefined) return text;
      const before = text.slice(template.start, template.end);
      return text.slice(0, template.start) + saveScratchRegisters(before) + text.slice(template.end);
    },
  },
  {
    id: 'asm-segment-move',
    reason:
      'a 32-bit move between a segment register and memory is refused by the assembler: the size is dropped',
    files: [
      'include/asm-i386/system.h',
      'include/asm-i386/processor.h',
      'include/asm-i386/elf.h',
      'arch/i386/kernel/irq.h',
      'arch/i386/kernel/process.c',
      'arch/i386/kernel/signal.c',
      'arch/i386/kernel/vm86.c',
      'arch/i386/boot/compressed/head.S',
      ...['entry', 'head', 'trampoline'].map((name) => `arch/i386/kernel/${name}.S`),
    ],
    rewrite(text) {
      return text
        .replace(/\bmovl(\s+%%[cdefgs]s\s*,)/g, 'mov$1')
        .replace(/\bmovl(\s+%w?\d\s*,\s*%%[cdefgs]s\b)/g, 'mov$1')
        .replace(/(?<=\\t|\b)movl(\s+(%%?)[abcd]x\s*,\s*\2[cdefgs]s\b)/g, 'mov$1')
        .replace(/\bmovl(\s+%[cdefgs]s\s*,\s*%[abcd]x\b)/g, 'mov$1')
        .replace(/\bmovl(\s+%%"\s*#\w+\s*",)/g, 'mov$1')
        .replace(/\bmovl(\s+%\d,%%"\s*#\w+)/g, 'mov$1');
    },
  },
];

function holds(span: { start: number; end: number }, at: number): boolean {
  return span.start <= at && at < span.end;
}

function volatileEdit(statement: AsmStatement): Edit[] {
  const at = statement.qualifierEnd;
  return statement.isVolatile ? [] : [{ start: at, end: at, text: ' __volatile__' }];
}

/** Memory outputs become read-write, unless an input is tied to one of them. */
function outputEdits(text: string, statement: AsmStatement): Edit[] {
  const outputs = statement.sections[1];
  if (outputs === undefined) return [];
  const before = text.slice(outputs.start, outputs.end);
  return [{ ...outputs, text: before.replace(/"=m"/g, '"+m"') }];
}

function clobberEdit(text: string, statement: AsmStatement): Edit[] {
  const last = statement.sections.at(-1);
  const written = statement.sections.length;
  if (last === undefined) return [];
  if (written < 4) return [{ start: last.end, end: last.end, text: `${' :'.repeat(4 - written)} "memory"` }];
  const clobbers = text.slice(last.start, last.end);
  if (clobbers.includes('"memory"')) return [];
  const separator = /"/.test(clobbers) ? ', ' : ' ';
  return [{ start: last.end, end: last.end, text: `${separator}"memory"` }];
}

/** Pushes eax, ecx and edx before the first register that the template saves, and pops them behind the last. */
function saveScratchRegisters(template: string): string {
  if (template.includes('pushl %%ecx')) return template;
  const scratch = ['eax', 'ecx', 'edx'];
  const first = template.indexOf('"pushl %%esi');
  const last = template.lastIndexOf('"popl %%esi');
  if (first < 0 || last < 0) return template;
  const end = template.indexOf('"', last + 1) + 1;
  const pushes = scratch.map((name) => `pushl %%${name}\\n\\t`).join('');
  const pops = scratch
    .toReversed()
    .map((name) => `popl %%${name}\\n\\t`)
    .join('');
  return `${template.slice(0, first)}"${pushes}" ${template.slice(first, end)} "${pops}"${template.slice(end)}`;
}
