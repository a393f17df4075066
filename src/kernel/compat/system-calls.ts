import { applyEdits, type Edit, matchingBrace } from './c-text.ts';
import { C_FOLDERS, type CompatRule } from './rule.ts';

/** A definition of a system call: its type on either side of `asmlinkage`, its name, the parameters; then the body. */
const DEFINITION = /^((?:long|int)\s+)?asmlinkage\b([\w\s*]*?)\b((?:sys|old)_\w+)\s*\(([^()#]*)\)\s*\{/gm;

const KEYWORD = 'asmlinkage';

/** `type name` or `type name[]`. */
const PARAMETER = /[\s*](\w+)\s*(?:\[\w*\]\s*)*$/;

export const SYSTEM_CALL_RULES: readonly CompatRule[] = [
  {
    id: 'system-call-arguments',
    reason:
      "a system call's arguments are the caller's saved registers, and the compiler keeps changed ones there: the function gets a copy of them",
    files: { under: C_FOLDERS, matches: (path) => path.endsWith('.c') },
    guard: (peek) => (peek('arch/i386/kernel/entry.S') ?? '').includes('sys_call_table'),
    rewrite(text) {
      if (!text.includes('asmlinkage')) return text;
      return applyEdits(
        text,
        [...text.matchAll(DEFINITION)].flatMap((match) => definitionEdit(text, match)),
      );
    },
  },
  {
    id: 'system-call-frame',
    reason:
      "a system call that changes its caller's registers does so behind its one argument, which the compiler sees no use in and drops: iopl has no effect. The address is hidden from it",
    files: ['ioport', 'signal', 'vm86'].map((name) => `arch/i386/kernel/${name}.c`),
    rewrite: (text) =>
      text.replace(
        /\(struct pt_regs \*\)\s*&(\w+);/g,
        '({ void *frame = &$1; __asm__ __volatile__ ("" : "+r" (frame) : : "memory"); (struct pt_regs *)frame; });',
      ),
  },
];

/**
 * Puts a function in front that hands its arguments on, as a call pushes them anew. All of it goes into one
 * line, so that the lines of the compiler's messages stay right.
 */
function definitionEdit(text: string, match: RegExpExecArray): Edit[] {
  const [definition, before = '', after = '', name = '', written = ''] = match;
  const parameters = written
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  const names = parameters.split(',').map((parameter) => PARAMETER.exec(parameter)?.[1]);
  const end = matchingBrace(text, match.index + definition.length - 1);
  // No parameters, or the whole frame of registers as its parameter, which it is there to read and change.
  if (names.includes(undefined) || /\bpt_regs\b/.test(text.slice(match.index, end))) return [];
  const result = ` ${before}${after}`.replace(/\s+/g, ' ').trimEnd();
  const body = `static __attribute__((noinline))${result} body_of_${name}(${parameters})`;
  const front = `asmlinkage${result} ${name}(${parameters}) { return body_of_${name}(${names.join(', ')}); }`;
  const start = match.index;
  const keywordAt = start + before.length;
  const nameAt = keywordAt + KEYWORD.length + after.length;
  return [
    { start, end: start, text: `${body}; ${front} static __attribute__((noinline)) ` },
    { start: keywordAt, end: keywordAt + KEYWORD.length, text: '' },
    { start: nameAt, end: nameAt + name.length, text: `body_of_${name}` },
  ];
}
